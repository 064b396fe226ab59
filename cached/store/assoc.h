/* assoc.h - a shard's hash table: buckets of one cache line that grow and
 * shrink one at a time (linear hashing), so that no operation waits for more
 * than the split or merger of one bucket, and the table is as large as its items
 * need at any time.
 *
 * With n buckets, 2^k <= n < 2^(k+1), a hash's bucket is its k + 1 low bits if
 * there is such a bucket already, else its k low bits. Growing by one adds
 * bucket n and moves to it what belongs there from bucket n - 2^k; shrinking by
 * one moves it back. What does not fit into a bucket goes on in spill buckets
 * chained to it; all but the last of a chain are full.
 *
 * Buckets stand on shelves: pieces of memory, each as large as all before it
 * together, which are added and never moved or unmapped while the table lives.
 * What a large shelf has no buckets in any more is given back to the system and
 * reads as empty buckets. So a reader without the lock may be misled by a change
 * that is going on, which the shard's version tells it (shard.h), but never
 * reads what is no bucket.
 *
 * A walk goes in the order of the hash's bits read from the lowest up: there
 * a bucket is an interval, its split cuts the interval in two, and a position
 * means the same before and after. After a merger a position may be inside an
 * interval; the walk leaves out what stands before it.
 *
 * Lock: the shard's, for everything but assoc_find() and assoc_home(). */
#pragma once
#include "cached/store/bucket.h"

#define SHELF_FIRST_BITS 3
#define SHELVES_MAX      28

/* By shelf the address that bucket 0 would have if it stood on this shelf in its
 * number's place; 0 where there is no shelf yet. */
struct shelves {
    _Atomic uintptr_t origin[SHELVES_MAX];
};

struct assoc {
    _Atomic uint32_t buckets;
    _Atomic uint32_t mask; /* the k + 1 low bits */
    uint64_t count;        /* items */
    struct shelves homes;
    struct shelves spills;
    uint32_t spill_end;  /* spill buckets from here on were never used */
    uint32_t spill_used; /* of those below */
    uint32_t spill_free; /* chain of the others, by number plus one */
};

/* Where an item was found. */
struct place {
    struct bucket *bucket;
    unsigned index;
    struct store_item *item; /* NULL: nowhere */
    struct segment *segment; /* that it stands in */
};

void assoc_init(struct assoc *a);
void assoc_deinit(struct assoc *a);
/* The same at the end of the process, to which what is mapped is left. */
void assoc_forget(struct assoc *a);

/* The shelf on which a bucket stands: the first has as many as the second. */
static inline unsigned
shelf_of(uint32_t number)
{
    const uint32_t first = 1u << SHELF_FIRST_BITS;
    return (31 ^ (unsigned)__builtin_clz(number | (first - 1))) + 1 - SHELF_FIRST_BITS;
}

static inline struct bucket *
shelves_at(const struct shelves *s, uint32_t number)
{
    uintptr_t origin = atomic_load_explicit(&s->origin[shelf_of(number)], memory_order_acquire);
    return (struct bucket *)(origin + number * sizeof(struct bucket));
}

static inline uint32_t
assoc_home_number(uint32_t buckets, uint32_t mask, uint64_t hash)
{
    uint32_t number = (uint32_t)hash & mask;
    return number < buckets ? number : number & mask >> 1;
}

/* `hash` here and below: without the bits that chose the shard.
 *
 * Without the lock the two numbers may be of different times. What comes out is at
 * most half the mask, or within the mask and below `buckets`: either is the number
 * of a bucket that was there before they were loaded, so it has a shelf. */
static inline struct bucket *
assoc_home(const struct assoc *a, uint64_t hash)
{
    uint32_t mask = atomic_load_explicit(&a->mask, memory_order_acquire);
    uint32_t buckets = atomic_load_explicit(&a->buckets, memory_order_acquire);
    return shelves_at(&a->homes, assoc_home_number(buckets, mask, hash));
}

static inline struct bucket *
assoc_next(const struct assoc *a, const struct bucket *b)
{
    uint32_t next = atomic_load_explicit(&b->next, memory_order_acquire);
    return next != 0 ? shelves_at(&a->spills, next - 1) : NULL;
}

/* The item of this key in the chain that begins with `home`, its home bucket.
 * Without the lock the answer holds only if the shard's version says so, and
 * the item may be looked at only inside an epoch. */
struct place assoc_find_from(const struct assoc *a, const struct segments *s, struct bucket *home,
                             const struct store_key *key);

static inline struct place
assoc_find(const struct assoc *a, const struct segments *s, uint64_t hash,
           const struct store_key *key)
{
    return assoc_find_from(a, s, assoc_home(a, hash), key);
}

/* False if there is no memory for a spill bucket. */
bool assoc_insert(struct assoc *a, uint64_t hash, uint8_t tag, locator at);
/* The same into a chain that is known, unless an item is there that is the same,
 * which is asked about those with this tag; false then too. */
bool assoc_insert_new(struct assoc *a, struct bucket *home, uint8_t tag, locator at,
                      bool (*is_same)(void *arg, locator other), void *arg);
void assoc_remove(struct assoc *a, uint64_t hash, struct place where);

/* Adds a bucket if there are many items for those there are. `hash_of` tells
 * the hash of an item. False if there was no need, or no memory. */
bool assoc_grow(struct assoc *a, const struct segments *s,
                uint64_t (*hash_of)(const struct store_item *it));

/* So many items will come into a table that is empty: gives it the buckets at
 * once that it would grow to. */
void assoc_expect(struct assoc *a, uint64_t items);

/* Takes the last bucket away if there are few items for those there are, or some
 * spill buckets if none is used. True if there may be more to take. */
bool assoc_shrink(struct assoc *a);

/* Memory of the buckets in use. */
static inline uint64_t
assoc_bytes(const struct assoc *a)
{
    uint64_t homes = atomic_load_explicit(&a->buckets, memory_order_relaxed);
    return (homes + a->spill_end) * sizeof(struct bucket);
}

/* The home bucket at a position of the walk, and in *next the position behind
 * it (0 after the last). *inside: some of its items may stand before the
 * position, which assoc_is_ahead() tells. */
struct bucket *assoc_walk(const struct assoc *a, uint64_t position, uint64_t *next, bool *inside);
bool assoc_is_ahead(uint64_t position, uint64_t hash);
