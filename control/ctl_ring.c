/* mfctl ring ... - where keys live, and whether clients agree. */
#include "common/fleet/ringcheck.h"
#include "control/ctl.h"
#include "control/ctl_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define RING_OPTIONS(X)                                                                            \
    X(0, "table",   STRING,  table,   "FILE", NULL,                                                \
      "the routing table in this file, in the place of the published one")                         \
    X(0, "pool",    STRING,  pool,    "NAME", NULL,                                                \
      "the pool (the table's default if not given)")                                               \
    X(0, "servers", STRINGS, servers, "HOST:PORT[:WEIGHT]", NULL,                                  \
      "servers as a legacy client lists them, in the place of a table")                            \
    X(0, "ring",    STRING,  ring,    "NAME", "libmemcached",                                      \
      "how --servers place keys:" RING_KINDS_TEXT)                                                 \
    X(0, "hash",    STRING,  hash,    "NAME", NULL,                                                \
      "key hash of --servers, if not the ring's own")
/* clang-format on */

struct ring_options {
    RING_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct ring_options
static const struct option_row rows[] = {RING_OPTIONS(OPTION_ROW)};
static const struct option_table explain_table = {
    .usage = "KEY [OPTION]...",
    .summary = "Without --table and --servers the published table is used (--etcd, --cluster).",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};
static const struct option_table verify_table = {
    .usage = "FILE|- [OPTION]...",
    .summary = "Lines are scheme,servers,key,server; with --pool, --table or --servers they are\n"
               "key,server and are compared with that pool.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static struct table *
find_table(struct ctl *ctl, const struct ring_options *o)
{
    if (o->table != NULL) {
        return ctl_table_from_file(ctl, o->table);
    }
    if (o->servers.count == 0) {
        return ctl_connect(ctl) ? ctl_table_from_etcd(ctl) : NULL;
    }
    char error[TABLE_ERROR_MAX];
    struct table_servers from = {.servers = o->servers.items,
                                 .count = (unsigned)o->servers.count,
                                 .ring_name = o->ring,
                                 .hash_name = o->hash};
    struct table *table = table_from_servers(&from, error);
    if (table == NULL) {
        ctl_complain(ctl, "%s", error);
    }
    return table;
}

/* The pool that was named, else that of the key, if there is one, else the
 * default pool. */
static const struct table_pool *
find_pool(const struct ctl *ctl, const struct ring_options *o, const struct table *table,
          const char *key)
{
    if (o->pool == NULL) {
        return &table->pools[key != NULL ? table_pool_of(table, span_cstr(key))
                                         : table->default_pool];
    }
    const struct table_pool *pool = table_pool_find(table, span_cstr(o->pool));
    if (pool == NULL) {
        ctl_complain(ctl, "there is no pool '%s' in the table", o->pool);
    }
    return pool;
}

enum ctl_exit
ctl_ring_explain(struct ctl *ctl, int argc, char **argv)
{
    struct ring_options o;
    struct ctl_arguments key;
    enum ctl_exit status = ctl_parse(ctl, &explain_table, argc, argv, &o, 1, &key);
    if (status != CTL_OK) {
        return status;
    }
    if (key.items[0][0] == '\0') {
        ctl_complain(ctl, "expected a key");
        ctl_arguments_deinit(&key);
        options_deinit(&explain_table, &o);
        return CTL_USAGE;
    }
    struct table *table = find_table(ctl, &o);
    const struct table_pool *pool = table != NULL ? find_pool(ctl, &o, table, key.items[0]) : NULL;
    if (pool != NULL) {
        struct span text = span_cstr(key.items[0]);
        size_t stripped = o.pool == NULL ? table_stripped(table, text) : 0;
        if (stripped == text.len) {
            ctl_complain(ctl, "the route takes all of the key off: clients get an error");
            pool = NULL;
        } else {
            ringcheck_explain(pool, span_skip(text, stripped), stdout);
        }
    }
    status = pool != NULL ? CTL_OK : CTL_NO;
    table_unref(&table);
    ctl_arguments_deinit(&key);
    options_deinit(&explain_table, &o);
    return status;
}

/* `pool` NULL: every line brings its ring. */
static enum ctl_exit
verify(const struct ctl *ctl, const char *path, const struct table_pool *pool)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (in == NULL) {
        ctl_complain(ctl, "%s: %s", path, strerror(errno));
        return CTL_NO;
    }
    struct ringcheck *check = ringcheck_create(pool);
    bool read = ringcheck_file(check, in);
    if (!read) {
        ctl_complain(ctl, "%s: %s", path, strerror(errno));
    }
    ringcheck_print(check, stdout);
    bool agrees = read && ringcheck_agrees(check);
    ringcheck_destroy(&check);
    if (in != stdin) {
        fclose(in);
    }
    return agrees ? CTL_OK : CTL_NO;
}

enum ctl_exit
ctl_ring_verify(struct ctl *ctl, int argc, char **argv)
{
    struct ring_options o;
    struct ctl_arguments file;
    enum ctl_exit status = ctl_parse(ctl, &verify_table, argc, argv, &o, 1, &file);
    if (status != CTL_OK) {
        return status;
    }
    bool against_pool = o.table != NULL || o.pool != NULL || o.servers.count > 0;
    struct table *table = against_pool ? find_table(ctl, &o) : NULL;
    const struct table_pool *pool = table != NULL ? find_pool(ctl, &o, table, NULL) : NULL;
    if (against_pool && pool == NULL) {
        status = CTL_NO;
    } else {
        status = verify(ctl, file.items[0], pool);
    }
    table_unref(&table);
    ctl_arguments_deinit(&file);
    options_deinit(&verify_table, &o);
    return status;
}
