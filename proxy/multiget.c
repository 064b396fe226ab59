#include "proxy/multiget.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/proto/reply_plain.h"

#include <stdlib.h>

/* What a cleared multiget may keep. */
#define KEPT_KEYS   512
#define KEPT_SHARDS 64
#define KEPT_BYTES  16384

#define KEYS_FIRST 32

/* Keys that are listed as leads must not move, so all the room is made now. A line
 * is at most 64 KB, so this is at most 2.6 MB. */
bool
multiget_begin(struct multiget *m, struct span keys, uint32_t count)
{
    ASSERT(m->key_count == 0 && m->shard_count == 0);
    m->guests = MULTIGET_END;
    if (count > m->key_room) {
        free(m->keys);
        m->key_room = count < KEYS_FIRST ? KEYS_FIRST : count;
        m->keys = mem_alloc(m->key_room * sizeof(m->keys[0]));
    }
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
    m->value_bytes = 0;
    m->renames = false;
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

uint32_t
multiget_add_shard(struct multiget *m)
{
    if (m->shard_count == m->shard_room) {
        m->shard_room = m->shard_room != 0 ? m->shard_room * 2 : 16;
        m->shards = mem_realloc(m->shards, m->shard_room * sizeof(m->shards[0]));
    }
    struct multiget_shard *s = &m->shards[m->shard_count];
    if (m->shard_count == m->shards_used) {
        s->values = BUF_EMPTY;
        m->shards_used++;
    }
    s->first = s->last = s->unanswered = MULTIGET_END;
    return m->shard_count++;
}

uint32_t
multiget_add_guest(struct multiget *m, uint32_t at, uint32_t len)
{
    if (m->guests == MULTIGET_END) {
        m->guests = multiget_add_shard(m);
    }
    return multiget_add(m, at, len, m->guests);
}

/* The key stands on the line that was copied. */
struct span
multiget_client_key(const struct multiget *m, uint32_t key)
{
    struct span own = multiget_key_span(m, key);
    const char *begin = buf_span(&m->line).ptr, *at = own.ptr;
    while (at > begin && at[-1] != ' ') {
        at--;
    }
    return span_make(at, (size_t)(own.ptr + own.len - at));
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
    m->value_bytes += k->bytes;
    return true;
}

/* --- what comes most often -------------------------------------------------------- */

static void
remember_line_end(struct multiget_line_end *known, const char *p, const char *after)
{
    const char *newline = memchr(p, '\n', sizeof(known->text));
    if (newline != NULL) {
        memcpy(&known->text, p, sizeof(known->text));
        known->mask = 0;
        memset(&known->mask, 0xff, (size_t)(newline + 1 - p));
        known->bytes = (size_t)(after - p);
    }
}

/* reply_plain_rest(). Where no two values are alike, only the `first` of a run is
 * remembered; and never one without bytes, since it may be the last that there is to read. */
static __attribute__((noinline)) const char *
look_for_rest(struct multiget_line_end *known, const char *p, const char *end, bool first)
{
    const char *after = reply_plain_rest(p, end);
    if (first && after != NULL && (size_t)(after - p) >= sizeof(known->text)) {
        remember_line_end(known, p, after);
    }
    return after;
}

static inline const char *
find_rest(struct multiget_line_end *known, const char *p, const char *end, bool first)
{
    uint64_t text;
    if (known->bytes - 1 < (size_t)(end - p)) {
        memcpy(&text, p, sizeof(text));
        if (((text ^ known->text) & known->mask) == 0 &&
            memcmp(p + known->bytes - 2, "\r\n", 2) == 0) {
            return p + known->bytes;
        }
    }
    return look_for_rest(known, p, end, first);
}

/* The key from `key` on whose VALUE stands at `p`, if nobody has joined it or those
 * before; else MULTIGET_END. *after is where the VALUE ends. */
static inline uint32_t
find_alone(struct multiget *m, uint32_t key, const char *p, const char *end, bool first,
           const char **after)
{
    const struct multiget_key *keys = m->keys;
    if (memcmp(p, "VALUE ", 6) != 0) {
        return MULTIGET_END;
    }
    for (p += 6; key != MULTIGET_END && keys[key].lead.flight == NULL; key = keys[key].next) {
        const struct lead *lead = &keys[key].lead;
        size_t len = lead->key_bytes;
        if ((size_t)(end - p) > len && p[len] == ' ' && key_bytes_equal(p, lead->key, len)) {
            *after = find_rest(&m->known, p + len + 1, end, first);
            return *after != NULL ? key : MULTIGET_END;
        }
    }
    return MULTIGET_END;
}

/* The bytes of values that were taken, all at once. */
static bool
keep_run(struct multiget *m, struct multiget_shard *s, uint32_t first, struct span run)
{
    if (buf_append_span(&s->values, run)) {
        m->value_bytes += run.len;
        return true;
    }
    for (uint32_t i = first; i != s->unanswered; i = m->keys[i].next) {
        m->keys[i].bytes = 0;
    }
    return false;
}

/* All that is left are misses, if nobody has joined them. */
static bool
take_end(struct multiget *m, struct multiget_shard *s, struct span rest,
         struct flight_table *flights)
{
    if (!span_starts_with(rest, SPAN_LIT("END\r\n"))) {
        return false;
    }
    for (uint32_t i = s->unanswered; i != MULTIGET_END; i = m->keys[i].next) {
        if (m->keys[i].lead.flight != NULL) {
            return false;
        }
    }
    for (; s->unanswered != MULTIGET_END; s->unanswered = m->keys[s->unanswered].next) {
        flight_unlist_lead(flights, &m->keys[s->unanswered].lead);
    }
    return true;
}

bool
multiget_take_run(struct multiget *m, uint32_t shard, struct span input,
                  struct flight_table *flights, struct multiget_run *run)
{
    struct multiget_shard *s = &m->shards[shard];
    struct multiget_key *keys = m->keys;
    const char *p = input.ptr, *end = p + input.len, *after;
    uint32_t first = s->unanswered, next = first, found;
    unsigned hits = 0;
    size_t base = buf_len(&s->values);
    while (end - p > 6 &&
           (found = find_alone(m, next, p, end, hits == 0, &after)) != MULTIGET_END) {
        for (; next != found; next = keys[next].next) {
            flight_unlist_lead(flights, &keys[next].lead);
        }
        struct multiget_key *k = &keys[found];
        flight_unlist_lead(flights, &k->lead);
        k->from = base + (size_t)(p - input.ptr);
        k->bytes = (size_t)(after - p);
        next = k->next;
        p = after;
        hits++;
    }
    s->unanswered = next;
    struct span values = span_make(input.ptr, (size_t)(p - input.ptr));
    bool kept = keep_run(m, s, first, values);
    run->hits = hits;
    run->value_bytes = values.len;
    run->ended = take_end(m, s, span_skip(input, values.len), flights);
    run->bytes = values.len + (run->ended ? sizeof("END\r\n") - 1 : 0);
    return kept;
}

bool
multiget_merge(const struct multiget *m, struct span end, struct buf *out)
{
    if (m->value_bytes + end.len == 0) {
        return true;
    }
    char *to = buf_room(out, m->value_bytes + end.len);
    if (to == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < m->key_count; i++) {
        const struct multiget_key *key = &m->keys[i];
        if (key->bytes > 0) {
            const char *values = buf_span(&m->shards[key->shard].values).ptr;
            to = (char *)memcpy(to, values + key->from, key->bytes) + key->bytes;
        }
    }
    memcpy(to, end.ptr, end.len);
    buf_grew(out, m->value_bytes + end.len);
    ASSERT(to + end.len == buf_span(out).ptr + buf_len(out));
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
