#include "common/fleet/table_build.h"
#include "common/core/mem.h"
#include "common/fleet/table_ring.h"
#include "common/fleet/table_words.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

void
table_pool_defaults(struct table_pool *pool)
{
    *pool = (struct table_pool){
        .ring_config = {TABLE_DEFAULT_RING, ring_kind_default_hash(TABLE_DEFAULT_RING)},
        .connect_timeout_ms = TABLE_CONNECT_MS,
        .request_timeout_ms = TABLE_REQUEST_MS,
        .on_read_error = READ_ERROR_MISS,
        .on_write_error = WRITE_ERROR_ERROR,
        .meta_errors = META_ERRORS_NS,
        .coalesce = true,
        .rejoin = REJOIN_REPLAY,
        .gutter_ttl_s = TABLE_GUTTER_S,
        .replicas = 1,
        .replica_ttl_ms = TABLE_REPLICA_MS,
        .replica_ttl_local_ms = TABLE_LOCAL_MS,
        .near_cache_ttl_ms = TABLE_NEAR_MS,
    };
}

bool
rejoin_policy_find(struct span word, enum rejoin_policy *out)
{
    for (unsigned i = 0; i < WORD_COUNT(rejoin_words); i++) {
        if (span_eq_cstr(word, rejoin_words[i])) {
            *out = (enum rejoin_policy)i;
            return true;
        }
    }
    return false;
}

/* Jansson takes over `value`; only a string that is not UTF-8 or a lack of
 * memory makes these fail, and `ok` remembers it. */
static void
put(bool *ok, json_t *object, const char *member, json_t *value)
{
    *ok = json_object_set_new(object, member, value) == 0 && *ok;
}

static void
put_string(bool *ok, json_t *object, const char *member, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        put(ok, object, member, json_string(value));
    }
}

static void
put_u64(bool *ok, json_t *object, const char *member, uint64_t value)
{
    put(ok, object, member, value <= INT64_MAX ? json_integer((json_int_t)value) : NULL);
}

static json_t *
node_json(bool *ok, const struct table_node *node)
{
    json_t *json = json_object();
    put_string(ok, json, "id", node->id);
    put_string(ok, json, "addr", node->addr);
    put_string(ok, json, "ring_name", node->ring_name);
    put_string(ok, json, "zone", node->zone);
    put_u64(ok, json, "weight", node->weight);
    put_string(ok, json, "state", node_state_name(node->state));
    put_string(ok, json, "kind", node_kind_words[node->kind]);
    put_u64(ok, json, "generation", node->generation);
    if (node->rings != NODE_IN_BOTH) {
        put_string(ok, json, "in_ring", node_rings_words[node->rings]);
    }
    if (node->weight_before != 0) {
        put_u64(ok, json, "weight_before", node->weight_before);
    }
    return json;
}

/* Without a ring there is no sha, and reading the document back says why. */
static void
put_ring_sha(bool *ok, json_t *json, const char *member, const struct table_pool *pool,
             enum table_side side)
{
    const char *why;
    unsigned *members;
    struct ring *ring = table_ring_create(pool, side, &members, &why);
    if (ring != NULL) {
        char sha[RING_SHA_CHARS + 1];
        ring_sha(ring, sha);
        put_string(ok, json, member, sha);
    }
    ring_destroy(&ring);
    free(members);
}

static void
put_move(bool *ok, json_t *object, const struct table_pool *pool)
{
    if (pool->move != MOVE_NONE) {
        json_t *json = json_object();
        put_string(ok, json, "step", move_step_name(pool->move));
        put_ring_sha(ok, json, "ring_sha_before", pool, TABLE_BEFORE);
        put(ok, object, "move", json);
    }
}

static void
put_json(bool *ok, json_t *object, const char *member, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        put(ok, object, member, json_loads(text, 0, NULL));
    }
}

static void
put_shadow(bool *ok, json_t *object, const struct table_shadow *shadow)
{
    if (shadow->name != NULL && shadow->name[0] != '\0') {
        json_t *json = json_object();
        put_string(ok, json, "pool", shadow->name);
        put_u64(ok, json, "percent", shadow->percent);
        put_string(ok, json, "requests", shadow_words[shadow->requests]);
        put(ok, object, "shadow", json);
    }
}

