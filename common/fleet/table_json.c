/* From a document's bytes to a table:
 *
 *     bytes -> limits -> strict JSON -> head -> each pool: settings, nodes and rings
 *           -> default pool, routes, gutters
 *
 * The first fault ends it; the error names its place. */
#include "common/fleet/table_read.h"
#include "common/fleet/table_words.h"

#include <inttypes.h>
#include <sha2.h>
#include <stdatomic.h>
#include <stdio.h>

#define ROUTE_PLACE_MAX (sizeof("routes.") + TABLE_READ_PREFIX_BYTES)

static void
read_pool(struct jsonread *r, struct jsonread_at at, const char *name, struct table_pool *pool)
{
    table_read_settings(r, at, name, pool);
    if (!r->failed) {
        table_read_nodes(r, at, pool);
    }
}

static void
read_pools(struct jsonread *r, struct jsonread_at at, struct table *table)
{
    const json_t *pools = jsonread_object(r, at, "pools");
    size_t count = json_object_size(pools);
    if (!r->failed && (count == 0 || count > TABLE_POOLS_MAX)) {
        jsonread_fail(r, at, "pools", "expected 1 to %d pools", TABLE_POOLS_MAX);
    }
    if (r->failed) {
        return;
    }
    table->pools = mem_zalloc(count * sizeof(*table->pools));
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)pools, name, value) {
        if (!table_read_pool_name(r, at, "pools", name)) {
            return;
        }
        struct table_pool *pool = &table->pools[table->pool_count++];
        char place[TABLE_READ_PLACE];
        snprintf(place, sizeof(place), "pools.%s", name);
        struct jsonread_at at_pool = {value, place};
        read_pool(r, at_pool, name, pool);
        if (pool->move != MOVE_NONE && table->min_reader < TABLE_MOVES) {
            jsonread_fail(r, at_pool, "move",
                          "needs \"min_reader\": %d, or others would misread it", TABLE_MOVES);
        }
        if (r->failed) {
            return;
        }
    }
}

static void
read_default_pool(struct jsonread *r, struct jsonread_at at, struct table *table)
{
    const char *name =
        jsonread_string(r, at, "default_pool", JSONREAD_OPTIONAL, TABLE_READ_NAME_BYTES);
    if (r->failed) {
        return;
    }
    if (name == NULL) {
        if (table->pool_count > 1) {
            jsonread_fail(r, at, "default_pool", "missing, and there is more than one pool");
        }
        return;
    }
    const struct table_pool *pool = table_pool_find(table, span_cstr(name));
    if (pool == NULL) {
        jsonread_fail(r, at, "default_pool", "there is no such pool");
        return;
    }
    table->default_pool = (unsigned)(pool - table->pools);
}

static void
read_route(struct jsonread *r, struct jsonread_at at, struct table *table, const char *prefix)
{
    if (!table_is_key_prefix(span_cstr(prefix))) {
        jsonread_fail(r, at, NULL, "expected prefixes of 1 to %d bytes that may stand in a key",
                      TABLE_READ_PREFIX_BYTES);
        return;
    }
    char place[ROUTE_PLACE_MAX];
    snprintf(place, sizeof(place), "%s.%s", at.place, prefix);
    struct jsonread_at whole = {json_object_get(at.object, prefix), place};
    bool is_object = json_is_object(whole.object);
    const char *name =
        is_object ? jsonread_string(r, whole, "pool", JSONREAD_REQUIRED, TABLE_READ_NAME_BYTES)
                  : jsonread_string(r, at, prefix, JSONREAD_REQUIRED, TABLE_READ_NAME_BYTES);
    bool strips = is_object && jsonread_bool(r, whole, "strip_prefix", false);
    const struct table_pool *pool = name != NULL ? table_pool_find(table, span_cstr(name)) : NULL;
    if (pool == NULL) {
        jsonread_fail(r, at, prefix, "there is no such pool");
        return;
    }
    unsigned index = (unsigned)(pool - table->pools);
    prefixmap_add(&table->routes, span_cstr(prefix), table_route_value(index, strips));
    table->pools[index].routed = true;
    table->strips |= strips;
}

static void
read_routes(struct jsonread *r, struct jsonread_at at, struct table *table)
{
    if (r->failed) {
        return;
    }
    table->pools[table->default_pool].routed = true;
    if (json_object_get(at.object, "routes") == NULL) {
        return;
    }
    struct jsonread_at routes = {jsonread_object(r, at, "routes"), "routes"};
    if (!r->failed && json_object_size(routes.object) > TABLE_ROUTES_MAX) {
        jsonread_fail(r, routes, NULL, "more than %d", TABLE_ROUTES_MAX);
    }
    const char *prefix;
    json_t *ignored;
    json_object_foreach ((json_t *)routes.object, prefix, ignored) {
        if (r->failed) {
            return;
        }
        read_route(r, routes, table, prefix);
    }
    prefixmap_seal(&table->routes);
}

