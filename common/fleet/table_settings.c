/* The settings of a pool: how its keys are placed, how long is waited for its nodes,
 * and the policies that it has asked for. */
#include "common/fleet/table_build.h"
#include "common/fleet/table_cluster.h"
#include "common/fleet/table_read.h"
#include "common/fleet/table_words.h"

#include <stdio.h>
#include <stdlib.h>

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

bool
table_is_key_prefix(struct span prefix)
{
    for (size_t i = 0; i < prefix.len; i++) {
        unsigned char c = (unsigned char)prefix.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return prefix.len > 0 && prefix.len <= TABLE_READ_PREFIX_BYTES;
}

bool
table_read_pool_name(struct jsonread *r, struct jsonread_at at, const char *member,
                     const char *name)
{
    if (!table_is_pool_name(span_cstr(name))) {
        jsonread_fail(r, at, member, "a pool's name is 1 to %d letters, digits, '.', '_', '-'",
                      TABLE_POOL_NAME_MAX);
    }
    return !r->failed;
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
    pool->strip_prefix = table_read_copy(
        jsonread_string(r, at, "hash_strip_prefix", JSONREAD_OPTIONAL, TABLE_READ_PREFIX_BYTES));
    pool->hash_stop = table_read_copy(
        jsonread_string(r, at, "hash_stop", JSONREAD_OPTIONAL, TABLE_READ_PREFIX_BYTES));
    pool->tag.strip_prefix = span_cstr(pool->strip_prefix);
    pool->tag.stop = span_cstr(pool->hash_stop);
    const char *tag = jsonread_string(r, at, "hash_tag", JSONREAD_OPTIONAL, TABLE_READ_TEXT_BYTES);
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

/* Which pool that is, is looked up when all are known. */
static void
read_gutter(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->gutter =
        table_read_copy(jsonread_string(r, at, "gutter", JSONREAD_OPTIONAL, TABLE_READ_NAME_BYTES));
    pool->gutter_ttl_s = jsonread_u64(r, at, "gutter_ttl_s", JSONREAD_OPTIONAL, 1,
                                      TABLE_GUTTER_MAX_S, TABLE_GUTTER_S);
    pool->gutter_pool = TABLE_NO_POOL;
    if (strcmp(pool->gutter, pool->name) == 0) {
        jsonread_fail(r, at, "gutter", "is the pool itself");
    }
}

static void
read_shadow(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    struct table_shadow *s = &pool->shadow;
    s->pool = TABLE_NO_POOL;
    s->name = mem_strdup("");
    if (r->failed || json_object_get(at.object, "shadow") == NULL) {
        return;
    }
    char place[TABLE_READ_PLACE];
    snprintf(place, sizeof(place), "%s%sshadow", at.place, at.place[0] != '\0' ? "." : "");
    struct jsonread_at of = {jsonread_object(r, at, "shadow"), place};
    if (r->failed) {
        return;
    }
    free(s->name);
    s->name =
        table_read_copy(jsonread_string(r, of, "pool", JSONREAD_REQUIRED, TABLE_READ_NAME_BYTES));
    s->percent = (unsigned)jsonread_u64(r, of, "percent", JSONREAD_REQUIRED, 0, 100, 0);
    s->requests = (enum shadow_requests)jsonread_word(r, of, "requests", shadow_words,
                                                      WORD_COUNT(shadow_words), SHADOW_ALL);
    if (!r->failed && strcmp(s->name, pool->name) == 0) {
        jsonread_fail(r, of, "pool", "is the pool itself");
    }
}

static void
read_config_cluster(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->config_cluster = table_read_copy(
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
                          TABLE_READ_PREFIX_BYTES);
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
    char place[TABLE_READ_PLACE + sizeof(".hot")];
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
    pool->hot_text = table_read_copy(text);
    free(text);
}

static void
read_limit(struct jsonread *r, struct jsonread_at at, const char *prefix, struct table_limit *limit)
{
    struct span text = span_cstr(prefix);
    if (text.len > 0 && !table_is_key_prefix(text)) {
        jsonread_fail(r, at, NULL, "expected prefixes of up to %d bytes that may stand in a key",
                      TABLE_READ_PREFIX_BYTES);
        return;
    }
    limit->prefix = mem_strdup(prefix);
    char place[TABLE_READ_PLACE + TABLE_READ_PREFIX_BYTES];
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
    char place[TABLE_READ_PLACE];
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
    pool->limits_text = table_read_copy(text);
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

void
table_read_settings(struct jsonread *r, struct jsonread_at at, const char *name,
                    struct table_pool *pool)
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
    read_shadow(r, at, pool);
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
    if (table_read_pool_name(&r, top, NULL, name)) {
        table_read_settings(&r, top, name, out);
    }
    if (r.failed) {
        snprintf(error, TABLE_ERROR_MAX, "%s", r.error);
        table_pool_deinit(out);
    }
    return !r.failed;
}
