/* mfctl pool ... - operators' intent for pools. */
#include "common/core/mem.h"
#include "control/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
/* The fields are named as the members of config/pools/NAME and of a pool in the
 * routing table. What is not given is not written: it keeps its default. */
#define POOL_WORDS(X)                                                                              \
    X(0, "ring",              STRING, ring,              "NAME",  NULL,                            \
      "whose placement of keys to keep:" RING_KINDS_TEXT)                                          \
    X(0, "key-hash",          STRING, key_hash,          "NAME",  NULL,                            \
      "the key hash, if not the ring's own: md5, fnv1a_64, one_at_a_time, crc32, ...")             \
    X(0, "hash-strip-prefix", STRING, hash_strip_prefix, "TEXT",  NULL,                            \
      "what clients put before keys and do not hash")                                              \
    X(0, "hash-tag",          STRING, hash_tag,          "TWO",   NULL,                            \
      "two characters, e.g. {}: only what stands between them is hashed")                          \
    X(0, "hash-stop",         STRING, hash_stop,         "TEXT",  NULL,                            \
      "only what stands before this is hashed")                                                    \
    X(0, "flush-all",         STRING, flush_all,         "allow|deny", NULL,                       \
      "whether a client may flush the whole pool")                                                 \
    X(0, "on-read-error",     STRING, on_read_error,     "miss|error", NULL,                       \
      "what a read is answered that cannot be served")                                             \
    X(0, "on-write-error",    STRING, on_write_error,    "error|not_stored", NULL,                 \
      "what a write is answered that cannot be served")                                            \
    X(0, "meta-errors",       STRING, meta_errors,       "ns|raw", NULL,                           \
      "how a failed meta write is answered")                                                       \
    X(0, "rejoin",            STRING, rejoin,            "HOW", NULL,                              \
      "what a node gets that was away: replay-then-flush-if-lossy, flush or trust")                \
    X(0, "gutter",            STRING, gutter,            "POOL", NULL,                             \
      "the pool that stands in for nodes that are down")                                           \
    X(0, "config-cluster",    STRING, config_cluster,    "HOST:PORT,...", NULL,                    \
      "the proxies that `config get cluster` lists")
#define POOL_SHADOWS(X)                                                                            \
    X(0, "shadow",            STRING, shadow,            "POOL:PERCENT[:WHICH]", NULL,             \
      "a pool that has copies of requests for so many of the keys: all, reads or writes")
#define POOL_DOCUMENTS(X)                                                                          \
    X(0, "hot",               STRING, hot,               "JSON", NULL,                             \
      "the keys and prefixes that are hot: {\"keys\": [...], \"prefixes\": [...]}")                \
    X(0, "limits",            STRING, limits,            "JSON", NULL,                             \
      "limits by rate of each proxy: {PREFIX: {\"requests\": N, \"bytes\": N}, ...}")
#define POOL_SWITCHES(X)                                                                           \
    X(0, "coalesce",          STRING, coalesce,          "on|off", NULL,                           \
      "whether reads of one key that come together are one request (on)")
#define POOL_NUMBERS(X)                                                                            \
    X(0, "connect-timeout",   DURATION, connect_timeout_ms, "TIME", "",                            \
      "time to connect to a node (200ms)")                                                         \
    X(0, "request-timeout",   DURATION, request_timeout_ms, "TIME", "",                            \
      "time for a node to answer a request (250ms)")                                               \
    X(0, "gutter-ttl",        NUMBER,   gutter_ttl_s,       "SECONDS", "",                         \
      "how long an item stays there at most (10)")                                                 \
    X(0, "miss-lease",        DURATION, miss_lease_ms,      "TIME", "",                            \
      "how long those who share a miss wait for one of them to fill it (0)")                       \
    X(0, "replicas",          NUMBER,   replicas,           "N",    "",                            \
      "nodes that may have a hot key, its owner one of them (1)")                                  \
    X(0, "promote",           NUMBER,   promote_percent,    "PERCENT", "",                         \
      "of a node's reads make a key hot for a proxy, if the pool has replicas (0)")                \
    X(0, "replica-ttl-local", DURATION, replica_ttl_local_ms, "TIME", "",                          \
      "how long a proxy reads copies of such a key at most (500ms)")                               \
    X(0, "near-cache",        SIZE,     near_cache_bytes,   "SIZE", "",                            \
      "memory of each proxy for values of the hottest keys (0)")                                   \
    X(0, "near-cache-ttl",    DURATION, near_cache_ttl_ms,  "TIME", "",                            \
      "how long such a value is told at most (250ms)")                                             \
    X(0, "min-nodes",         NUMBER,   min_nodes,          "N",    "",                            \
      "serve the pool once so many nodes have registered for it (1)")
