/* segments.h - the memory of items: a log in equal pieces, and runs of such
 * pieces for items too large for one.
 *
 *     OPEN   a head fills it from the front, item behind item
 *       | full
 *     SEALED on the queue, oldest first; items in it die one by one
 *       | picked by the cleaner        | nothing in it lives any more
 *     TAKEN  what is worth it moves on |
 *       | empty                        |
 *     LIMBO <--------------------------+
 *       | no reader can be looking (epoch.h)
 *     FREE   warm: its memory is resident; cold: given back (places.h)
 *
 * All of it is one reserved range of addresses, at least twice as large as the
 * limit. A locator is the distance from its begin in units of 2 bytes (4 and
 * more where the limit is so high that 2 would not reach), so the segment's
 * number is in its high bits.
 *
 * An item of more than half a segment has a run of segments to itself, begins
 * where the first of them does, and stays where it is. The first segment speaks
 * for the run; the others have no state.
 *
 * Accounting: `used` counts what is not FREE, and whatever else is charged
 * (tables). An open segment counts whole; of a sealed one and of a run only the
 * pages that items reach into, the rest is given back. A segment is given out
 * only if that stays within the limit; what sits in limbo may pass it by a
 * little, because a reader who was interrupted must not hold up the writers. And
 * what is used and what is warm together are, but for a little, no more than that either.
 *
 * Locks: `lock` covers states, links and lists, is taken once for a segment
 * and not for an item, and no other lock is taken under it. `live` is atomic. */
#pragma once
#include "cached/store/epoch.h"
#include "cached/store/item.h"
#include "cached/store/memory_file.h"
#include "cached/store/places.h"
#include "cached/store/purge.h"
#include "common/core/assert.h"
#include "common/core/list.h"

#include <pthread.h>

enum segment_state { SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_SEALED, SEGMENT_TAKEN, SEGMENT_LIMBO };

struct segment {
    struct item_base base; /* written when it is taken; all else is no reader's business */
    uint32_t bytes;        /* charged; of a free one, what may be resident */
    uint32_t end;          /* where the items end; written by the head only */
    _Atomic uint32_t live; /* bytes of items that are linked or reserved */
    uint32_t run;          /* segments from here on that are one; else 1 */
    uint8_t state;
    bool large;          /* a run, of one item */
    uint32_t tail_bytes; /* resident behind `bytes`, and not given back yet (purge.h) */
    uint64_t retired_at;
    struct list link; /* queue or limbo */
} __attribute__((aligned(64)));

struct segments {
    struct memory_file *file; /* what the places are mapped from, or NULL */
    char *base;
    size_t reserved_bytes;  /* of addresses */
    uint32_t segment_bytes; /* a power of two, */
    unsigned segment_shift; /* this one */
    unsigned unit_shift;
    unsigned offset_bits; /* of a locator, below the segment's number */
    uint32_t count_max;
    uint32_t page_bytes;
    struct segment *all;
    struct epochs epochs;
    _Atomic uint64_t used;
    _Atomic uint64_t limit;
    _Atomic uint64_t overdraft; /* over the limit by no fault of the items': not more than this */
    _Atomic uint64_t lowered;   /* likewise, because the limit was lowered */

    pthread_mutex_t lock;
    struct places places;
    struct list queue, limbo;
    uint64_t limbo_bytes;
    uint64_t warm_bytes;
    struct purge purge;
    uint32_t sparse_at; /* where the search for sparse segments goes on */
};

/* Items are put into no segment that is older, and are moved out of it. */
#define SEGMENT_AGE_MAX_S 43200u
_Static_assert(SEGMENT_AGE_MAX_S < ITEM_ACCESS_RANGE_S, "and some time to do so");

typedef uint32_t locator; /* 0: none */

/* With `file`, which must outlive it, the memory is that file's; without, its
 * own. */
void segments_init(struct segments *s, uint64_t limit, struct memory_file *file);
void segments_deinit(struct segments *s);

/* Has an item of so many bytes a run to itself? */
static inline bool
segments_is_large(const struct segments *s, size_t bytes)
{
    return bytes > s->segment_bytes / 2;
}

static inline size_t
segments_round(const struct segments *s, size_t bytes)
{
    size_t unit = (size_t)1 << s->unit_shift;
    return (bytes + unit - 1) & ~(unit - 1);
}

static inline struct store_item *
segments_item(const struct segments *s, locator at)
{
    return (struct store_item *)(void *)(s->base + ((size_t)at << s->unit_shift));
}

/* Of an item that is referred to. */
static inline locator
segments_locate(const struct segments *s, const struct store_item *it)
{
    return (locator)((size_t)((const char *)it - s->base) >> s->unit_shift);
}

/* The number of an item's segment. */
static inline uint32_t
segments_number(const struct segments *s, const struct store_item *it)
{
    return (uint32_t)((size_t)((const char *)it - s->base) >> s->segment_shift);
}

