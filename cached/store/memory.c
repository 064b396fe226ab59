#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/proto/exptime.h"

#include <malloc.h>
#include <stdlib.h>

/* Whoever charges pays with evictions for what it charges, and helps a little if
 * the limit was lowered; the rest of that is the sweep's. */
#define EVICTIONS_PER_CHARGE 64

static bool
over_limit(const struct store *st)
{
    return atomic_load_explicit(&st->memory_used, memory_order_relaxed) >
           atomic_load_explicit(&st->memory_limit, memory_order_relaxed);
}

void
memory_discharge(struct store *st, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&st->memory_used, bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
}

/* The shard whose next victim was used longest ago. The hints are read without
 * locks; a wrong one costs a slightly worse victim. */
static unsigned
oldest_shard(const struct store *st)
{
    unsigned best = 0;
    uint64_t best_ms = SHARD_EMPTY_MS;
    for (unsigned i = 0; i < st->shard_count; i++) {
        uint64_t ms = atomic_load_explicit(&st->shards[i].oldest_ms, memory_order_relaxed);
        if (ms < best_ms) {
            best = i;
            best_ms = ms;
        }
    }
    return best;
}

static void
count_eviction(struct store_thread *th, struct store_item *it, uint64_t now_ms)
{
    if (item_dead(th->st, it, now_ms)) {
        count(th, METRIC_ID_STORE_RECLAIMED);
        count_death(th, it, now_ms);
        return;
    }
    count(th, METRIC_ID_STORE_EVICTIONS);
    if (!(it->marks & ITEM_FETCHED)) {
        count(th, METRIC_ID_STORE_EVICTED_UNFETCHED);
    }
    if (th->evicting != NULL) {
        struct store_view view;
        item_show(it, &view);
        th->evicting(th->evicting_arg, &view);
    }
}

/* The memory that this gave back, or 0. */
static uint64_t
evict_from(struct store_thread *th, struct shard *sh, uint64_t now_ms)
{
    shard_lock(sh);
    struct store_item *it = shard_victim(sh);
    if (it != NULL && (th->st->options.evict || item_dead(th->st, it, now_ms))) {
        count_eviction(th, it, now_ms);
        unlink_item(th, sh, it);
    } else {
        it = NULL;
    }
    shard_unlock(sh);
    if (it == NULL) {
        return 0;
    }
    uint64_t bytes = it->footprint;
    item_drop(th, it);
    return bytes;
}

static uint64_t
evict_one(struct store_thread *th, uint64_t now_ms)
{
    struct store *st = th->st;
    unsigned first = oldest_shard(st);
    for (unsigned i = 0; i < st->shard_count; i++) {
        struct shard *sh = &st->shards[(first + i) & (st->shard_count - 1)];
        uint64_t bytes = evict_from(th, sh, now_ms);
        if (bytes > 0) {
            return bytes;
        }
    }
    return 0;
}

bool
memory_charge(struct store_thread *th, uint64_t bytes, uint64_t now_ms)
{
    struct store *st = th->st;
    if (bytes > atomic_load_explicit(&st->memory_limit, memory_order_relaxed)) {
        return false; /* not even an empty store has room: evict nothing for it */
    }
    atomic_fetch_add_explicit(&st->memory_used, bytes, memory_order_relaxed);
    uint64_t paid = 0;
    for (unsigned i = 0; over_limit(st) && (paid < bytes || i < EVICTIONS_PER_CHARGE); i++) {
        uint64_t freed = evict_one(th, now_ms);
        if (freed == 0) {
            memory_discharge(st, bytes);
            return false;
        }
        paid += freed;
    }
    return true;
}

unsigned
memory_enforce(struct store_thread *th, unsigned items, uint64_t now_ms)
{
    unsigned evicted = 0;
    while (evicted < items && over_limit(th->st) && evict_one(th, now_ms) > 0) {
        evicted++;
    }
    return evicted;
}

static void
init_item(struct store_item *it, const struct store_key *key, uint64_t value_bytes, uint64_t now_ms)
{
    *it = (struct store_item){
        .hash = key->hash,
        .expiry_ms = EXPIRES_NEVER,
        .accessed_ms = now_ms,
        .value_bytes = (uint32_t)value_bytes,
        .key_bytes = (uint8_t)key->key.len,
    };
    atomic_init(&it->refs, 1);
    list_init(&it->queue);
    memcpy(it->bytes, key->key.ptr, key->key.len);
    item_seal(it);
}

struct store_item *
item_create(struct store_thread *th, const struct store_key *key, uint64_t value_bytes,
            uint64_t now_ms)
{
    size_t bytes = item_bytes_for(key->key.len, value_bytes);
    if (!memory_charge(th, bytes, now_ms)) {
        return NULL;
    }
    struct store_item *it = malloc(bytes);
    if (it == NULL) {
        memory_discharge(th->st, bytes);
        return NULL;
    }
    /* The allocator rounds up, and only now says how much: that is charged too. */
    size_t footprint = malloc_usable_size(it);
    if (!memory_charge(th, footprint - bytes, now_ms)) {
        free(it);
        memory_discharge(th->st, bytes);
        return NULL;
    }
    init_item(it, key, value_bytes, now_ms);
    it->footprint = (uint32_t)footprint;
    return it;
}

void
item_drop(struct store_thread *th, struct store_item *it)
{
    if (item_unref(it)) {
        memory_discharge(th->st, it->footprint);
        free(it);
    }
}
