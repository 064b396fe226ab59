#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/proto/exptime.h"

/* Carries out a flush whose time has come. */
void
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

void
count_death(struct store_thread *th, const struct store_item *it, uint64_t now_ms)
{
    if (item_expired(it, now_ms) && !item_fetched(it)) {
        count(th, METRIC_ID_STORE_EXPIRED_UNFETCHED);
        band_add(&th->bands[item_band(it)].expired_unfetched, 1);
    }
}

struct place
find_live(struct store_thread *th, struct shard *sh, const struct store_key *key, uint64_t now_ms,
          struct aftermath *after)
{
    uint64_t hash = table_hash(key->hash);
    struct place where = assoc_find(&sh->assoc, &th->st->segments, hash, key);
    if (where.item == NULL || !item_dead(th->st, where.item, now_ms)) {
        return where;
    }
    count_death(th, where.item, now_ms);
    unlink_item(th, sh, hash, where);
    bury_later(after, where.item);
    return (struct place){0};
}

static void
leave_table(struct store_thread *th, struct store_item *it)
{
    uint32_t bytes = item_footprint(th->st, it);
    item_mark(it, ITEM_DEAD, 0);
    metric_sub(th->metrics, METRIC_ID_STORE_ITEM_BYTES, bytes);
    band_leave(th->bands, item_band(it), bytes);
}

static void
enter_table(struct store_thread *th, struct store_item *it)
{
    uint32_t bytes = item_footprint(th->st, it);
    item_mark(it, ITEM_LINKED, 0);
    metric_add(th->metrics, METRIC_ID_STORE_ITEM_BYTES, bytes);
    band_enter(th->bands, item_band(it), bytes);
}

void
unlink_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct place where)
{
    leave_table(th, where.item);
    metric_sub(th->metrics, METRIC_ID_STORE_ITEMS, 1);
    assoc_remove(&sh->assoc, hash, where);
}

void
relink_item(struct store_thread *th, struct shard *sh, struct store_item *it, struct place old)
{
    enter_table(th, it);
    leave_table(th, old.item);
    bucket_set(old.bucket, old.index, bucket_tag_at(old.bucket, old.index),
               segments_locate(&th->st->segments, it));
}

static uint64_t
hash_of(const struct store_item *it)
{
    return table_hash(store_key(item_key(it)).hash);
}

void
account_for_table(struct store *st, struct shard *sh)
{
    uint64_t bytes = assoc_bytes(&sh->assoc);
    if (bytes != sh->table_bytes) {
        segments_charge(&st->segments, bytes - sh->table_bytes);
        atomic_fetch_add_explicit(&st->table_bytes, bytes - sh->table_bytes, memory_order_relaxed);
        sh->table_bytes = bytes;
    }
}

bool
table_grow(struct store *st, struct shard *sh)
{
    bool grew = assoc_grow(&sh->assoc, &st->segments, hash_of);
    account_for_table(st, sh);
    return grew;
}

void
table_expect(struct store *st, struct shard *sh, uint64_t items)
{
    assoc_expect(&sh->assoc, items);
    account_for_table(st, sh);
}

void
link_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct store_item *it,
          struct place old, uint64_t now_ms, struct aftermath *after)
{
    struct store *st = th->st;
    /* What is made of an older value is flushed with it, though the flush may
     * have come since that was looked up. */
    it->generation = old.item != NULL ? old.item->generation : (uint8_t)generation_at(st, now_ms);
    count(th, METRIC_ID_STORE_ITEMS_TOTAL);
    band_add(&th->bands[item_band(it)].stored, 1);
    if (old.item != NULL) {
        relink_item(th, sh, it, old);
        bury_later(after, old.item);
        return;
    }
    enter_table(th, it);
    count(th, METRIC_ID_STORE_ITEMS);
    bool inserted = assoc_insert(&sh->assoc, table_hash(hash), bucket_tag(hash),
                                 segments_locate(&st->segments, it));
    ASSERT(inserted); /* address space for a few buckets */
    table_grow(st, sh);
}

