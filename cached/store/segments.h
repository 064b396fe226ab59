/* segments.h - the memory of items: a log in equal pieces, and the few items
 * too large for one.
 *
 *     OPEN   a head fills it from the front, item behind item
 *       | full
 *     SEALED on the queue, oldest first; items in it die one by one
 *       | picked by the cleaner        | nothing in it lives any more
 *     TAKEN  what is worth it moves on |
 *       | empty                        |
 *     LIMBO <--------------------------+
 *       | no reader can be looking (epoch.h)
 *     FREE   warm: its memory is resident; cold: given back
 *
 * A locator is 32 bits: the segment's number, then the place in it in units of
 * 4 bytes (8 and more where the limit is so high that 4 would not reach). A
 * large item is a segment of its own whose memory comes from the allocator.
 *
 * Accounting: `used` counts whole segments that are not FREE, and whatever
 * else is charged (tables). A segment is given out only if that stays within
 * the limit; what sits in limbo may pass it by a little, because a reader who
 * was interrupted must not hold up the writers.
 *
 * Locks: `lock` covers states, links and lists, is taken once for a segment
 * and not for an item, and no other lock is taken under it. `live` is atomic. */
#pragma once
#include "cached/store/epoch.h"
#include "cached/store/item.h"
#include "cached/store/memory_file.h"
#include "common/core/list.h"

#include <pthread.h>

enum segment_state { SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_SEALED, SEGMENT_TAKEN, SEGMENT_LIMBO };

struct segment {
    _Atomic(char *) memory;
    uint32_t number;
    uint32_t bytes;        /* of memory */
    uint32_t end;          /* where the items end; written by the head only */
    _Atomic uint32_t live; /* bytes of items that are linked or reserved */
    uint8_t state;
    bool large;
    uint64_t retired_at;
    struct list link; /* queue, limbo, warm or cold */
};

struct segments {
    struct memory_file *file; /* what the places are mapped from, or NULL */
    char *base;               /* segment n's place, unless large: base + n * segment_bytes */
    size_t reserved_bytes;    /* of address space */
    uint32_t segment_bytes;   /* a power of two */
    unsigned unit_shift;
    unsigned offset_bits;
    uint32_t count_max;
    struct segment *all;
    struct epochs epochs;
    _Atomic uint64_t used;
    _Atomic uint64_t limit;

    pthread_mutex_t lock;
    struct list queue, limbo, warm, cold;
    uint32_t fresh; /* numbers below were used before */
    uint64_t limbo_bytes;
    uint64_t warm_bytes;
    uint32_t sparse_at; /* where the search for sparse segments goes on */
};

typedef uint32_t locator; /* 0: none */

/* With `file`, which must outlive it, the memory is that file's; without, its
 * own. */
void segments_init(struct segments *s, uint64_t limit, struct memory_file *file);
void segments_deinit(struct segments *s);

/* Items from here on have a segment of their own. */
static inline size_t
segments_large_from(const struct segments *s)
{
    return s->segment_bytes / 4;
}

static inline size_t
segments_round(const struct segments *s, size_t bytes)
{
    size_t unit = (size_t)1 << s->unit_shift;
    return (bytes + unit - 1) & ~(unit - 1);
}

static inline struct segment *
segment_of(const struct segments *s, locator at)
{
    return &s->all[at >> s->offset_bits];
}

static inline struct store_item *
segments_item(const struct segments *s, locator at)
{
    char *memory = atomic_load_explicit(&segment_of(s, at)->memory, memory_order_relaxed);
    size_t offset = (size_t)(at & ((1u << s->offset_bits) - 1)) << s->unit_shift;
    return (struct store_item *)(void *)(memory + offset);
}

static inline locator
segments_locator(const struct segments *s, const struct segment *seg, uint32_t offset)
{
    return seg->number << s->offset_bits | offset >> s->unit_shift;
}

/* The segment and the place of an item that is referred to. */
struct segment *segments_find(const struct segments *s, const struct store_item *it);
locator segments_locate(const struct segments *s, const struct store_item *it);

/* An empty segment, OPEN, or NULL if that would pass the limit. With `force`
 * the limit is no reason. */
struct segment *segments_take(struct segments *s, bool force);
/* For one item of so many bytes: SEALED from the start, and held by `holder`. */
struct segment *segments_take_large(struct segments *s, uint32_t bytes, bool force,
                                    struct guard *holder);

/* No more items go into it. */
void segments_seal(struct segments *s, struct segment *seg);

/* So many bytes in it are dead. Under no lock but a head's. */
void segments_drop_bytes(struct segments *s, struct segment *seg, uint32_t bytes);

/* Takes up to `n` of the oldest that nobody holds off the queue. */
unsigned segments_oldest(struct segments *s, struct segment **out, unsigned n);
/* Takes up to `n` of which at least `dead_share` (of 256) is dead; looks at up
 * to `looks` from where it left off. */
unsigned segments_sparse(struct segments *s, struct segment **out, unsigned n, unsigned dead_share,
                         unsigned looks);
/* A TAKEN one goes back: to limbo if it is empty, else to the young end of the
 * queue. */
void segments_put_back(struct segments *s, struct segment *seg);

/* Frees what has waited long enough in limbo; returns the bytes that still
 * wait. */
uint64_t segments_reclaim(struct segments *s);

/* Gives up to about `bytes` of free memory back to the system, beyond a small
 * reserve. */
void segments_give_back(struct segments *s, uint64_t bytes);

static inline void
segments_charge(struct segments *s, uint64_t bytes)
{
    atomic_fetch_add_explicit(&s->used, bytes, memory_order_relaxed);
}

static inline bool
segments_over_limit(const struct segments *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed) >
           atomic_load_explicit(&s->limit, memory_order_relaxed);
}

/* Is there memory that only waits for a reader to leave? */
bool segments_awaits_readers(struct segments *s);

/* Over the limit even when all is reclaimed that waits? */
bool segments_pressed(struct segments *s);
