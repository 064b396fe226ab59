/* assoc.h - a shard's hash table: buckets of chained items, doubled a few
 * buckets at a time, so that no operation ever waits for a whole table.
 *
 * A bucket is chosen by the hash's top bits. So doubling splits bucket b into
 * 2b and 2b + 1, buckets of the smaller table are moved from the first to the
 * last, and a position in hash order means the same before and after: a walk
 * survives any growth.
 *
 * Lock: the shard's, for everything. */
#pragma once
#include "cached/store/item.h"

struct assoc {
    struct store_item **slots;
    struct store_item **old_slots; /* NULL unless growing */
    unsigned bits;
    unsigned old_bits;
    size_t moved; /* old buckets that were split already */
    size_t count; /* items */
};

#define ASSOC_BITS_FIRST 6
#define ASSOC_BITS_MAX   40

/* False if there is no memory. */
bool assoc_init(struct assoc *a, unsigned bits);
/* Frees the buckets, not the items. */
void assoc_deinit(struct assoc *a);

static inline struct store_item **
assoc_bucket(const struct assoc *a, uint64_t hash)
{
    if (a->old_slots != NULL && (hash >> (64 - a->old_bits)) >= a->moved) {
        return &a->old_slots[hash >> (64 - a->old_bits)];
    }
    return &a->slots[hash >> (64 - a->bits)];
}

struct store_item *assoc_find(const struct assoc *a, const struct store_key *key);
void assoc_insert(struct assoc *a, struct store_item *it);
/* The item must be there. */
void assoc_remove(struct assoc *a, struct store_item *it);

/* Is it time to double? */
bool assoc_crowded(const struct assoc *a);
/* Begins to grow into `slots`, zeroed room for 2^(bits + 1) buckets, which the
 * table then owns. */
void assoc_begin_growth(struct assoc *a, struct store_item **slots);
/* Splits a few more buckets. Returns the smaller table, to be freed by the
 * caller, when it has become empty, else NULL. */
struct store_item **assoc_grow_step(struct assoc *a);

static inline size_t
assoc_bytes(unsigned bits)
{
    return sizeof(struct store_item *) << bits;
}

/* The bucket at `position` in hash order, and in *next the position behind it
 * (0 after the last). */
struct store_item *assoc_at(const struct assoc *a, uint64_t position, uint64_t *next);
