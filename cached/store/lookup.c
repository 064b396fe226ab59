#include "cached/store/engine.h"
#include "common/proto/exptime.h"

#include <stdlib.h>

/* Carries out a flush whose time has come. */
static void
finish_flush(struct store *st, uint64_t now_ms)
{
    pthread_mutex_lock(&st->flush_lock);
    uint64_t at = atomic_load_explicit(&st->flush_at_ms, memory_order_relaxed);
    if (at != 0 && at <= now_ms) {
        atomic_fetch_add(&st->generation, 1);
        atomic_store(&st->flush_at_ms, 0);
    }
    pthread_mutex_unlock(&st->flush_lock);
}

uint32_t
generation_at(struct store *st, uint64_t now_ms)
{
    uint64_t at = atomic_load_explicit(&st->flush_at_ms, memory_order_acquire);
    if (__builtin_expect(at != 0 && at <= now_ms, 0)) {
        finish_flush(st, now_ms);
    }
    return atomic_load_explicit(&st->generation, memory_order_acquire);
}

static bool
item_expired(const struct store_item *it, uint64_t now_ms)
{
    return it->expiry_ms != EXPIRES_NEVER && it->expiry_ms <= now_ms;
}

bool
item_dead(struct store *st, const struct store_item *it, uint64_t now_ms)
{
    return item_expired(it, now_ms) || it->generation != generation_at(st, now_ms);
}

void
count_death(struct store_thread *th, const struct store_item *it, uint64_t now_ms)
{
    if (item_expired(it, now_ms) && !(it->marks & ITEM_FETCHED)) {
        count(th, METRIC_ID_STORE_EXPIRED_UNFETCHED);
    }
}

struct store_item *
find_live(struct store_thread *th, struct shard *sh, const struct store_key *key, uint64_t now_ms,
          struct aftermath *after)
{
    struct store_item *it = assoc_find(&sh->assoc, key);
    if (it == NULL || !item_dead(th->st, it, now_ms)) {
        return it;
    }
    count_death(th, it, now_ms);
    unlink_item(th, sh, it);
    drop_later(after, it);
    return NULL;
}

void
unlink_item(struct store_thread *th, struct shard *sh, struct store_item *it)
{
    shard_unlink(sh, it);
    metric_sub(th->metrics, METRIC_ID_STORE_ITEMS, 1);
    metric_sub(th->metrics, METRIC_ID_STORE_ITEM_BYTES, it->footprint);
}

void
link_item(struct store_thread *th, struct shard *sh, struct store_item *it, struct store_item *old,
          uint64_t now_ms, struct aftermath *after)
{
    if (old != NULL) {
        unlink_item(th, sh, old);
        drop_later(after, old);
    }
    item_ref(it);
    /* What is made of an older value is flushed with it, though the flush may
     * have come since that was looked up. */
    it->generation = old != NULL ? old->generation : generation_at(th->st, now_ms);
    shard_link(sh, it);
    count(th, METRIC_ID_STORE_ITEMS);
    count(th, METRIC_ID_STORE_ITEMS_TOTAL);
    metric_add(th->metrics, METRIC_ID_STORE_ITEM_BYTES, it->footprint);
    after->slots_bits = sh->assoc.old_bits;
    after->slots = assoc_grow_step(&sh->assoc);
    after->crowded = assoc_crowded(&sh->assoc);
}

/* Unique in the process because the shard's number is in the low bits, and
 * increasing for a key because a key never changes its shard. */
uint64_t
next_cas(struct store *st, struct shard *sh, bool given, uint64_t value)
{
    if (!st->options.cas) {
        return 0;
    }
    if (given) {
        return value;
    }
    sh->cas_count++;
    return sh->cas_count << st->shard_bits | (uint64_t)(sh - st->shards);
}

static void
begin_growth(struct store_thread *th, struct shard *sh, uint64_t now_ms)
{
    shard_lock(sh);
    unsigned bits = sh->assoc.bits + 1;
    shard_unlock(sh);
    /* Without memory for it the chains just grow longer. */
    if (!memory_charge(th, assoc_bytes(bits), now_ms)) {
        return;
    }
    struct store_item **slots = calloc((size_t)1 << bits, sizeof(slots[0]));
    shard_lock(sh);
    /* The evictions that made room may have left the table less crowded. It is
     * grown all the same, or each insertion would evict for it once more. */
    bool wanted = slots != NULL && sh->assoc.old_slots == NULL && sh->assoc.bits + 1 == bits;
    if (wanted) {
        assoc_begin_growth(&sh->assoc, slots);
        atomic_fetch_add_explicit(&th->st->table_bytes, assoc_bytes(bits), memory_order_relaxed);
    }
    shard_unlock(sh);
    if (!wanted) {
        free(slots);
        memory_discharge(th->st, assoc_bytes(bits));
    }
}

static void
free_slots(struct store *st, struct store_item **slots, unsigned bits)
{
    free(slots);
    memory_discharge(st, assoc_bytes(bits));
    atomic_fetch_sub_explicit(&st->table_bytes, assoc_bytes(bits), memory_order_relaxed);
}

void
settle(struct store_thread *th, struct shard *sh, struct aftermath *after, uint64_t now_ms)
{
    for (unsigned i = 0; i < after->dropped_count; i++) {
        item_drop(th, after->dropped[i]);
    }
    if (after->slots != NULL) {
        free_slots(th->st, after->slots, after->slots_bits);
    }
    if (after->crowded) {
        begin_growth(th, sh, now_ms);
    }
}