static inline struct segment *
segments_find(const struct segments *s, const struct store_item *it)
{
    return &s->all[segments_number(s, it)];
}

static inline struct segment *
segments_at(const struct segments *s, locator at)
{
    return &s->all[at >> s->offset_bits];
}

static inline char *
segment_memory(const struct segments *s, const struct segment *seg)
{
    return s->base + ((size_t)(seg - s->all) << s->segment_shift);
}

/* An empty segment, OPEN, with that base; or NULL if that would pass the limit.
 * With `force` the limit is no reason. */
struct segment *segments_take(struct segments *s, const struct item_base *base, bool force);
/* A run for one item of so many bytes: SEALED from the start, and held by
 * `holder`. With `force` NULL means that no such run is free. Whoever fills it calls
 * segments_grow() before. */
struct segment *segments_take_large(struct segments *s, const struct item_base *base,
                                    uint32_t bytes, bool force, struct guard *holder);

/* Makes a segment of a new store, or a run if it is `large`, what it was in
 * another: SEALED, at the young end of the queue, with items up to `end`. As if one
 * byte in it were alive, until segments_drop_bytes() says otherwise. NULL if
 * there is no such place, or something there. */
struct segment *segments_adopt(struct segments *s, const struct item_base *base, uint32_t number,
                               uint32_t end, bool large);
/* Before the memory of an adopted one is touched. False if there is no room. */
bool segments_fill_holes(struct segments *s, const struct segment *seg);

/* No more items go into it. Whole pages behind the last one are given back. */
void segments_seal(struct segments *s, struct segment *seg);

/* Nothing in it is alive. Under no lock but a head's. */
void segments_emptied(struct segments *s, struct segment *seg);

/* So many bytes in it are dead. Under no lock but a head's. */
static inline void
segments_drop_bytes(struct segments *s, struct segment *seg, uint32_t bytes)
{
    uint32_t before = atomic_fetch_sub_explicit(&seg->live, bytes, memory_order_acq_rel);
    ASSERT(before >= bytes);
    if (__builtin_expect(before == bytes, 0)) {
        segments_emptied(s, seg);
    }
}

/* Takes up to `n` of the oldest that nobody holds off the queue. */
unsigned segments_oldest(struct segments *s, struct segment **out, unsigned n);
/* Takes up to `n` of which at least `dead_share` (of 256) is dead, or that were
 * opened before `opened_before_s`; looks at up to `looks` from where it left off. */
unsigned segments_sparse(struct segments *s, struct segment **out, unsigned n, unsigned dead_share,
                         uint32_t opened_before_s, unsigned looks);
/* A TAKEN one goes back: to limbo if it is empty, else to the young end of the
 * queue. */
void segments_put_back(struct segments *s, struct segment *seg);

/* Frees what has waited long enough in limbo; returns the bytes that still
 * wait. */
uint64_t segments_reclaim(struct segments *s);

/* Before so many bytes of a run are written for the first time: makes them resident, and
 * gives what is free and resident elsewhere back for it. */
void segments_grow(struct segments *s, const char *from, uint64_t bytes);

/* Would a run for so many bytes be had without `force`? */
bool segments_have_room(struct segments *s, uint32_t bytes);

/* Would the next one that is taken be memory that the system has yet to provide? */
bool segments_would_grow(struct segments *s);

/* Gives all free memory back to the system. */
void segments_chill(struct segments *s);
/* Gives up to about `bytes` of it back, beyond a small reserve. True if there is
 * more to give back. */
bool segments_give_back(struct segments *s, uint64_t bytes);

uint64_t segments_warm_bytes(struct segments *s);

/* Counts what is used elsewhere, or no more (then `bytes` is negative). */
void segments_charge(struct segments *s, int64_t bytes);

/* What is above a lower limit then is an overdraft, to be worked off. */
void segments_set_limit(struct segments *s, uint64_t bytes);

static inline bool
segments_over_limit(const struct segments *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed) >
           atomic_load_explicit(&s->limit, memory_order_relaxed);
}

/* Over it by more than a little, not counting what a lower limit has left to be worked off? */
bool segments_far_over(struct segments *s);

/* Is there memory that only waits for a reader to leave? */
bool segments_awaits_readers(struct segments *s);

/* May so many bytes be taken though they do not fit? As far as there is an
 * overdraft; and a little further, twice as far for what moves so that others
 * can be freed. Not for memory that waits for a reader, however long he takes. */
bool segments_may_pass(struct segments *s, uint64_t bytes, bool to_move);

/* Does much memory wait for a reader to leave? What is cleaned then would wait
 * too, and what moves would take more. */
bool segments_stuck(struct segments *s);

/* Over the limit even when all is reclaimed that waits? */
bool segments_pressed(struct segments *s);
