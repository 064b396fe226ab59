/* mfctl node ... - operators' orders about single nodes. */
#include "common/core/mem.h"
#include "control/ctl.h"
#include "control/planner.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define ORDER_OPTIONS(X)                                                                           \
    X(0, "by",        STRING, by,        "NAME", NULL, "who gives the order (user@host if not given)") \
    X(0, "reason",    STRING, reason,    "TEXT", NULL, "why")
#define ADMIT_OPTIONS(X)                                                                           \
    X(0, "pool",      STRING, pool,      "NAME", NULL, "the pool it serves")                       \
    X(0, "addr",      STRING, addr,      "ADDR", NULL, "where proxies reach it: HOST:PORT")        \
    X(0, "ring-name", STRING, ring_name, "NAME", NULL,                                             \
      "what stands for it in the ring (what legacy clients make of the address)")                  \
    X(0, "weight",    NUMBER, weight,    "N",    "1",  "its share of the ring, 1 to 1000")         \
    X(0, "zone",      STRING, zone,      "NAME", NULL, "where it runs")                            \
    X(0, "kind",      STRING, kind,      "mfcached|memcached", "memcached", "what it is")          \
    ORDER_OPTIONS(X)
#define REMOVE_OPTIONS(X)                                                                          \
    X(0, "force",     BOOL,   force,     "",     NULL,                                             \
      "also if more than a tenth of the pool goes, or if nobody knows the node yet")               \
    ORDER_OPTIONS(X)
/* clang-format on */

struct admit_options {
    ADMIT_OPTIONS(OPTION_FIELD)
};
struct remove_options {
    REMOVE_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct admit_options
static const struct option_row admit_rows[] = {ADMIT_OPTIONS(OPTION_ROW)};
#undef OPTIONS_STRUCT
#define OPTIONS_STRUCT struct remove_options
static const struct option_row remove_rows[] = {REMOVE_OPTIONS(OPTION_ROW)};
#undef OPTIONS_STRUCT

static const struct option_table admit_table = {
    .usage = "ID --pool NAME --addr ADDR [OPTION]...",
    .summary = "Takes in a node that does not register itself. Without --pool and --addr, an\n"
               "order to remove the node is taken back.",
    .rows = admit_rows,
    .count = sizeof(admit_rows) / sizeof(admit_rows[0]),
};
static const struct option_table remove_table = {
    .usage = "ID [OPTION]...",
    .summary = "Its keys move to the other nodes of its pool.",
    .rows = remove_rows,
    .count = sizeof(remove_rows) / sizeof(remove_rows[0]),
};

/* Writes the order over an earlier one. */
static enum ctl_exit
order(struct ctl *ctl, const struct inventory *inv, const char *id, json_t *intent, const char *by,
      const char *reason)
{
    char *who = by != NULL ? mem_strdup(by) : ctl_whoami();
    json_object_set_new(intent, "by", json_string(who));
    json_object_set_new(intent, "reason", json_string(reason != NULL ? reason : ""));
    free(who);
    enum ctl_exit status =
        ctl_write(ctl, inv, key_make(KEY_INTENT, span_cstr(id)),
                  inventory_find(inv, KEY_INTENT, span_cstr(id)), json_incref(intent));
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(json_incref(intent));
    } else if (status == CTL_OK) {
        printf("%s is ordered for node %s\n", json_string_value(json_object_get(intent, "action")),
               id);
        ctl_print_refusals(ctl);
    }
    json_decref(intent);
    return status;
}

static enum ctl_exit
withdraw(struct ctl *ctl, const struct inventory *inv, const char *id)
{
    const struct inventory_item *item = inventory_find(inv, KEY_INTENT, span_cstr(id));
    if (item == NULL || item->registration != NULL) {
        ctl_complain(ctl,
                     "node '%s' was not ordered to leave; to admit one, --pool and --addr "
                     "are needed",
                     id);
        return CTL_NO;
    }
    enum ctl_exit status = ctl_check(
        ctl, etcd_sync_delete(ctl->etcd, span_cstr(key_make(KEY_INTENT, span_cstr(id)).text)));
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(json_pack("{s:s}", "withdrawn", id));
    } else if (status == CTL_OK) {
        printf("the order that node %s leaves is taken back\n", id);
        ctl_print_refusals(ctl);
    }
    return status;
}

