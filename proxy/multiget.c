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
    m->guests = MULTIGET_END;
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

static uint32_t
add(struct multiget *m, uint32_t at, uint32_t len, uint32_t shard)
{
    ASSERT(shard < m->shard_count && at + len <= buf_len(&m->line));

    m->keys = grown(m->keys, m->key_count, &m->key_room, sizeof(m->keys[0]));
    m->keys[m->key_count] =
        (struct multiget_key){.at = at, .len = len, .shard = shard, .next = MULTIGET_END};
    return m->key_count++;
}

uint32_t
multiget_add_key(struct multiget *m, uint32_t at, uint32_t len, uint32_t shard)
{
    uint32_t key = add(m, at, len, shard);
    struct multiget_shard *s = &m->shards[shard];
    if (s->first == MULTIGET_END) {
        s->first = s->unanswered = key;
    } else {
        m->keys[s->last].next = key;
    }
    s->last = key;
    return key;
}

uint32_t
multiget_add_guest(struct multiget *m, uint32_t at, uint32_t len)
{
    if (m->guests == MULTIGET_END) {
        m->guests = multiget_add_shard(m);
    }
    return add(m, at, len, m->guests);
}

struct span
multiget_key_span(const struct multiget *m, uint32_t key)
{
    return span_make(buf_span(&m->line).ptr + m->keys[key].at, m->keys[key].len);
}

uint32_t
multiget_find(const struct multiget *m, uint32_t shard, struct span key)
{
    uint32_t i = m->shards[shard].unanswered;
    while (i != MULTIGET_END && !span_eq(multiget_key_span(m, i), key)) {
        i = m->keys[i].next;
    }
    return i;
}

bool
multiget_put(struct multiget *m, uint32_t key, struct span head, struct span rest)
{
    struct multiget_key *k = &m->keys[key];
    struct buf *values = &m->shards[k->shard].values;
    size_t from = buf_len(values);
    if (!buf_append_span(values, head) || !buf_append_span(values, rest)) {
        values->tail = values->head + from;
        return false;
    }
    k->from = from;
    k->bytes = head.len + rest.len;
    return true;
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