/* A gutter that is not in the table is none: a fleet may be told of it before
 * its first node has come. A gutter of a gutter would be a second chance for
 * what must be gone soon. */
static void
find_gutters(struct jsonread *r, struct table *table)
{
    for (unsigned i = 0; i < table->pool_count && !r->failed; i++) {
        struct table_pool *pool = &table->pools[i];
        const struct table_pool *gutter =
            pool->gutter[0] != '\0' ? table_pool_find(table, span_cstr(pool->gutter)) : NULL;
        if (gutter == NULL) {
            continue;
        }
        char place[TABLE_READ_PLACE];
        snprintf(place, sizeof(place), "pools.%s", pool->name);
        if (gutter->gutter[0] != '\0') {
            jsonread_fail(r, (struct jsonread_at){.place = place}, "gutter",
                          "names a pool that has a gutter of its own");
        }
        pool->gutter_pool = (unsigned)(gutter - table->pools);
        table->pools[pool->gutter_pool].is_gutter = true;
    }
}

/* As a gutter, it may come later. No chains, in which a copy could come back to where it
 * came from. */
static void
find_shadows(struct jsonread *r, struct table *table)
{
    for (unsigned i = 0; i < table->pool_count && !r->failed; i++) {
        struct table_pool *pool = &table->pools[i];
        const char *name = pool->shadow.name;
        const struct table_pool *shadow =
            name[0] != '\0' ? table_pool_find(table, span_cstr(name)) : NULL;
        if (shadow == NULL) {
            continue;
        }
        char place[TABLE_READ_PLACE];
        snprintf(place, sizeof(place), "pools.%s.shadow", pool->name);
        if (shadow->shadow.name[0] != '\0') {
            jsonread_fail(r, (struct jsonread_at){.place = place}, "pool",
                          "names a pool that has a shadow of its own");
        }
        pool->shadow.pool = (unsigned)(shadow - table->pools);
    }
}

static void
read_head(struct jsonread *r, struct jsonread_at at, struct table *table)
{
    uint64_t schema =
        jsonread_u64(r, at, "memfleet_table", JSONREAD_REQUIRED, 1, TABLE_READ_NUMBER, 1);
    uint64_t reader =
        jsonread_u64(r, at, "min_reader", JSONREAD_OPTIONAL, 1, TABLE_READ_NUMBER, schema);
    if (reader > TABLE_READER) {
        jsonread_fail(r, at, "min_reader", "is %" PRIu64 ", this build reads up to %d", reader,
                      TABLE_READER);
    }
    table->min_reader = reader;
    table->cluster = table_read_copy(
        jsonread_string(r, at, "cluster", JSONREAD_OPTIONAL, TABLE_READ_NAME_BYTES));
    table->incarnation = table_read_copy(
        jsonread_string(r, at, "incarnation", JSONREAD_OPTIONAL, TABLE_READ_NAME_BYTES));
    table->epoch = jsonread_u64(r, at, "epoch", JSONREAD_REQUIRED, 1, TABLE_READ_NUMBER, 0);
    table->min_epoch = jsonread_u64(r, at, "min_epoch", JSONREAD_OPTIONAL, 0, table->epoch, 0);
    table->force = jsonread_bool(r, at, "force", false);
    table->by =
        table_read_copy(jsonread_string(r, at, "by", JSONREAD_OPTIONAL, TABLE_READ_TEXT_BYTES));
    table->reason =
        table_read_copy(jsonread_string(r, at, "reason", JSONREAD_OPTIONAL, TABLE_READ_TEXT_BYTES));
}

static void
take_sha(struct table *table, struct span document)
{
    SHA2_CTX sha;
    SHA256Init(&sha);
    SHA256Update(&sha, (const uint8_t *)document.ptr, document.len);
    SHA256End(&sha, table->sha);
}

static struct table *
read_table(struct jsonread *r, struct span document)
{
    if (document.len > TABLE_BYTES_MAX) {
        jsonread_fail(r, (struct jsonread_at){.place = ""}, NULL, "longer than %u bytes",
                      TABLE_BYTES_MAX);
        return NULL;
    }
    json_t *json = jsonread_document(r, document);
    if (json == NULL) {
        return NULL;
    }
    struct table *table = mem_zalloc(sizeof(*table));
    atomic_init(&table->refs, 1);
    struct jsonread_at top = {json, ""};
    read_head(r, top, table);
    read_pools(r, top, table);
    read_default_pool(r, top, table);
    read_routes(r, top, table);
    find_gutters(r, table);
    find_shadows(r, table);
    json_decref(json);
    return table;
}

struct table *
table_parse(struct span document, char *error)
{
    struct jsonread r = {.failed = false};
    struct table *table = read_table(&r, document);
    if (!r.failed && !buf_append_span(&table->document, document)) {
        jsonread_fail(&r, (struct jsonread_at){.place = ""}, NULL, "out of memory");
    }
    if (r.failed) {
        snprintf(error, TABLE_ERROR_MAX, "%s", r.error);
        table_unref(&table);
        return NULL;
    }
    take_sha(table, document);
    return table;
}
