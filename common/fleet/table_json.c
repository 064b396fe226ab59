/* From a document's bytes to a table:
 *
 *     bytes -> limits -> strict JSON -> head -> each pool: rules, nodes
 *           -> no duplicates, somebody serves -> ring built -> ring_sha compared
 *           -> default pool, routes
 *
 * The first fault ends it; the error names its place. */
#include "common/core/addrname.h"
#include "common/core/mem.h"
#include "common/fleet/jsonread.h"
#include "common/fleet/table.h"
#include "common/fleet/table_build.h"
#include "common/fleet/table_cluster.h"
#include "common/fleet/table_ring.h"
#include "common/fleet/table_words.h"

#include <inttypes.h>
#include <sha2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_BYTES_MAX   128
#define TEXT_BYTES_MAX   1024
#define PREFIX_BYTES_MAX 250
#define PLACE_MAX        160
#define NODE_PLACE_MAX   (PLACE_MAX + 24)
#define NUMBER_MAX       ((uint64_t)INT64_MAX)

static char *
copy_or_null(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

static char *
copy_or_empty(const char *s)
{
    return mem_strdup(s != NULL ? s : "");
}

/* They stand in places, metrics and logs. */
bool
table_is_pool_name(struct span name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (size_t i = 0; i < name.len; i++) {
        if (memchr(letters, name.ptr[i], sizeof(letters) - 1) == NULL) {
            return false;
        }
    }
    return name.len > 0 && name.len <= TABLE_POOL_NAME_MAX;
}

/* --- nodes ---------------------------------------------------------------- */

static enum node_state
read_state(struct jsonread *r, struct jsonread_at at)
{
    const char *words[NODE_STATE_COUNT];
    for (enum node_state s = 0; s < NODE_STATE_COUNT; s++) {
        words[s] = node_state_name(s);
    }
    return (enum node_state)jsonread_word(r, at, "state", words, NODE_STATE_COUNT, NODE_ACTIVE);
}

static bool
is_address(const char *text)
{
    struct addr_name name;
    if (!addr_parse(span_cstr(text), 0, &name)) {
        return false;
    }
    return name.is_unix || (name.port != 0 && name.host[0] != '\0' && strcmp(name.host, "*") != 0);
}

static void
read_node(struct jsonread *r, struct jsonread_at at, struct table_node *node)
{
    if (!json_is_object(at.object)) {
        jsonread_fail(r, at, NULL, "expected an object");
        return;
    }
    node->id = copy_or_null(jsonread_string(r, at, "id", JSONREAD_REQUIRED, NAME_BYTES_MAX));
    node->addr = copy_or_null(jsonread_string(r, at, "addr", JSONREAD_REQUIRED, TEXT_BYTES_MAX));
    if (node->addr != NULL && !is_address(node->addr)) {
        jsonread_fail(r, at, "addr", "expected HOST:PORT, [IPV6]:PORT or unix:/PATH");
    }
    node->ring_name =
        copy_or_null(jsonread_string(r, at, "ring_name", JSONREAD_OPTIONAL, TEXT_BYTES_MAX));
    if (node->ring_name != NULL && node->ring_name[0] == '\0') {
        jsonread_fail(r, at, "ring_name", "is empty");
    }
    node->zone = copy_or_empty(jsonread_string(r, at, "zone", JSONREAD_OPTIONAL, NAME_BYTES_MAX));
    node->weight =
        (uint32_t)jsonread_u64(r, at, "weight", JSONREAD_OPTIONAL, 1, RING_WEIGHT_MAX, 1);
    node->state = read_state(r, at);
    node->kind = (enum node_kind)jsonread_word(r, at, "kind", node_kind_words,
                                               WORD_COUNT(node_kind_words), NODE_KIND_MFCACHED);
    node->generation = jsonread_u64(r, at, "generation", JSONREAD_OPTIONAL, 0, NUMBER_MAX, 0);
    node->rings = (enum node_rings)jsonread_word(r, at, "in_ring", node_rings_words,
                                                 WORD_COUNT(node_rings_words), NODE_IN_BOTH);
    node->weight_before =
        (uint32_t)jsonread_u64(r, at, "weight_before", JSONREAD_OPTIONAL, 0, RING_WEIGHT_MAX, 0);
}

/* A side that nothing moves from or to is a slip. */
static void
refuse_sides_without_move(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
                          unsigned i)
{
    const struct table_node *node = &pool->nodes[i];
    const char *member = node->rings != NODE_IN_BOTH ? "in_ring"
                         : node->weight_before != 0  ? "weight_before"
                                                     : NULL;
    if (pool->move == MOVE_NONE && member != NULL) {
        jsonread_fail(r, at, member, "the pool has no move");
    }
}

static void
read_nodes(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    const json_t *nodes = jsonread_array(r, at, "nodes");
    size_t count = json_array_size(nodes);
    if (count > TABLE_NODES_MAX) {
        jsonread_fail(r, at, "nodes", "more than %d nodes", TABLE_NODES_MAX);
    }
    if (r->failed) {
        return;
    }
    pool->nodes = mem_zalloc((count + 1) * sizeof(*pool->nodes));
    pool->node_count = (unsigned)count;
    for (unsigned i = 0; i < pool->node_count && !r->failed; i++) {
        char place[NODE_PLACE_MAX];
        snprintf(place, sizeof(place), "%.*s.nodes[%u]", PLACE_MAX, at.place, i);
        struct jsonread_at node = {json_array_get(nodes, i), place};
        read_node(r, node, &pool->nodes[i]);
        refuse_sides_without_move(r, node, pool, i);
    }
}

/* --- what a pool's nodes must be together ---------------------------------- */

struct named_node {
    const char *name;
    unsigned index;
};

static int
compare_names(const void *a, const void *b)
{
    const struct named_node *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sorts `names`, one per node. */
static void
refuse_duplicates(struct jsonread *r, struct jsonread_at at, struct named_node *names,
                  unsigned count, const char *member)
{
    qsort(names, count, sizeof(*names), compare_names);
    for (unsigned i = 1; i < count && !r->failed; i++) {
        if (strcmp(names[i - 1].name, names[i].name) == 0) {
            char place[NODE_PLACE_MAX];
            snprintf(place, sizeof(place), "%.*s.nodes[%u]", PLACE_MAX, at.place, names[i].index);
            jsonread_fail(r, (struct jsonread_at){NULL, place}, member,
                          "\"%s\" is that of nodes[%u] too", names[i].name, names[i - 1].index);
        }
    }
}

static void
refuse_pool_without_service(struct jsonread *r, struct jsonread_at at,
                            const struct table_pool *pool, enum table_side side)
{
    for (unsigned i = 0; i < pool->node_count; i++) {
        const struct table_node *node = &pool->nodes[i];
        bool serves = node->state == NODE_ACTIVE || node->state == NODE_DRAINING;
        if (serves && table_node_is_on(node, side)) {
            return;
        }
    }
    jsonread_fail(r, at, "nodes", "expected at least one that is active or draining%s",
                  pool->move == MOVE_NONE ? "" : ", on each ring");
}

static void
refuse_equal_nodes(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool)
{
    struct named_node *names = mem_alloc((pool->node_count + 1) * sizeof(*names));
    for (unsigned i = 0; i < pool->node_count; i++) {
        names[i] = (struct named_node){pool->nodes[i].id, i};
    }
    refuse_duplicates(r, at, names, pool->node_count, "id");
    for (unsigned i = 0; i < pool->node_count; i++) {
        names[i] = (struct named_node){pool->nodes[i].addr, i};
    }
    refuse_duplicates(r, at, names, pool->node_count, "addr");
    free(names);
}

/* Two nodes with one label would share every point of the ring. Who replaces a node
 * has its label, on the other ring. */
static void
refuse_equal_labels(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
                    enum table_side side)
{
    struct named_node *names = mem_alloc((pool->node_count + 1) * sizeof(*names));
    char **labels = mem_alloc((pool->node_count + 1) * sizeof(*labels));
    unsigned count = 0;
    for (unsigned i = 0; i < pool->node_count; i++) {
        if (table_node_is_on(&pool->nodes[i], side)) {
            labels[count] = table_ring_label(pool, &pool->nodes[i]);
            names[count] = (struct named_node){labels[count], i};
            count++;
        }
    }
    refuse_duplicates(r, at, names, count, "ring_name");
    for (unsigned i = 0; i < count; i++) {
        free(labels[i]);
    }
    free(labels);
    free(names);
}

/* --- the ring --------------------------------------------------------------- */

static void
compare_sha(struct jsonread *r, struct jsonread_at at, const char *member, const char *computed)
{
    const char *told = jsonread_string(r, at, member, JSONREAD_OPTIONAL, RING_SHA_CHARS);
    if (told != NULL && strcmp(told, computed) != 0) {
        jsonread_fail(r, at, member, "is not that of the ring computed here, %s", computed);
    }
}

/* `sha` is what it comes to. NULL, and `r` has failed, if there can be none. */
static struct ring *
build_side(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
           enum table_side side, unsigned **members, char *sha)
{
    const char *why = NULL;
    struct ring *ring = table_ring_create(pool, side, members, &why);
    if (ring == NULL) {
        jsonread_fail(r, at, "nodes", "%s", why);
    } else {
        ring_sha(ring, sha);
    }
    return ring;
}

static void
build_ring(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->ring = build_side(r, at, pool, TABLE_AFTER, &pool->members, pool->ring_sha);
    if (pool->ring != NULL) {
        compare_sha(r, at, "ring_sha", pool->ring_sha);
    }
}

#define MOVE_PLACE_MAX (PLACE_MAX + sizeof(".move"))

static struct jsonread_at
move_of(struct jsonread *r, struct jsonread_at at, char place[MOVE_PLACE_MAX])
{
    snprintf(place, MOVE_PLACE_MAX, "%.*s.move", PLACE_MAX, at.place);
    return (struct jsonread_at){jsonread_object(r, at, "move"), place};
}

/* Whether the ring of before is still read by, or is only another owner's, follows
 * from the step; when that is done it is of no use. */
static void
build_ring_of_before(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    unsigned *members;
    struct ring *before = build_side(r, at, pool, TABLE_BEFORE, &members, pool->ring_sha_before);
    if (before == NULL) {
        return;
    }
    char place[MOVE_PLACE_MAX];
    struct jsonread_at move = move_of(r, at, place);
    compare_sha(r, move, "ring_sha_before", pool->ring_sha_before);
    if (pool->move == MOVE_PREPARE) {
        pool->other = pool->ring;
        pool->other_members = pool->members;
        pool->ring = before;
        pool->members = members;
    } else if (pool->move == MOVE_DONE) {
        ring_destroy(&before);
        free(members);
    } else {
        pool->other = before;
        pool->other_members = members;
    }
}

static void
read_move(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    if (json_object_get(at.object, "move") == NULL) {
        return;
    }
    char place[MOVE_PLACE_MAX];
    struct jsonread_at move = move_of(r, at, place);
    if (r->failed) {
        return;
    }
    const char *words[MOVE_STEP_COUNT];
    for (enum move_step s = MOVE_NONE; s < MOVE_STEP_COUNT; s++) {
        words[s] = move_step_name(s);
    }
    unsigned none = 1; /* is not a step to be named */
    pool->move = (enum move_step)(
        none + jsonread_word(r, move, "step", words + none, MOVE_STEP_COUNT - none, 0));
    if (json_object_get(move.object, "step") == NULL) {
        jsonread_fail(r, move, "step", "missing");
    }
}

static void
read_ring_config(struct jsonread *r, struct jsonread_at at, struct ring_config *config)
{
    const char *kinds[RING_KIND_COUNT], *hashes[KEY_HASH_COUNT];
    for (enum ring_kind k = 0; k < RING_KIND_COUNT; k++) {
        kinds[k] = ring_kind_name(k);
    }
    for (enum key_hash h = 0; h < KEY_HASH_COUNT; h++) {
        hashes[h] = key_hash_name(h);
    }
    config->kind =
        (enum ring_kind)jsonread_word(r, at, "ring", kinds, RING_KIND_COUNT, TABLE_DEFAULT_RING);
    config->hash = (enum key_hash)jsonread_word(r, at, "key_hash", hashes, KEY_HASH_COUNT,
                                                ring_kind_default_hash(config->kind));
    const char *fault = ring_config_fault(config);
    if (fault != NULL) {
        jsonread_fail(r, at, "key_hash", "%s", fault);
    }
}

static void
read_keytag(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->strip_prefix = copy_or_empty(
        jsonread_string(r, at, "hash_strip_prefix", JSONREAD_OPTIONAL, PREFIX_BYTES_MAX));
    pool->hash_stop =
        copy_or_empty(jsonread_string(r, at, "hash_stop", JSONREAD_OPTIONAL, PREFIX_BYTES_MAX));
    pool->tag.strip_prefix = span_cstr(pool->strip_prefix);
    pool->tag.stop = span_cstr(pool->hash_stop);
    const char *tag = jsonread_string(r, at, "hash_tag", JSONREAD_OPTIONAL, TEXT_BYTES_MAX);
    if (tag == NULL || tag[0] == '\0') {
        return;
    }
    if (strlen(tag) != 2) {
        jsonread_fail(r, at, "hash_tag", "expected two characters, as in \"{}\"");
        return;
    }
    pool->tag.open = tag[0];
    pool->tag.close = tag[1];
}

static bool
name_is_plain(struct jsonread *r, struct jsonread_at at, const char *member, const char *name)
{
    if (!table_is_pool_name(span_cstr(name))) {
        jsonread_fail(r, at, member, "a pool's name is 1 to %d letters, digits, '.', '_', '-'",
                      TABLE_POOL_NAME_MAX);
    }
    return !r->failed;
}

/* Which pool that is, is looked up when all are known. */
static void
read_gutter(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->gutter =
        copy_or_empty(jsonread_string(r, at, "gutter", JSONREAD_OPTIONAL, NAME_BYTES_MAX));
    pool->gutter_ttl_s = jsonread_u64(r, at, "gutter_ttl_s", JSONREAD_OPTIONAL, 1,
                                      TABLE_GUTTER_MAX_S, TABLE_GUTTER_S);
    pool->gutter_pool = TABLE_NO_POOL;
    if (strcmp(pool->gutter, pool->name) == 0) {
        jsonread_fail(r, at, "gutter", "is the pool itself");
    }
}

static void
read_config_cluster(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->config_cluster = copy_or_empty(
        jsonread_string(r, at, "config_cluster", JSONREAD_OPTIONAL, TABLE_CLUSTER_BYTES_MAX));
    pool->config_nodes = table_cluster_nodes(pool->config_cluster);
    if (pool->config_nodes == NULL) {
        jsonread_fail(r, at, "config_cluster", "expected HOST:PORT,... of at most %d proxies",
                      TABLE_CLUSTER_MAX);
    }
}

static void
read_hot_list(struct jsonread *r, struct jsonread_at at, const char *member, struct hotset *hot,
              void (*add)(struct hotset *hot, struct span text))
{
    if (json_object_get(at.object, member) == NULL) {
        return;
    }
    const json_t *list = jsonread_array(r, at, member);
    if (json_array_size(list) > HOTSET_MAX) {
        jsonread_fail(r, at, member, "more than %d", HOTSET_MAX);
    }
    for (size_t i = 0; i < json_array_size(list) && !r->failed; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || !table_is_key_prefix(span_cstr(text))) {
            jsonread_fail(r, at, member, "expected texts of 1 to %d bytes that may stand in a key",
                          PREFIX_BYTES_MAX);
            return;
        }
        add(hot, span_cstr(text));
    }
}

/* A pool's hot keys, and which nodes may have copies of them. */
static void
read_replicas(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->replicas =
        (unsigned)jsonread_u64(r, at, "replicas", JSONREAD_OPTIONAL, 1, TABLE_REPLICAS_MAX, 1);
    pool->replica_ttl_ms =
        jsonread_u64(r, at, "replica_ttl_ms", JSONREAD_OPTIONAL, TABLE_REPLICA_MIN_MS,
                     TABLE_REPLICA_MAX_MS, TABLE_REPLICA_MS);
    pool->promote_percent =
        (unsigned)jsonread_u64(r, at, "promote_percent", JSONREAD_OPTIONAL, 0, 100, 0);
    pool->replica_ttl_local_ms =
        jsonread_u64(r, at, "replica_ttl_local_ms", JSONREAD_OPTIONAL, TABLE_LOCAL_MIN_MS,
                     TABLE_LOCAL_MAX_MS, TABLE_LOCAL_MS);
    pool->hot_text = mem_strdup("");
    if (r->failed || json_object_get(at.object, "hot") == NULL) {
        return;
    }
    char place[PLACE_MAX + sizeof(".hot")];
    snprintf(place, sizeof(place), "%s%shot", at.place, at.place[0] != '\0' ? "." : "");
    struct jsonread_at hot = {jsonread_object(r, at, "hot"), place};
    if (r->failed) {
        return;
    }
    read_hot_list(r, hot, "keys", &pool->hot, hotset_add_key);
    read_hot_list(r, hot, "prefixes", &pool->hot, hotset_add_prefix);
    if (!r->failed && !hotset_seal(&pool->hot)) {
        jsonread_fail(r, hot, NULL, "names one twice");
    }
    free(pool->hot_text);
    char *text = json_dumps(hot.object, JSON_COMPACT | JSON_SORT_KEYS);
    pool->hot_text = copy_or_empty(text);
    free(text);
}

static void
read_limit(struct jsonread *r, struct jsonread_at at, const char *prefix, struct table_limit *limit)
{
    struct span text = span_cstr(prefix);
    if (text.len > 0 && !table_is_key_prefix(text)) {
        jsonread_fail(r, at, NULL, "expected prefixes of up to %d bytes that may stand in a key",
                      PREFIX_BYTES_MAX);
        return;
    }
    limit->prefix = mem_strdup(prefix);
    char place[PLACE_MAX + PREFIX_BYTES_MAX];
    snprintf(place, sizeof(place), "%s.%s", at.place, prefix);
    struct jsonread_at of = {jsonread_object(r, at, prefix), place};
    if (r->failed) {
        return;
    }
    limit->requests = jsonread_u64(r, of, "requests", JSONREAD_OPTIONAL, 0, TABLE_LIMIT_MAX, 0);
    limit->bytes = jsonread_u64(r, of, "bytes", JSONREAD_OPTIONAL, 0, TABLE_LIMIT_MAX, 0);
    limit->burst_ms = jsonread_u64(r, of, "burst_ms", JSONREAD_OPTIONAL, TABLE_BURST_MIN_MS,
                                   TABLE_BURST_MAX_MS, TABLE_BURST_MS);
    if (!r->failed && limit->requests == 0 && limit->bytes == 0) {
        jsonread_fail(r, of, NULL, "expected requests, bytes or both");
    }
}

static void
read_limits(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->limits_text = mem_strdup("");
    if (r->failed || json_object_get(at.object, "limits") == NULL) {
        return;
    }
    char place[PLACE_MAX];
    snprintf(place, sizeof(place), "%s%slimits", at.place, at.place[0] != '\0' ? "." : "");
    struct jsonread_at limits = {jsonread_object(r, at, "limits"), place};
    size_t count = r->failed ? 0 : json_object_size(limits.object);
    if (count > TABLE_LIMITS_MAX) {
        jsonread_fail(r, limits, NULL, "more than %d", TABLE_LIMITS_MAX);
    }
    if (r->failed || count == 0) {
        return;
    }
    pool->limits = mem_zalloc(count * sizeof(pool->limits[0]));
    const char *prefix;
    json_t *ignored;
    json_object_foreach ((json_t *)limits.object, prefix, ignored) {
        if (r->failed) {
            return;
        }
        prefixmap_add(&pool->limit_prefixes, span_cstr(prefix), pool->limit_count);
        read_limit(r, limits, prefix, &pool->limits[pool->limit_count++]);
    }
    prefixmap_seal(&pool->limit_prefixes);
    free(pool->limits_text);
    char *text = json_dumps(limits.object, JSON_COMPACT | JSON_SORT_KEYS);
    pool->limits_text = copy_or_empty(text);
    free(text);
}

static void
read_near_cache(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->near_cache_bytes =
        jsonread_u64(r, at, "near_cache_bytes", JSONREAD_OPTIONAL, 0, TABLE_NEAR_MAX_BYTES, 0);
    pool->near_cache_ttl_ms = jsonread_u64(r, at, "near_cache_ttl_ms", JSONREAD_OPTIONAL, 1,
                                           TABLE_NEAR_MAX_MS, TABLE_NEAR_MS);
}

/* Everything but the nodes. */
static void
read_settings(struct jsonread *r, struct jsonread_at at, const char *name, struct table_pool *pool)
{
    if (!json_is_object(at.object)) {
        jsonread_fail(r, at, NULL, "expected an object");
        return;
    }
    pool->name = mem_strdup(name);
    read_ring_config(r, at, &pool->ring_config);
    read_keytag(r, at, pool);
    pool->connect_timeout_ms = jsonread_u64(r, at, "connect_timeout_ms", JSONREAD_OPTIONAL, 1,
                                            TABLE_TIMEOUT_MAX_MS, TABLE_CONNECT_MS);
    pool->request_timeout_ms = jsonread_u64(r, at, "request_timeout_ms", JSONREAD_OPTIONAL, 1,
                                            TABLE_TIMEOUT_MAX_MS, TABLE_REQUEST_MS);
    pool->flush_all =
        jsonread_word(r, at, "flush_all", flush_all_words, WORD_COUNT(flush_all_words), 0) == 1;
    pool->on_read_error = (enum read_error_policy)jsonread_word(
        r, at, "on_read_error", read_error_words, WORD_COUNT(read_error_words), READ_ERROR_MISS);
    pool->on_write_error =
        (enum write_error_policy)jsonread_word(r, at, "on_write_error", write_error_words,
                                               WORD_COUNT(write_error_words), WRITE_ERROR_ERROR);
    pool->meta_errors = (enum meta_error_policy)jsonread_word(
        r, at, "meta_errors", meta_error_words, WORD_COUNT(meta_error_words), META_ERRORS_NS);
    pool->coalesce = jsonread_bool(r, at, "coalesce", true);
    pool->miss_lease_ms =
        jsonread_u64(r, at, "miss_lease_ms", JSONREAD_OPTIONAL, 0, TABLE_LEASE_MAX_MS, 0);
    pool->rejoin = (enum rejoin_policy)jsonread_word(r, at, "rejoin", rejoin_words,
                                                     WORD_COUNT(rejoin_words), REJOIN_REPLAY);
    read_gutter(r, at, pool);
    read_config_cluster(r, at, pool);
    read_replicas(r, at, pool);
    read_near_cache(r, at, pool);
    read_limits(r, at, pool);
}

bool
table_pool_settings(const json_t *object, const char *name, struct table_pool *out, char *error)
{
    struct jsonread r = {.failed = false};
    *out = (struct table_pool){0};
    struct jsonread_at top = {object, ""};
    if (name_is_plain(&r, top, NULL, name)) {
        read_settings(&r, top, name, out);
    }
    if (r.failed) {
        snprintf(error, TABLE_ERROR_MAX, "%s", r.error);
        table_pool_deinit(out);
    }
    return !r.failed;
}

static void
read_pool(struct jsonread *r, struct jsonread_at at, const char *name, struct table_pool *pool)
{
    read_settings(r, at, name, pool);
    if (r->failed) {
        return;
    }
    read_move(r, at, pool);
    read_nodes(r, at, pool);
    if (!r->failed) {
        refuse_pool_without_service(r, at, pool, TABLE_BEFORE);
        refuse_pool_without_service(r, at, pool, TABLE_AFTER);
        refuse_equal_nodes(r, at, pool);
        refuse_equal_labels(r, at, pool, TABLE_AFTER);
    }
    if (!r->failed) {
        build_ring(r, at, pool);
    }
    if (!r->failed && pool->move != MOVE_NONE) {
        refuse_equal_labels(r, at, pool, TABLE_BEFORE);
        build_ring_of_before(r, at, pool);
    }
}

/* --- the whole -------------------------------------------------------------- */

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
        if (!name_is_plain(r, at, "pools", name)) {
            return;
        }
        struct table_pool *pool = &table->pools[table->pool_count++];
        char place[PLACE_MAX];
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
    const char *name = jsonread_string(r, at, "default_pool", JSONREAD_OPTIONAL, NAME_BYTES_MAX);
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

bool
table_is_key_prefix(struct span prefix)
{
    for (size_t i = 0; i < prefix.len; i++) {
        unsigned char c = (unsigned char)prefix.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return prefix.len > 0 && prefix.len <= PREFIX_BYTES_MAX;
}

static void
read_route(struct jsonread *r, struct jsonread_at at, struct table *table, const char *prefix)
{
    if (!table_is_key_prefix(span_cstr(prefix))) {
        jsonread_fail(r, at, NULL, "expected prefixes of 1 to %d bytes that may stand in a key",
                      PREFIX_BYTES_MAX);
        return;
    }
    char place[NODE_PLACE_MAX + PREFIX_BYTES_MAX];
    snprintf(place, sizeof(place), "%s.%s", at.place, prefix);
    struct jsonread_at whole = {json_object_get(at.object, prefix), place};
    bool is_object = json_is_object(whole.object);
    const char *name = is_object
                           ? jsonread_string(r, whole, "pool", JSONREAD_REQUIRED, NAME_BYTES_MAX)
                           : jsonread_string(r, at, prefix, JSONREAD_REQUIRED, NAME_BYTES_MAX);
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
        char place[PLACE_MAX];
        snprintf(place, sizeof(place), "pools.%s", pool->name);
        if (gutter->gutter[0] != '\0') {
            jsonread_fail(r, (struct jsonread_at){.place = place}, "gutter",
                          "names a pool that has a gutter of its own");
        }
        pool->gutter_pool = (unsigned)(gutter - table->pools);
        table->pools[pool->gutter_pool].is_gutter = true;
    }
}

static void
read_head(struct jsonread *r, struct jsonread_at at, struct table *table)
{
    uint64_t schema = jsonread_u64(r, at, "memfleet_table", JSONREAD_REQUIRED, 1, NUMBER_MAX, 1);
    uint64_t reader = jsonread_u64(r, at, "min_reader", JSONREAD_OPTIONAL, 1, NUMBER_MAX, schema);
    if (reader > TABLE_READER) {
        jsonread_fail(r, at, "min_reader", "is %" PRIu64 ", this build reads up to %d", reader,
                      TABLE_READER);
    }
    table->min_reader = reader;
    table->cluster =
        copy_or_empty(jsonread_string(r, at, "cluster", JSONREAD_OPTIONAL, NAME_BYTES_MAX));
    table->incarnation =
        copy_or_empty(jsonread_string(r, at, "incarnation", JSONREAD_OPTIONAL, NAME_BYTES_MAX));
    table->epoch = jsonread_u64(r, at, "epoch", JSONREAD_REQUIRED, 1, NUMBER_MAX, 0);
    table->min_epoch = jsonread_u64(r, at, "min_epoch", JSONREAD_OPTIONAL, 0, table->epoch, 0);
    table->force = jsonread_bool(r, at, "force", false);
    table->by = copy_or_empty(jsonread_string(r, at, "by", JSONREAD_OPTIONAL, TEXT_BYTES_MAX));
    table->reason =
        copy_or_empty(jsonread_string(r, at, "reason", JSONREAD_OPTIONAL, TEXT_BYTES_MAX));
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
