/* mfctl route ... - which key prefix leads to which pool. */
#include "common/core/mem.h"
#include "control/ctl.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define ROUTE_OPTIONS(X)                                                                           \
    X(0, "by",     STRING, by,     "NAME", NULL, "who gives the order (user@host if not given)")   \
    X(0, "reason", STRING, reason, "TEXT", NULL, "why")
#define ROUTE_SET_OPTIONS(X)                                                                       \
    X(0, "strip-prefix", BOOL, strip_prefix, "", NULL,                                             \
      "nodes know the keys without PREFIX; clients notice nothing")
/* clang-format on */

struct route_options {
    ROUTE_OPTIONS(OPTION_FIELD)
    ROUTE_SET_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct route_options
static const struct option_row set_rows[] = {ROUTE_SET_OPTIONS(OPTION_ROW)
                                                 ROUTE_OPTIONS(OPTION_ROW)};
static const struct option_row rows[] = {ROUTE_OPTIONS(OPTION_ROW)};
static const struct option_table set_table = {
    .usage = "PREFIX POOL [OPTION]...",
    .summary = "Keys that begin with PREFIX go to POOL; of several prefixes the longest counts.\n"
               "They miss at first: no item moves. A route to a pool that is not served yet\n"
               "waits for it, and all other orders of routes with it.",
    .rows = set_rows,
    .count = sizeof(set_rows) / sizeof(set_rows[0]),
};
static const struct option_table remove_table = {
    .usage = "PREFIX [OPTION]...",
    .summary = "Keys that begin with PREFIX go where a shorter prefix leads, or to the default\n"
               "pool.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

/* What was ordered so far, with its routes an object. */
static json_t *
ordered_so_far(const struct inventory_item *before)
{
    json_t *json = before != NULL ? json_deep_copy(before->json) : json_object();
    if (!json_is_object(json_object_get(json, "routes"))) {
        json_object_set_new(json, "routes", json_object());
    }
    return json;
}

static enum ctl_exit
write_order(struct ctl *ctl, const struct inventory *inv, const struct inventory_item *before,
            json_t *json, const struct route_options *o)
{
    char *by = o->by != NULL ? mem_strdup(o->by) : ctl_whoami();
    int failed = json_object_set_new(json, "by", json_string(by));
    failed |= json_object_set_new(json, "reason", json_string(o->reason ? o->reason : ""));
    free(by);
    if (failed != 0) {
        ctl_complain(ctl, "expected every argument in UTF-8");
        json_decref(json);
        return CTL_USAGE;
    }
    enum ctl_exit status =
        ctl_write(ctl, inv, key_make(KEY_ROUTES, SPAN_LIT("")), before, json_incref(json));
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(json_incref(json));
    }
    json_decref(json);
    return status;
}

static json_t *
route_json(const char *pool, bool strips)
{
    return strips ? json_pack("{s:s, s:b}", "pool", pool, "strip_prefix", 1) : json_string(pool);
}

/* `pool` NULL: remove. */
static enum ctl_exit
order(struct ctl *ctl, const struct inventory *inv, const char *prefix, const char *pool,
      const struct route_options *o)
{
    const struct inventory_item *before = inventory_single(inv, KEY_ROUTES);
    json_t *json = ordered_so_far(before), *routes = json_object_get(json, "routes");
    const char *fault = NULL;
    if (pool == NULL && json_object_del(routes, prefix) != 0) {
        fault = "there is no route of that prefix";
    } else if (pool != NULL && inventory_find(inv, KEY_POOL, span_cstr(pool)) == NULL) {
        fault = "there is no pool of that name";
    } else if (pool != NULL &&
               json_object_set_new(routes, prefix, route_json(pool, o->strip_prefix)) != 0) {
        fault = "expected a prefix in UTF-8";
    } else if (json_object_size(routes) > TABLE_ROUTES_MAX) {
        fault = "a table has at most 10,000 routes";
    }
    if (fault != NULL) {
        ctl_complain(ctl, "%s", fault);
        json_decref(json);
        return CTL_NO;
    }
    return write_order(ctl, inv, before, json, o);
}

static enum ctl_exit
set_or_remove(struct ctl *ctl, int argc, char **argv, bool remove)
{
    const struct option_table *table = remove ? &remove_table : &set_table;
    struct route_options o = {.strip_prefix = false};
    struct ctl_arguments words;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, table, argc, argv, &o, remove ? 1 : 2, &words);
    if (status != CTL_OK) {
        return status;
    }
    const char *prefix = words.items[0], *pool = remove ? NULL : words.items[1];
    if (!table_is_key_prefix(span_cstr(prefix))) {
        ctl_complain(ctl, "expected a prefix of 1 to 250 bytes that may stand in a key");
        status = CTL_USAGE;
    } else if ((status = ctl_load(ctl, &inv)) == CTL_OK) {
        status = order(ctl, &inv, prefix, pool, &o);
        inventory_deinit(&inv);
    }
    if (status == CTL_OK && !ctl->options.json) {
        if (remove) {
            printf("the route of %s is taken away\n", prefix);
        } else {
            printf("keys with %s are ordered to pool %s\n", prefix, pool);
        }
        ctl_print_refusals(ctl);
    }
    ctl_arguments_deinit(&words);
    options_deinit(table, &o);
    return status;
}

enum ctl_exit
ctl_route_set(struct ctl *ctl, int argc, char **argv)
{
    return set_or_remove(ctl, argc, argv, false);
}

enum ctl_exit
ctl_route_remove(struct ctl *ctl, int argc, char **argv)
{
    return set_or_remove(ctl, argc, argv, true);
}

enum ctl_exit
ctl_route_list(struct ctl *ctl, int argc, char **argv)
{
    struct inventory inv;
    enum ctl_exit status = ctl_look(ctl, argc, argv, &inv);
    if (status != CTL_OK) {
        return status;
    }
    json_t *json = ordered_so_far(inventory_single(&inv, KEY_ROUTES));
    const char *prefix;
    json_t *pool;
    if (ctl->options.json) {
        ctl_print_json(json_incref(json));
    } else {
        json_object_foreach (json_object_get(json, "routes"), prefix, pool) {
            bool strips = json_is_object(pool);
            printf("%-32s %s%s\n", prefix,
                   json_string_value(strips ? json_object_get(pool, "pool") : pool),
                   strips ? ", without the prefix" : "");
        }
    }
    json_decref(json);
    inventory_deinit(&inv);
    return CTL_OK;
}
