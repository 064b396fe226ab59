/* multiget.h - splitting the keys of one get over nodes and merging what comes
 * back. Pure.
 *
 *     get a b c a      a, c, a -> shard 0    b -> shard 1
 *     shard 0 answers: VALUE a, VALUE a      (c is a miss)
 *     shard 1 answers: VALUE b
 *     merged:          a b a END             in the client's order
 *
 * A server answers the hits of a line in the line's order, so each VALUE is
 * matched to the next key of its shard that has this name; those in between
 * were misses. Doubled keys need nothing special.
 *
 * A key that somebody else's request brings along is on no shard's line; its
 * value is put where it belongs when it comes. */
#pragma once
#include "common/core/assert.h"
#include "common/core/buf.h"
#include "proxy/flight.h"

#include <stdint.h>

struct multiget_key {
    struct lead lead; /* its key; others may wait for what it brings (coalesce.h) */
    uint32_t shard;
    uint32_t next; /* the shard's next key, or MULTIGET_END */
    size_t from;   /* in the shard's values */
    size_t bytes;  /* 0: a miss, or not answered yet */
};
#define MULTIGET_END UINT32_MAX

struct multiget_shard {
    struct buf values; /* VALUE pieces as they came */
    uint32_t first, last;
    uint32_t unanswered; /* the first key that an answer may still name */
};

/* How the line of a value ended that came before: mostly the next one's does so, too. Never
 * relied on without a look. */
struct multiget_line_end {
    uint64_t text, mask; /* what stood behind the key and its blank, if that was short */
    size_t bytes;        /* from there to the end of the VALUE; 0: none is known */
};

struct multiget {
    struct buf line; /* the client's keys */
    struct multiget_key *keys;
    struct multiget_shard *shards;
    uint32_t key_count, key_room;
    uint32_t shard_count, shard_room;
    uint32_t shards_used; /* so many have a values buf, maybe with memory */
    struct multiget_line_end known;
    size_t value_bytes; /* of all that came */
    bool renames;       /* nodes know some of the keys without their front */
    uint32_t guests;    /* the shard of keys that others bring; MULTIGET_END: none yet */
};

/* Begins with a zeroed multiget, or one that was cleared. `keys` are the keys as
 * the client wrote them, `count` at most; they are copied. False when the system has
 * no memory. */
bool multiget_begin(struct multiget *m, struct span keys, uint32_t count);

/* Forgets everything but modest memory, for the next one. */
void multiget_clear(struct multiget *m);
void multiget_deinit(struct multiget *m);

/* A new shard, without keys; returns its number. */
uint32_t multiget_add_shard(struct multiget *m);

/* For the two that follow. */
static inline uint32_t
multiget_add(struct multiget *m, uint32_t at, uint32_t len, uint32_t shard)
{
    ASSERT(m->key_count < m->key_room);

    struct multiget_key *k = &m->keys[m->key_count];
    k->lead.key = buf_span(&m->line).ptr + at;
    k->lead.key_bytes = (uint8_t)len;
    k->lead.flight = NULL;
    k->lead.listed = false;
    k->shard = shard;
    k->next = MULTIGET_END;
    k->bytes = 0;
    return m->key_count++;
}

/* The key that was added last is the next that its shard is asked for. */
static inline void
multiget_queue_last(struct multiget *m, uint32_t shard)
{
    uint32_t key = m->key_count - 1;
    struct multiget_shard *s = &m->shards[shard];
    if (s->first == MULTIGET_END) {
        s->first = s->unanswered = key;
    } else {
        m->keys[s->last].next = key;
    }
    s->last = key;
}

/* The next key in the client's order: `at` bytes into the span of keys, `len`
 * long. `shard` serves it. Returns its number, which counts from 0. */
static inline uint32_t
multiget_add_key(struct multiget *m, uint32_t at, uint32_t len, uint32_t shard)
{
    uint32_t key = multiget_add(m, at, len, shard);
    multiget_queue_last(m, shard);
    return key;
}

/* The same, and its lead is for the caller to set, whole. */
static inline struct lead *
multiget_add_led(struct multiget *m, uint32_t shard)
{
    ASSERT(m->key_count < m->key_room);

    struct multiget_key *k = &m->keys[m->key_count++];
    k->shard = shard;
    k->next = MULTIGET_END;
    k->bytes = 0;
    multiget_queue_last(m, shard);
    return &k->lead;
}

/* The same for a key that no shard of this multiget is asked for. */
uint32_t multiget_add_guest(struct multiget *m, uint32_t at, uint32_t len);

/* The guest that was added last is none: its key is to be added once more. */
static inline void
multiget_drop_guest(struct multiget *m)
{
    m->key_count--;
}

/* The key that a VALUE piece from `shard` is of, or MULTIGET_END if the shard was
 * not asked for that: it is out of step. */
uint32_t multiget_find(const struct multiget *m, uint32_t shard, struct span key);

/* The next key of the shard that is answered now, whether it was a hit or was
 * passed over; MULTIGET_END behind the last. */
static inline uint32_t
multiget_pass(struct multiget *m, uint32_t shard)
{
    struct multiget_shard *s = &m->shards[shard];
    uint32_t key = s->unanswered;
    if (key != MULTIGET_END) {
        s->unanswered = m->keys[key].next;
    }
    return key;
}

/* All bytes of the VALUE of this key, in two parts. False when the system has no
 * memory. */
bool multiget_put(struct multiget *m, uint32_t key, struct span head, struct span rest);

static inline struct span
multiget_key_span(const struct multiget *m, uint32_t key)
{
    return span_make(m->keys[key].lead.key, m->keys[key].lead.key_bytes);
}

/* The same with what stands before it up to the next blank: the key as the client
 * wrote it, of which a route may have taken the front. */
struct span multiget_client_key(const struct multiget *m, uint32_t key);

/* What begins `input` as most replies do: VALUEs without anything unusual, whole, of
 * keys that nobody has joined, and the END behind them if it is there and nobody has joined
 * what is left. The values are put where they belong, and nobody joins those keys, or those
 * that were passed over, any more. False when the system has no memory: then these keys are
 * misses. */
struct multiget_run {
    size_t bytes;       /* of `input`, that were taken */
    size_t value_bytes; /* of them, VALUEs */
    unsigned hits;
    bool ended; /* all of the shard's keys are answered */
};
bool multiget_take_run(struct multiget *m, uint32_t shard, struct span input,
                       struct flight_table *flights, struct multiget_run *run);

/* Appends the hits in the client's order, and `end`. */
bool multiget_merge(const struct multiget *m, struct span end, struct buf *out);

/* --- spare ones ------------------------------------------------------------ */
#define MULTIGET_SPARES 32

struct multiget_pool {
    unsigned count;
    struct multiget *spares[MULTIGET_SPARES];
};
struct multiget *multiget_pool_borrow(struct multiget_pool *pool);
void multiget_pool_give_back(struct multiget_pool *pool, struct multiget **m);
void multiget_pool_deinit(struct multiget_pool *pool);