/* --- CAS values -------------------------------------------------------------- */

#define CAS_TIME_BITS_BELOW 20
#define CAS_AHEAD_MAX_MS    60000 /* a given value further in the future moves no clock */

static uint64_t
wall_ms(struct store *st, uint64_t now_ms)
{
    uint64_t offset = atomic_load_explicit(&st->wall_offset_ms, memory_order_relaxed);
    if (__builtin_expect(offset == 0, 0)) {
        uint64_t mine = clock_wall_ms() - now_ms;
        if (atomic_compare_exchange_strong(&st->wall_offset_ms, &offset, mine)) {
            offset = mine;
        }
    }
    return offset + now_ms;
}

/* A hybrid logical clock: milliseconds since 1970, then a count, then the
 * shard. So a value that is written later anywhere has a larger number, as far
 * as clocks agree, and what a client brings from elsewhere moves the clock on.
 * Unique in the process because of the shard, increasing for a key because a
 * key never changes its shard. */
uint64_t
next_cas(struct store *st, struct shard *sh, bool given, uint64_t value, uint64_t now_ms)
{
    if (!st->options.cas) {
        return 0;
    }
    uint64_t now = wall_ms(st, now_ms) << CAS_TIME_BITS_BELOW;
    uint64_t step = (uint64_t)1 << st->shard_bits;
    if (given) {
        uint64_t most = now + ((uint64_t)CAS_AHEAD_MAX_MS << CAS_TIME_BITS_BELOW);
        if (value > sh->cas_last && value < most) {
            sh->cas_last = ((value | (step - 1)) & ~(step - 1)) | (uint64_t)(sh - st->shards);
        }
        return value;
    }
    uint64_t next = (now & ~(step - 1)) | (uint64_t)(sh - st->shards);
    sh->cas_last = next > sh->cas_last ? next : sh->cas_last + step;
    return sh->cas_last;
}

/* --- afterwards -------------------------------------------------------------- */

/* The table grows with the items, and its memory counts too. */
void
settle(struct store_thread *th, struct aftermath *after, uint64_t now_ms)
{
    for (unsigned i = 0; i < after->buried_count; i++) {
        item_bury(th, after->buried[i]);
    }
    if (__builtin_expect(segments_over_limit(&th->st->segments), 0) && th->st->options.evict) {
        memory_enforce(th, 1, now_ms);
    }
}

/* --- room for an expiry ------------------------------------------------------- */

/* Under the lock: the key's live item that has no place for an expiry, held. */
static struct store_item *
find_without_expiry(struct store_thread *th, const struct store_key *key, uint64_t now_ms)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct store_item *it = find_live(th, sh, key, now_ms, &after).item;
    if (it != NULL && (item_marks(it) & ITEM_HAS_EXPIRY)) {
        it = NULL;
    }
    if (it != NULL) {
        item_hold(th, it);
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return it;
}

void
prepare_expiry(struct store_thread *th, const struct store_key *key, uint64_t expiry_ms,
               uint64_t now_ms)
{
    struct store_item *it;
    while (expiry_ms != EXPIRES_NEVER && (it = find_without_expiry(th, key, now_ms)) != NULL) {
        unsigned layout = (item_marks(it) & ITEM_LAYOUT) | ITEM_HAS_EXPIRY;
        struct store_item *to = item_create(th, key, it->value_bytes, layout, now_ms);
        struct aftermath after = {0};
        struct shard *sh = shard_of(th->st, key->hash);
        shard_lock(sh);
        struct place old = find_live(th, sh, key, now_ms, &after);
        bool same = old.item == it;
        if (same && to != NULL) {
            item_copy(to, it);
            relink_item(th, sh, to, old);
            bury_later(&after, it);
        } else if (same) {
            /* A cache may forget, but not keep for ever what shall expire. */
            unlink_item(th, sh, table_hash(key->hash), old);
            bury_later(&after, it);
        }
        shard_unlock(sh);
        settle(th, &after, now_ms);
        item_unhold(th, it);
        item_finish(th, to);
    }
}
