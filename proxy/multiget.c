#include "proxy/multiget.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

/* What a cleared multiget may keep. */
#define KEPT_KEYS   512
#define KEPT_SHARDS 64
#define KEPT_BYTES  16384

bool
multiget_begin(struct multiget *m, struct span keys)
{
    ASSERT(m->key_count == 0 && m->shard_count == 0);
    return buf_append_span(&m->line, keys);
}

void
multiget_clear(struct multiget *m)
{
    if (m->key_room > KEPT_KEYS || m->shards_used > KEPT_SHARDS || m->line.cap > KEPT_BYTES) {
        multiget_deinit(m);
        *m = (struct multiget){0};
        return;
    }
    for (uint32_t i = 0; i < m->shard_count; i++) {
        buf_clear(&m->shards[i].values);
        buf_shrink(&m->shards[i].values, KEPT_BYTES);
    }
    buf_clear(&m->line);
    m->key_count = 0;
    m->shard_count = 0;
}

void
multiget_deinit(struct multiget *m)
{
    for (uint32_t i = 0; i < m->shards_used; i++) {
        buf_deinit(&m->shards[i].values);
    }
    free(m->shards);
    free(m->keys);
    buf_deinit(&m->line);
}

/* Room for one more of `bytes` each. A line is at most 64 KB, so these arrays
 * are at most about a megabyte. */
static void *
grown(void *array, uint32_t count, uint32_t *room, size_t bytes)
{
    if (count < *room) {
        return array;
    }
    *room = *room != 0 ? *room * 2 : 16;
    return mem_realloc(array, *room * bytes);
}

uint32_t
multiget_add_shard(struct multiget *m)
{
    m->shards = grown(m->shards, m->shard_count, &m->shard_room, sizeof(m->shards[0]));
    struct multiget_shard *s = &m->shards[m->shard_count];
    if (m->shard_count == m->shards_used) {
        s->values = BUF_EMPTY;
        m->shards_used++;
    }
    s->first = s->last = s->unanswered = MULTIGET_END;
    return m->shard_count++;
}

void
multiget_add_key(struct multiget *m, uint32_t at, uint32_t len, uint32_t shard)
{
    ASSERT(shard < m->shard_count && at + len <= buf_len(&m->line));

    m->keys = grown(m->keys, m->key_count, &m->key_room, sizeof(m->keys[0]));
    uint32_t key = m->key_count++;
    m->keys[key] = (struct multiget_key){at, len, shard, MULTIGET_END, 0, 0};
    struct multiget_shard *s = &m->shards[shard];
    if (s->first == MULTIGET_END) {
        s->first = s->unanswered = key;
    } else {
        m->keys[s->last].next = key;
    }
    s->last = key;
}

static struct span
key_span(const struct multiget *m, const struct multiget_key *key)
{
    return span_make(buf_span(&m->line).ptr + key->at, key->len);
}

enum multiget_result
multiget_value(struct multiget *m, uint32_t shard, struct span key, struct span raw)
{
    struct multiget_shard *s = &m->shards[shard];
    uint32_t i = s->unanswered;
    while (i != MULTIGET_END && !span_eq(key_span(m, &m->keys[i]), key)) {
        i = m->keys[i].next;
    }
    if (i == MULTIGET_END) {
        return MULTIGET_STRANGE;
    }
    m->keys[i].from = buf_len(&s->values);
    m->keys[i].bytes = raw.len;
    s->unanswered = m->keys[i].next;
    return buf_append_span(&s->values, raw) ? MULTIGET_OK : MULTIGET_NO_MEMORY;
}

bool
multiget_merge(const struct multiget *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->key_count; i++) {
        const struct multiget_key *key = &m->keys[i];
        if (key->bytes > 0) {
            const char *values = buf_span(&m->shards[key->shard].values).ptr;
            if (!buf_append(out, values + key->from, key->bytes)) {
                return false;
            }
        }
    }
    return true;
}

/* --- spare ones ------------------------------------------------------------ */

struct multiget *
multiget_pool_borrow(struct multiget_pool *pool)
{
    return pool->count > 0 ? pool->spares[--pool->count] : mem_zalloc(sizeof(struct multiget));
}

void
multiget_pool_give_back(struct multiget_pool *pool, struct multiget **multiget)
{
    struct multiget *m = *multiget;
    *multiget = NULL;
    if (pool->count < MULTIGET_SPARES) {
        multiget_clear(m);
        pool->spares[pool->count++] = m;
        return;
    }
    multiget_deinit(m);
    free(m);
}

void
multiget_pool_deinit(struct multiget_pool *pool)
{
    while (pool->count > 0) {
        struct multiget *m = pool->spares[--pool->count];
        multiget_deinit(m);
        free(m);
    }
}
