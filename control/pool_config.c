#include "control/pool_config.h"
#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "control/keys.h"

#include <stdio.h>
#include <stdlib.h>

/* What json_unpack fills; the strings belong to the object. */
struct fields {
    const char *ring, *key_hash, *strip_prefix, *hash_stop, *hash_tag;
    const char *flush_all, *on_read_error, *on_write_error, *meta_errors, *by, *reason;
    json_int_t connect_timeout_ms, request_timeout_ms, min_nodes;
    int force;
};

static bool
unpack(const json_t *object, struct fields *f, char *error)
{
    json_error_t why;
    if (json_unpack_ex((json_t *)object, &why, 0,
                       "{s?s s?s s?s s?s s?s s?s s?s s?s s?s s?s s?s s?I s?I s?I s?b}", "ring",
                       &f->ring, "key_hash", &f->key_hash, "strip_prefix", &f->strip_prefix,
                       "hash_stop", &f->hash_stop, "hash_tag", &f->hash_tag, "flush_all",
                       &f->flush_all, "on_read_error", &f->on_read_error, "on_write_error",
                       &f->on_write_error, "meta_errors", &f->meta_errors, "by", &f->by, "reason",
                       &f->reason, "connect_timeout_ms", &f->connect_timeout_ms,
                       "request_timeout_ms", &f->request_timeout_ms, "min_nodes", &f->min_nodes,
                       "force", &f->force) == 0) {
        return true;
    }
    snprintf(error, POOL_CONFIG_ERROR_MAX, "%s", why.text);
    return false;
}

/* Which of two words; an absent one leaves *second as it is. */
static bool
choose(const char *word, const char *first_word, const char *second_word, bool *second)
{
    if (word == NULL) {
        return true;
    }
    *second = strcmp(word, second_word) == 0;
    return *second || strcmp(word, first_word) == 0;
}

static const char *
take_ring(const struct fields *f, struct table_pool *pool)
{
    if (f->ring != NULL) {
        pool->ring_config.kind = ring_kind_find(span_cstr(f->ring));
        if (pool->ring_config.kind == RING_KIND_COUNT) {
            return "ring: expected libmemcached, libmemcached-ketama or twemproxy";
        }
        pool->ring_config.hash = ring_kind_default_hash(pool->ring_config.kind);
    }
    if (f->key_hash != NULL) {
        pool->ring_config.hash = key_hash_find(span_cstr(f->key_hash));
        if (pool->ring_config.hash == KEY_HASH_COUNT) {
            return "key_hash: expected md5, one_at_a_time, crc16, crc32, crc32a, fnv1_64, "
                   "fnv1a_64, fnv1_32, fnv1a_32, hsieh, murmur or jenkins";
        }
    }
    return NULL;
}

static const char *
take_tags(const struct fields *f, struct table_pool *pool)
{
    if (f->hash_tag != NULL && f->hash_tag[0] != '\0') {
        if (strlen(f->hash_tag) != 2) {
            return "hash_tag: expected two characters, e.g. {}";
        }
        pool->tag.open = f->hash_tag[0];
        pool->tag.close = f->hash_tag[1];
    }
    if (f->strip_prefix != NULL && f->strip_prefix[0] != '\0') {
        pool->strip_prefix = mem_strdup(f->strip_prefix);
    }
    if (f->hash_stop != NULL && f->hash_stop[0] != '\0') {
        pool->hash_stop = mem_strdup(f->hash_stop);
    }
    return NULL;
}

static const char *
take_timeouts(const struct fields *f, struct table_pool *pool)
{
    if (f->connect_timeout_ms < 0 || f->connect_timeout_ms > POOL_TIMEOUT_MS_MAX ||
        f->request_timeout_ms < 0 || f->request_timeout_ms > POOL_TIMEOUT_MS_MAX) {
        return "connect_timeout_ms, request_timeout_ms: expected 1 to 60000";
    }
    if (f->connect_timeout_ms > 0) {
        pool->connect_timeout_ms = (uint64_t)f->connect_timeout_ms;
    }
    if (f->request_timeout_ms > 0) {
        pool->request_timeout_ms = (uint64_t)f->request_timeout_ms;
    }
    return NULL;
}

