/* shard.h - a part of the store with a lock of its own: a hash table and a
 * clock that says what to evict.
 *
 * The clock is a queue. New items enter at its front; a hit only adds one to
 * the item's two-bit count. At the back a used item goes to the front again
 * with one use less, and an unused one is the victim. So hits move nothing,
 * and what is read often survives what was read once. (On the real traces this
 * misses 2 % less than LRU.)
 *
 * Lock: `lock` covers table, queue and the fields of linked items. A thread
 * holds one shard's lock at a time, and allocates and frees without it. */
#pragma once
#include "cached/store/assoc.h"

#include <pthread.h>

struct shard {
    pthread_mutex_t lock;
    struct assoc assoc;
    struct list clock;          /* front: newest */
    _Atomic uint64_t oldest_ms; /* last access of the back; read without the lock as a hint */
    uint64_t cas_count;         /* CAS values handed out */
    uint64_t sweep_position;    /* in hash order, where the sweep goes on */
} __attribute__((aligned(64)));

#define SHARD_EMPTY_MS UINT64_MAX

bool shard_init(struct shard *sh);
void shard_deinit(struct shard *sh);

static inline void
shard_lock(struct shard *sh)
{
    pthread_mutex_lock(&sh->lock);
}

static inline void
shard_unlock(struct shard *sh)
{
    pthread_mutex_unlock(&sh->lock);
}

/* The table takes over one reference. */
void shard_link(struct shard *sh, struct store_item *it);
/* The table's reference becomes the caller's. */
void shard_unlink(struct shard *sh, struct store_item *it);

/* Notes that somebody wanted the item, though not to read it. */
static inline void
shard_use(struct store_item *it, uint64_t now_ms)
{
    it->accessed_ms = now_ms;
    if (it->uses < ITEM_USES_MAX) {
        it->uses++;
    }
}

/* Notes a hit. */
static inline void
shard_bump(struct store_item *it, uint64_t now_ms)
{
    shard_use(it, now_ms);
    it->marks |= ITEM_FETCHED;
}

/* The item that should go next, found by turning the clock a bounded way; NULL
 * if the shard is empty or all that was looked at is in use. It stays linked. */
struct store_item *shard_victim(struct shard *sh);