static enum ctl_exit
admit(struct ctl *ctl, const struct inventory *inv, const char *id, const struct admit_options *o)
{
    if (o->pool == NULL && o->addr == NULL) {
        return withdraw(ctl, inv, id);
    }
    char error[REGISTRATION_ERROR_MAX];
    json_t *intent =
        json_pack("{s:s s:s s:s? s:s? s:s? s:I s:s s:s}", "action", "admit", "id", id, "pool",
                  o->pool, "addr", o->addr, "ring_name", o->ring_name, "weight",
                  (json_int_t)o->weight, "zone", o->zone != NULL ? o->zone : "", "kind", o->kind);
    if (o->ring_name == NULL) {
        json_object_del(intent, "ring_name");
    }
    struct registration *r = registration_decode(intent, NULL, NULL, error);
    if (r == NULL || (strcmp(o->kind, "memcached") != 0 && strcmp(o->kind, "mfcached") != 0)) {
        ctl_complain(ctl, "%s", r == NULL ? error : "kind: expected mfcached or memcached");
        registration_destroy(&r);
        json_decref(intent);
        return CTL_USAGE;
    }
    registration_destroy(&r);
    return order(ctl, inv, id, intent, o->by, o->reason);
}

static enum ctl_exit
load_for(struct ctl *ctl, const char *id, struct inventory *inv)
{
    if (!name_ok(span_cstr(id))) {
        ctl_complain(ctl, "'%s': " NAME_EXPECTED, id);
        return CTL_USAGE;
    }
    return ctl_load(ctl, inv);
}

enum ctl_exit
ctl_node_admit(struct ctl *ctl, int argc, char **argv)
{
    struct admit_options o;
    struct ctl_arguments id;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, &admit_table, argc, argv, &o, 1, &id);
    if (status != CTL_OK) {
        return status;
    }
    status = load_for(ctl, id.items[0], &inv);
    if (status == CTL_OK) {
        status = admit(ctl, &inv, id.items[0], &o);
        inventory_deinit(&inv);
    }
    ctl_arguments_deinit(&id);
    options_deinit(&admit_table, &o);
    return status;
}

/* The pool that has the node; NULL if none. */
static const struct table_pool *
home_of(const struct table *table, const char *id)
{
    for (unsigned p = 0; table != NULL && p < table->pool_count; p++) {
        for (unsigned n = 0; n < table->pools[p].node_count; n++) {
            if (strcmp(table->pools[p].nodes[n].id, id) == 0) {
                return &table->pools[p];
            }
        }
    }
    return NULL;
}

static bool
is_heard_of(const struct inventory *inv, const char *id)
{
    return inventory_find(inv, KEY_NODE, span_cstr(id)) != NULL ||
           inventory_find(inv, KEY_INTENT, span_cstr(id)) != NULL;
}

/* What the planner would refuse, too, but nobody would hear of it here; and an id that is
 * rather a slip of the pen. */
static bool
may_remove(struct ctl *ctl, const struct inventory *inv, const struct table *table, const char *id,
           bool force)
{
    const struct table_pool *home = home_of(table, id);
    if (home == NULL && !force && !is_heard_of(inv, id)) {
        ctl_complain(ctl, "no node '%s' is known: say --force if it shall not join when it comes",
                     id);
        return false;
    }
    if (home != NULL && home->node_count == 1) {
        ctl_complain(ctl, "%s is the last node of pool %s", id, home->name);
        return false;
    }
    if (home != NULL && !force && home->node_count < PLAN_SHRINK_SHARE) {
        ctl_complain(ctl,
                     "removing one of %u nodes of pool %s is more than a tenth of it: "
                     "say --force if you mean it",
                     home->node_count, home->name);
        return false;
    }
    return true;
}

enum ctl_exit
ctl_node_remove(struct ctl *ctl, int argc, char **argv)
{
    struct remove_options o;
    struct ctl_arguments id;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, &remove_table, argc, argv, &o, 1, &id);
    if (status != CTL_OK) {
        return status;
    }
    status = load_for(ctl, id.items[0], &inv);
    if (status == CTL_OK) {
        struct table *table = ctl_load_table_if_any(ctl, &inv);
        status = CTL_NO;
        if (may_remove(ctl, &inv, table, id.items[0], o.force)) {
            json_t *intent = json_pack("{s:s s:b}", "action", "remove", "force", o.force);
            status = order(ctl, &inv, id.items[0], intent, o.by, o.reason);
        }
        table_unref(&table);
        inventory_deinit(&inv);
    }
    ctl_arguments_deinit(&id);
    options_deinit(&remove_table, &o);
    return status;
}