static json_t *
pool_json(bool *ok, const struct table_pool *pool)
{
    json_t *json = json_object();
    put_string(ok, json, "ring", ring_kind_name(pool->ring_config.kind));
    put_string(ok, json, "key_hash", key_hash_name(pool->ring_config.hash));
    put_ring_sha(ok, json, "ring_sha", pool, TABLE_AFTER);
    put_move(ok, json, pool);
    put_string(ok, json, "hash_strip_prefix", pool->strip_prefix);
    put_string(ok, json, "hash_stop", pool->hash_stop);
    char tag[] = {pool->tag.open, pool->tag.close, '\0'};
    put_string(ok, json, "hash_tag", tag);
    put_u64(ok, json, "connect_timeout_ms", pool->connect_timeout_ms);
    put_u64(ok, json, "request_timeout_ms", pool->request_timeout_ms);
    put_string(ok, json, "flush_all", flush_all_words[pool->flush_all]);
    put_string(ok, json, "on_read_error", read_error_words[pool->on_read_error]);
    put_string(ok, json, "on_write_error", write_error_words[pool->on_write_error]);
    put_string(ok, json, "meta_errors", meta_error_words[pool->meta_errors]);
    put(ok, json, "coalesce", json_boolean(pool->coalesce));
    put_u64(ok, json, "miss_lease_ms", pool->miss_lease_ms);
    put_string(ok, json, "rejoin", rejoin_words[pool->rejoin]);
    put_string(ok, json, "gutter", pool->gutter);
    put_shadow(ok, json, &pool->shadow);
    put_string(ok, json, "config_cluster", pool->config_cluster);
    put_u64(ok, json, "gutter_ttl_s", pool->gutter_ttl_s);
    if (pool->replicas > 1) {
        put_u64(ok, json, "replicas", pool->replicas);
    }
    if (pool->replica_ttl_ms != 0 && pool->replica_ttl_ms != TABLE_REPLICA_MS) {
        put_u64(ok, json, "replica_ttl_ms", pool->replica_ttl_ms);
    }
    if (pool->promote_percent > 0) {
        put_u64(ok, json, "promote_percent", pool->promote_percent);
    }
    if (pool->replica_ttl_local_ms != 0 && pool->replica_ttl_local_ms != TABLE_LOCAL_MS) {
        put_u64(ok, json, "replica_ttl_local_ms", pool->replica_ttl_local_ms);
    }
    if (pool->near_cache_bytes > 0) {
        put_u64(ok, json, "near_cache_bytes", pool->near_cache_bytes);
    }
    if (pool->near_cache_ttl_ms != 0 && pool->near_cache_ttl_ms != TABLE_NEAR_MS) {
        put_u64(ok, json, "near_cache_ttl_ms", pool->near_cache_ttl_ms);
    }
    put_json(ok, json, "hot", pool->hot_text);
    put_json(ok, json, "limits", pool->limits_text);
    json_t *nodes = json_array();
    for (unsigned i = 0; i < pool->node_count; i++) {
        *ok = json_array_append_new(nodes, node_json(ok, &pool->nodes[i])) == 0 && *ok;
    }
    put(ok, json, "nodes", nodes);
    return json;
}

static json_t *
routes_json(bool *ok, const struct table *draft)
{
    json_t *json = json_object();
    for (unsigned i = 0; i < draft->routes.count; i++) {
        const struct prefixmap_entry *e = &draft->routes.entries[i];
        const char *pool = draft->pools[table_route_pool(e->value)].name;
        if ((e->value & TABLE_ROUTE_STRIPS) == 0) {
            put_string(ok, json, e->prefix, pool);
            continue;
        }
        json_t *route = json_object();
        put_string(ok, route, "pool", pool);
        put(ok, route, "strip_prefix", json_true());
        put(ok, json, e->prefix, route);
    }
    return json;
}

static uint64_t
min_reader(const struct table *draft)
{
    for (unsigned i = 0; i < draft->pool_count; i++) {
        if (draft->pools[i].move != MOVE_NONE) {
            return TABLE_MOVES;
        }
    }
    return TABLE_SCHEMA;
}

static json_t *
table_json(bool *ok, const struct table *draft)
{
    json_t *json = json_object();
    put_u64(ok, json, "memfleet_table", TABLE_SCHEMA);
    put_u64(ok, json, "min_reader", min_reader(draft));
    put_string(ok, json, "cluster", draft->cluster);
    put_string(ok, json, "incarnation", draft->incarnation);
    put_u64(ok, json, "epoch", draft->epoch);
    put_u64(ok, json, "min_epoch", draft->min_epoch);
    put(ok, json, "force", json_boolean(draft->force));
    put_string(ok, json, "by", draft->by);
    put_string(ok, json, "reason", draft->reason);
    if (draft->default_pool < draft->pool_count) {
        put_string(ok, json, "default_pool", draft->pools[draft->default_pool].name);
    }
    if (draft->routes.count > 0) {
        put(ok, json, "routes", routes_json(ok, draft));
    }
    json_t *pools = json_object();
    for (unsigned i = 0; i < draft->pool_count; i++) {
        const struct table_pool *pool = &draft->pools[i];
        put(ok, pools, pool->name, pool_json(ok, pool));
    }
    put(ok, json, "pools", pools);
    return json;
}

static bool
compose(const struct table *draft, struct buf *out, char *error)
{
    bool ok = true;
    json_t *json = table_json(&ok, draft);
    char *text = ok ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    ok = text != NULL && buf_append_span(out, span_cstr(text));
    free(text);
    if (!ok) {
        snprintf(error, TABLE_ERROR_MAX,
                 "a name is not UTF-8, a number is over 2^63, or out of "
                 "memory");
    }
    return ok;
}

static bool
has_equal_pools(const struct table *draft)
{
    for (unsigned i = 0; i < draft->pool_count; i++) {
        if (table_pool_find(draft, span_cstr(draft->pools[i].name)) != &draft->pools[i]) {
            return true;
        }
    }
    return false;
}

bool
table_build(const struct table *draft, struct buf *out, char *error)
{
    if (has_equal_pools(draft)) {
        snprintf(error, TABLE_ERROR_MAX, "two pools have the same name");
        return false;
    }
    struct buf document = BUF_EMPTY;
    struct table *proof = NULL;
    if (compose(draft, &document, error)) {
        proof = table_parse(buf_span(&document), error);
    }
    bool ok = proof != NULL;
    if (ok && !buf_append_span(out, buf_span(&document))) {
        snprintf(error, TABLE_ERROR_MAX, "out of memory");
        ok = false;
    }
    table_unref(&proof);
    buf_deinit(&document);
    return ok;
}
