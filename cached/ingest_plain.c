/* Sets whose values are whole in the input, without the general parser and in groups. */
#include "cached/ingest.h"
#include "cached/meta_put.h"
#include "common/proto/request_plain.h"

/* What somebody wants to hear of takes the way of all values. */
static inline bool
is_observed(const struct conn *c)
{
    return watch_wanted(c, WATCH_FETCHERS) || watch_wanted(c, WATCH_MUTATIONS) ||
           atomic_load_explicit(&c->worker->node->detail.enabled, memory_order_relaxed);
}

static inline void
note_stores(struct worker *w, const struct store_key *keys, const struct store_put *puts,
            unsigned count)
{
    if (w->hotkeys_distance > count) { /* none of them is looked at */
        w->hotkeys_distance -= count;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        worker_note_store(w, &keys[i], puts[i].value.len);
    }
}

/* --- set ------------------------------------------------------------------------ */

/* Returns how many were stored. */
static inline __attribute__((always_inline)) unsigned
answer_sets(struct conn *c, const struct store_put *puts, unsigned count)
{
    unsigned stored = 0;
    for (unsigned i = 0; i < count; i++) {
        if (__builtin_expect(puts[i].outcome == STORE_OK, 1)) {
            outbox_put(&c->out, "STORED\r\n", 8);
            stored++;
        } else {
            conn_put_error(c, ingest_refusal(puts[i].outcome));
        }
    }
    return stored;
}

static inline __attribute__((always_inline)) void
finish_sets(struct conn *c, const struct store_key *keys, const struct store_put *puts,
            unsigned count)
{
    note_stores(c->worker, keys, puts, count);
    metric_add(c->worker->metrics, METRIC_ID_NODE_SETS, answer_sets(c, puts, count));
}

/* The first ones; the next waits for room. Returns their bytes in the input. */
static __attribute__((noinline)) size_t
finish_fewer(struct conn *c, const struct store_key *keys, const struct store_put *puts,
             unsigned count, const char *input)
{
    if (count == 0) {
        return 0;
    }
    finish_sets(c, keys, puts, count);
    const struct span *last = &puts[count - 1].value;
    return (size_t)(last->ptr + last->len + 2 - input);
}

/* Nearly always all; then their count is known, and of one it is one. Returns how many. */
static inline __attribute__((always_inline)) unsigned
put_sets(struct conn *c, const struct store_key *keys, struct store_put *puts, unsigned count)
{
    struct worker *w = c->worker;
    unsigned done = store_put(w->store, keys, puts, count, &c->room_effort, w->now_ms);
    if (__builtin_expect(done == count, 1)) {
        finish_sets(c, keys, puts, count);
    }
    return done;
}

size_t
ingest_plain_sets(struct conn *c, struct span input, uint64_t *requests)
{
    struct worker *w = c->worker;
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS, n = 0;
    if (is_observed(c)) {
        return 0;
    }
    const char *at = input.ptr, *end = at + input.len, *next;
    struct plain_set set;
    unsigned done = 0;
    while (n < max && (next = request_plain_set(at, end, &set)) != NULL) {
        keys[n] = store_key(set.key);
        puts[n].value = set.value;
        puts[n].flags = set.flags;
        puts[n].expiry_ms = node_expiry_ms(w->node, set.exptime, w->now_ms);
        puts[n].binary_key = false;
        at = next;
        n++;
    }
    if (n == 1) { /* as most are, and one is no loop */
        done = put_sets(c, keys, puts, 1);
    } else if (n > 1) {
        done = put_sets(c, keys, puts, n);
    }
    *requests -= done;
    return __builtin_expect(done == n, 1) ? (size_t)(at - input.ptr)
                                          : finish_fewer(c, keys, puts, done, input.ptr);
}

/* --- ms ------------------------------------------------------------------------- */

/* "HD", O, k, c, s and CRLF */
#define MS_LINE_BYTES (2 + META_OPAQUE_BYTES + META_KEY_BYTES + 2 * META_NUMBER_BYTES + 2)

struct ms_group {
    struct plain_ms mss[STORE_SIGHTS];
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    meta_key_room rooms[STORE_SIGHTS];
};

static bool
has(const struct plain_ms *ms, char letter)
{
    return (ms->present & meta_bit(letter)) != 0;
}

/* False if a base64 key is none. */
static inline bool
fill_ms(struct worker *w, struct ms_group *g, unsigned i)
{
    const struct plain_ms *ms = &g->mss[i];
    struct store_put *put = &g->puts[i];
    struct span key = ms->wire_key;
    put->binary_key = has(ms, 'b');
    if (__builtin_expect(put->binary_key, 0) && !meta_decode_key(&key, g->rooms[i])) {
        return false;
    }
    g->keys[i] = store_key(key);
    put->value = ms->value;
    put->flags = ms->client_flags;
    put->expiry_ms = node_expiry_ms(w->node, ms->ttl, w->now_ms);
    return true;
}

static inline void
answer_ms(struct conn *c, const struct plain_ms *ms, struct span key, const struct store_put *put)
{
    char *line = has(ms, 'q') ? NULL : outbox_room(&c->out, MS_LINE_BYTES), *p = line;
    if (line == NULL) {
        return;
    }
    memcpy(p, "HD", 2);
    p += 2;
    for (unsigned i = 0; i < ms->echo_count; i++) {
        switch (ms->echoes[i]) {
        case 'O': p = put_flag_opaque(p, ms->opaque); break;
        case 'k': p = put_flag_key(p, key, put->binary_key); break;
        case 'c': p = put_flag_number(p, 'c', put->cas); break;
        case 's': p = put_flag_number(p, 's', put->value.len); break;
        }
    }
    memcpy(p, "\r\n", 2);
    outbox_wrote(&c->out, (size_t)(p + 2 - line));
}

static inline unsigned
answer_mss(struct conn *c, const struct ms_group *g, unsigned count)
{
    unsigned stored = 0;
    for (unsigned i = 0; i < count; i++) {
        if (__builtin_expect(g->puts[i].outcome == STORE_OK, 1)) {
            answer_ms(c, &g->mss[i], g->keys[i].key, &g->puts[i]);
            stored++;
        } else {
            conn_put_error(c, ingest_refusal(g->puts[i].outcome));
        }
    }
    return stored;
}

size_t
ingest_plain_mss(struct conn *c, struct span input, uint64_t *requests)
{
    struct worker *w = c->worker;
    struct ms_group g;
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS;
    unsigned found = is_observed(c) ? 0 : request_plain_mss(input, g.mss, max), n = 0;
    size_t bytes = 0;
    while (n < found && fill_ms(w, &g, n)) {
        n++;
    }
    if (n > 0) {
        n = store_put(w->store, g.keys, g.puts, n, &c->room_effort, w->now_ms);
        note_stores(w, g.keys, g.puts, n);
        metric_add(w->metrics, METRIC_ID_NODE_META, n);
        metric_add(w->metrics, METRIC_ID_NODE_SETS, answer_mss(c, &g, n));
        *requests -= n;
    }
    for (unsigned i = 0; i < n; i++) {
        bytes += g.mss[i].bytes;
    }
    return bytes;
}