#define POOL_OPTIONS(X)                                                                            \
    POOL_WORDS(X)                                                                                  \
    POOL_SHADOWS(X)                                                                                \
    POOL_DOCUMENTS(X)                                                                              \
    POOL_SWITCHES(X)                                                                               \
    POOL_NUMBERS(X)                                                                                \
    X(0, "force",             BOOL,   force,             "",      NULL,                            \
      "mean it: change the ring or the key hash of a pool, so that most keys move")                \
    X(0, "by",                STRING, by,                "NAME",  NULL,                            \
      "who gives the order (user@host if not given)")                                              \
    X(0, "reason",            STRING, reason,            "TEXT",  NULL,                            \
      "why")
/* clang-format on */

struct pool_options {
    POOL_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct pool_options
static const struct option_row rows[] = {POOL_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .usage = "NAME [OPTION]...",
    .summary = "What is not given keeps its default (pool create) or stays (pool set).",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

/* The decoder would say which words it takes in a table, not here. */
static bool
switches_ok(const struct ctl *ctl, const struct pool_options *o)
{
#define X(letter, name, type, field, arg, fallback, help)                                          \
    if (o->field != NULL && strcmp(o->field, "on") != 0 && strcmp(o->field, "off") != 0) {         \
        ctl_complain(ctl, "option --" name ": expected on or off");                                \
        return false;                                                                              \
    }
    POOL_SWITCHES(X)
#undef X
    return true;
}

/* Text that is not JSON is kept as it is, for the decoder to complain about. */
static json_t *
document_json(const char *text)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    return json != NULL ? json : json_string(text);
}

/* Of "POOL:PERCENT[:WHICH]", or "" for none. Other text is kept as it is, for the decoder to
 * complain about. */
static int
set_shadow(json_t *json, const char *text)
{
    const char *colon = strchr(text, ':');
    char *end = NULL;
    long percent = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    if (text[0] == '\0') {
        json_object_del(json, "shadow");
        return 0;
    }
    if (colon == NULL || end == colon + 1 || (*end != '\0' && *end != ':')) {
        return json_object_set_new(json, "shadow", json_string(text));
    }
    json_t *shadow = json_pack("{s:s%, s:I}", "pool", text, (size_t)(colon - text), "percent",
                               (json_int_t)percent);
    int failed = json_object_set_new(json, "shadow", shadow);
    if (*end == ':') {
        failed |= json_object_set_new(shadow, "requests", json_string(end + 1));
    }
    return failed;
}

/* Writes what was given over what `json` says; false if a word is not UTF-8. */
static bool
overlay(json_t *json, const struct pool_options *o)
{
    int failed = 0;
#define X(letter, name, type, field, arg, fallback, help)                                          \
    if (o->field != NULL) {                                                                        \
        failed |= json_object_set_new(json, #field, json_string(o->field));                        \
    }
    POOL_WORDS(X)
#undef X
    if (o->shadow != NULL) {
        failed |= set_shadow(json, o->shadow);
    }
#define X(letter, name, type, field, arg, fallback, help)                                          \
    if (o->field != NULL) {                                                                        \
        failed |= json_object_set_new(json, #field, document_json(o->field));                      \
    }
    POOL_DOCUMENTS(X)
#undef X
#define X(letter, name, type, field, arg, fallback, help)                                          \
    if (o->field != NULL) {                                                                        \
        bool on = strcmp(o->field, "on") == 0;                                                     \
        failed |= json_object_set_new(json, #field, json_boolean(on));                             \
    }
    POOL_SWITCHES(X)
#undef X
#define X(letter, name, type, field, arg, fallback, help)                                          \
    if (o->field != OPTION_NOT_GIVEN) {                                                            \
        failed |= json_object_set_new(json, #field, json_integer((json_int_t)o->field));           \
    }
    POOL_NUMBERS(X)
#undef X
    char *by = o->by != NULL ? mem_strdup(o->by) : ctl_whoami();
    failed |= json_object_set_new(json, "by", json_string(by));
    failed |= json_object_set_new(json, "reason", json_string(o->reason ? o->reason : ""));
    failed |= json_object_set_new(json, "force", json_boolean(o->force));
    free(by);
    return failed == 0;
}

/* The table that came of it would be refused, with all else that is in it. */
static bool
makes_chain(struct ctl *ctl, const struct inventory *inv, const char *name, const char *shadow)
{
    const struct inventory_item *to = inventory_find(inv, KEY_POOL, span_cstr(shadow));
    if (shadow[0] == '\0') {
        return false;
    }
    if (to != NULL && to->pool->settings.shadow.name[0] != '\0') {
        ctl_complain(ctl, "shadow: pool '%s' has a shadow of its own", shadow);
        return true;
    }
    for (unsigned i = 0; i < inventory_count(inv, KEY_POOL); i++) {
        const struct inventory_item *item = inventory_at(inv, KEY_POOL, i);
        if (strcmp(item->pool->settings.shadow.name, name) == 0) {
            ctl_complain(ctl, "shadow: pool '%s' is the shadow of '%s'", name, item->name);
            return true;
        }
    }
    return false;
}

/* Checks as the planner will, then writes. */
static enum ctl_exit
order(struct ctl *ctl, const struct inventory *inv, const char *name,
      const struct inventory_item *before, const struct pool_options *o)
{
    char error[TABLE_ERROR_MAX];
    json_t *json = before != NULL ? json_deep_copy(before->json) : json_object();
    struct pool_config *config = NULL;
    if (overlay(json, o)) {
        config = pool_config_decode(json, name, error);
    } else {
        snprintf(error, sizeof(error), "expected every argument in UTF-8");
    }
    if (config == NULL) {
        ctl_complain(ctl, "%s", error);
        json_decref(json);
        return CTL_USAGE;
    }
    uint64_t min_nodes = config->min_nodes;
    bool refused = makes_chain(ctl, inv, name, config->settings.shadow.name);
    pool_config_destroy(&config);
    if (refused) {
        json_decref(json);
        return CTL_USAGE;
    }
    enum ctl_exit status =
        ctl_write(ctl, inv, key_make(KEY_POOL, span_cstr(name)), before, json_incref(json));
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(json_incref(json));
    } else if (status == CTL_OK) {
        printf("pool %s is ordered, served from %" PRIu64 " node%s on\n", name, min_nodes,
               min_nodes == 1 ? "" : "s");
        ctl_print_refusals(ctl);
    }
    json_decref(json);
    return status;
}

static enum ctl_exit
create_or_set(struct ctl *ctl, int argc, char **argv, bool exists)
{
    struct pool_options o;
    struct ctl_arguments name;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, &table, argc, argv, &o, 1, &name);
    if (status != CTL_OK) {
        return status;
    }
    if (!name_ok(span_cstr(name.items[0]))) {
        ctl_complain(ctl, "'%s': expected 1 to 128 letters, digits or ._-", name.items[0]);
        status = CTL_USAGE;
    } else {
        status = switches_ok(ctl, &o) ? ctl_load(ctl, &inv) : CTL_USAGE;
    }
    if (status == CTL_OK) {
        const struct inventory_item *before =
            inventory_find(&inv, KEY_POOL, span_cstr(name.items[0]));
        if ((before != NULL) == exists) {
            status = order(ctl, &inv, name.items[0], before, &o);
        } else {
            ctl_complain(ctl, exists ? "there is no pool '%s'" : "pool '%s' exists already",
                         name.items[0]);
            status = CTL_NO;
        }
        inventory_deinit(&inv);
    }
    ctl_arguments_deinit(&name);
    options_deinit(&table, &o);
    return status;
}

enum ctl_exit
ctl_pool_create(struct ctl *ctl, int argc, char **argv)
{
    return create_or_set(ctl, argc, argv, false);
}

enum ctl_exit
ctl_pool_set(struct ctl *ctl, int argc, char **argv)
{
    return create_or_set(ctl, argc, argv, true);
}

/* --- looking -------------------------------------------------------------------- */

static void
print_pool(const struct inventory_item *item)
{
    const struct table_pool *p = &item->pool->settings;
    printf("%-20s ring %s, key hash %s, from %" PRIu64 " node%s on, by %s%s%s\n", item->name,
           ring_kind_name(p->ring_config.kind), key_hash_name(p->ring_config.hash),
           item->pool->min_nodes, item->pool->min_nodes == 1 ? "" : "s", item->pool->by,
           item->pool->reason[0] != '\0' ? ": " : "", item->pool->reason);
}

enum ctl_exit
ctl_pool_list(struct ctl *ctl, int argc, char **argv)
{
    struct inventory inv;
    enum ctl_exit status = ctl_look(ctl, argc, argv, &inv);
    if (status != CTL_OK) {
        return status;
    }
    json_t *json = json_object();
    for (unsigned i = 0; i < inventory_count(&inv, KEY_POOL); i++) {
        const struct inventory_item *item = inventory_at(&inv, KEY_POOL, i);
        if (ctl->options.json) {
            json_object_set(json, item->name, item->json);
        } else {
            print_pool(item);
        }
    }
    if (ctl->options.json) {
        ctl_print_json(json_incref(json));
    }
    json_decref(json);
    inventory_deinit(&inv);
    return CTL_OK;
}

enum ctl_exit
ctl_pool_show(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_arguments name;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, NULL, argc, argv, NULL, 1, &name);
    if (status != CTL_OK) {
        return status;
    }
    status = ctl_load(ctl, &inv);
    if (status == CTL_OK) {
        const struct inventory_item *item =
            inventory_find(&inv, KEY_POOL, span_cstr(name.items[0]));
        if (item != NULL) {
            ctl_print_json(json_incref(item->json));
        } else {
            ctl_complain(ctl, "there is no pool '%s'", name.items[0]);
            status = CTL_NO;
        }
        inventory_deinit(&inv);
    }
    ctl_arguments_deinit(&name);
    return status;
}
