/* engine.h - what the files of this engine share: the store, its threads, and
 * the few steps that every operation is made of.
 *
 *     key --hash--> shard (low bits) --hash--> bucket (high bits) --> item
 *
 * Memory: one counter of bytes in use or reserved, held under the limit by
 * charging before allocating (memory.c). Flushing: one generation number that
 * items carry; an item of an older generation is dead. */
#pragma once
#include "cached/store/shard.h"

struct store {
    struct store_options options;
    unsigned shard_count; /* a power of two */
    unsigned shard_bits;
    struct shard *shards;
    struct metric_set *metrics;

    _Atomic uint64_t memory_used;
    _Atomic uint64_t memory_limit;
    _Atomic uint64_t table_bytes;

    _Atomic uint32_t generation;
    _Atomic uint64_t flush_at_ms; /* a flush to come, or 0 */
    pthread_mutex_t flush_lock;   /* covers changes of the two */

    pthread_mutex_t join_lock; /* covers threads */
    struct store_thread *threads;
};

struct store_thread {
    struct store *st;
    struct store_thread *next;
    struct metric_block *metrics;
    void (*evicting)(void *arg, const struct store_view *view); /* or NULL */
    void *evicting_arg;
    unsigned sweep_shard; /* the sweep's place among this caller's shards */
};

static inline struct shard *
shard_of(struct store *st, uint64_t hash)
{
    return &st->shards[hash & (st->shard_count - 1)];
}

static inline void
count(struct store_thread *th, enum store_metric id)
{
    metric_add(th->metrics, id, 1);
}

/* --- memory.c -------------------------------------------------------------- */
/* Makes room under the limit for `bytes`, evicting if allowed, and counts them
 * as used. False if there is no room. Called without a lock. */
bool memory_charge(struct store_thread *th, uint64_t bytes, uint64_t now_ms);
void memory_discharge(struct store *st, uint64_t bytes);
/* Evicts until the limit is kept, at most `items` times; how many it did. */
unsigned memory_enforce(struct store_thread *th, unsigned items, uint64_t now_ms);

/* A charged item with one reference, its value unwritten; NULL if there is no
 * memory. Called without a lock. */
struct store_item *item_create(struct store_thread *th, const struct store_key *key,
                               uint64_t value_bytes, uint64_t now_ms);
/* Gives back one reference; frees and discharges with the last. */
void item_drop(struct store_thread *th, struct store_item *it);

/* --- lookup.c -------------------------------------------------------------- */
/* What an operation leaves to be done once it has let go of the shard's lock. */
struct aftermath {
    struct store_item *dropped[2];
    unsigned dropped_count;
    struct store_item **slots; /* a table that was grown out of */
    unsigned slots_bits;
    bool crowded; /* the table should begin to grow */
};

/* Does it. Without a lock. */
void settle(struct store_thread *th, struct shard *sh, struct aftermath *after, uint64_t now_ms);

static inline void
drop_later(struct aftermath *after, struct store_item *it)
{
    after->dropped[after->dropped_count++] = it;
}

/* The store's generation at this time: carries out a flush that is due. */
uint32_t generation_at(struct store *st, uint64_t now_ms);

/* Is the item expired or flushed? */
bool item_dead(struct store *st, const struct store_item *it, uint64_t now_ms);
/* Counts a dead item that is about to be unlinked. */
void count_death(struct store_thread *th, const struct store_item *it, uint64_t now_ms);

/* These four under the shard's lock. */

/* The live item, or NULL; a dead one is unlinked. */
struct store_item *find_live(struct store_thread *th, struct shard *sh, const struct store_key *key,
                             uint64_t now_ms, struct aftermath *after);
/* Takes the item out, with its accounts; the table's reference becomes the
 * caller's. */
void unlink_item(struct store_thread *th, struct shard *sh, struct store_item *it);
/* Puts the item in, with its accounts and generation, in the place of `old` if
 * there is one. The table takes a reference of its own. */
void link_item(struct store_thread *th, struct shard *sh, struct store_item *it,
               struct store_item *old, uint64_t now_ms, struct aftermath *after);
/* What an item's CAS value becomes: the given one or the next. */
uint64_t next_cas(struct store *st, struct shard *sh, bool given, uint64_t value);