static const char *
take_policies(const struct fields *f, struct table_pool *pool)
{
    bool error_reads = pool->on_read_error == READ_ERROR_ERROR;
    bool not_stored = pool->on_write_error == WRITE_ERROR_NOT_STORED;
    bool raw = pool->meta_errors == META_ERRORS_RAW;
    if (!choose(f->flush_all, "deny", "allow", &pool->flush_all)) {
        return "flush_all: expected allow or deny";
    }
    if (!choose(f->on_read_error, "miss", "error", &error_reads)) {
        return "on_read_error: expected miss or error";
    }
    if (!choose(f->on_write_error, "error", "not_stored", &not_stored)) {
        return "on_write_error: expected error or not_stored";
    }
    if (!choose(f->meta_errors, "ns", "raw", &raw)) {
        return "meta_errors: expected ns or raw";
    }
    pool->on_read_error = error_reads ? READ_ERROR_ERROR : READ_ERROR_MISS;
    pool->on_write_error = not_stored ? WRITE_ERROR_NOT_STORED : WRITE_ERROR_ERROR;
    pool->meta_errors = raw ? META_ERRORS_RAW : META_ERRORS_NS;
    return NULL;
}

static const char *
take_fields(const struct fields *f, struct pool_config *config)
{
    const char *bad = take_ring(f, &config->settings);
    bad = bad != NULL ? bad : take_tags(f, &config->settings);
    bad = bad != NULL ? bad : take_timeouts(f, &config->settings);
    bad = bad != NULL ? bad : take_policies(f, &config->settings);
    if (bad == NULL && (f->min_nodes < 1 || f->min_nodes > TABLE_NODES_MAX)) {
        bad = "min_nodes: expected 1 to 20000";
    }
    config->min_nodes = (uint64_t)f->min_nodes;
    config->force = f->force;
    config->by = mem_strdup(f->by);
    config->reason = mem_strdup(f->reason);
    return bad;
}

struct pool_config *
pool_config_decode(const json_t *object, const char *name, char *error)
{
    struct fields f = {.min_nodes = 1, .by = "", .reason = ""};
    if (!name_ok(span_cstr(name))) {
        snprintf(error, POOL_CONFIG_ERROR_MAX,
                 "a pool's name: expected 1 to 128 letters, digits or ._:@-");
        return NULL;
    }
    if (!unpack(object, &f, error)) {
        return NULL;
    }
    struct pool_config *config = mem_zalloc(sizeof(*config));
    table_pool_defaults(&config->settings);
    config->settings.name = mem_strdup(name);
    const char *bad = take_fields(&f, config);
    if (bad != NULL) {
        snprintf(error, POOL_CONFIG_ERROR_MAX, "%s", bad);
        pool_config_destroy(&config);
    }
    return config;
}

void
pool_config_destroy(struct pool_config **config)
{
    struct pool_config *it = *config;
    if (it == NULL) {
        return;
    }
    free(it->settings.name);
    free(it->settings.strip_prefix);
    free(it->settings.hash_stop);
    free(it->by);
    free(it->reason);
    free(it);
    *config = NULL;
}

static bool
same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

bool
pool_config_moves_keys(const struct pool_config *config, const struct table_pool *pool)
{
    const struct table_pool *want = &config->settings;
    return want->ring_config.kind != pool->ring_config.kind ||
           want->ring_config.hash != pool->ring_config.hash ||
           !same_text(want->strip_prefix, pool->strip_prefix) ||
           !same_text(want->hash_stop, pool->hash_stop) || want->tag.open != pool->tag.open ||
           want->tag.close != pool->tag.close;
}

bool
pool_config_differs(const struct pool_config *config, const struct table_pool *pool)
{
    const struct table_pool *want = &config->settings;
    return pool_config_moves_keys(config, pool) ||
           want->connect_timeout_ms != pool->connect_timeout_ms ||
           want->request_timeout_ms != pool->request_timeout_ms ||
           want->flush_all != pool->flush_all || want->on_read_error != pool->on_read_error ||
           want->on_write_error != pool->on_write_error || want->meta_errors != pool->meta_errors;
}
