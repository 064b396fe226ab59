/* shard.h - a part of the store with a lock of its own for its writers.
 *
 * Writers hold `lock`. Readers hold nothing: they note `version`, look, and
 * look again if it has changed. It is odd while a writer is at work.
 *
 * Why that is enough. A writer makes the version odd before its first change
 * and even after its last; every change is a store with release. A reader loads
 * with acquire, and the version once more behind all that. If it has seen one
 * change of a writer, then by release and acquire it also sees that the
 * version has moved on, and begins again. What is not changed but only
 * published (key, value, layout) is behind the acquire of its locator. Memory
 * does not go away under a reader who is inside an epoch (epoch.h).
 *
 * A thread holds one shard's lock at a time, and under it no
 * other lock but the flush's for a moment. */
#pragma once
#include "cached/store/assoc.h"
#include "common/core/lock.h"

struct shard {
    _Atomic uint32_t version;
    struct assoc assoc;
    struct lock lock;
    uint64_t cas_last;
    uint64_t table_bytes;            /* of assoc, as accounted for */
    _Atomic uint64_t sweep_position; /* in the order of a walk, where the sweep goes on */
} __attribute__((aligned(64)));

static inline void
shard_lock(struct shard *sh)
{
    lock_take(&sh->lock);
    uint32_t version = atomic_load_explicit(&sh->version, memory_order_relaxed);
    atomic_store_explicit(&sh->version, version + 1, memory_order_relaxed);
}

static inline void
shard_unlock(struct shard *sh)
{
    uint32_t version = atomic_load_explicit(&sh->version, memory_order_relaxed);
    atomic_store_explicit(&sh->version, version + 1, memory_order_release);
    lock_give(&sh->lock);
}

/* The version to compare with, or an odd number: a writer is at work. */
static inline uint32_t
shard_read_begin(const struct shard *sh)
{
    return atomic_load_explicit(&sh->version, memory_order_acquire);
}

static inline bool
shard_read_ok(const struct shard *sh, uint32_t version)
{
    return atomic_load_explicit(&sh->version, memory_order_relaxed) == version;
}
