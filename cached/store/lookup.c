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
    if (item_expired(it, item_marks(it), now_ms) && !item_fetched(it)) {
        count(th, METRIC_ID_STORE_EXPIRED_UNFETCHED);
        band_add(&th->bands[item_band(it)].expired_unfetched, 1);
    }
}

void
count_reclaimed(struct store_thread *th, const struct aftermath *after)
{
    count(th, METRIC_ID_STORE_RECLAIMED);
    band_add(&th->bands[item_band(after->buried[0])].reclaimed, 1);
}

struct place
find_live(struct store_thread *th, struct shard *sh, const struct store_key *key, uint64_t now_ms,
          struct aftermath *after)
{
    uint64_t hash = table_hash(key->hash);
    struct place where = assoc_find(&sh->assoc, &th->st->segments, hash, key);
    if (where.item == NULL || !item_dead(th->st, where.segment, where.item, now_ms)) {
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
    item_mark(it, ITEM_STALE, ITEM_LINKED); /* dead */
    metric_sub(th->metrics, METRIC_ID_STORE_ITEM_BYTES, bytes);
    band_leave(th->bands, item_band(it), bytes);
}

void
unlink_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct place where)
{
    leave_table(th, where.item);
    metric_sub(th->metrics, METRIC_ID_STORE_ITEMS, 1);
    assoc_remove(&sh->assoc, hash, where);
}

static void
enter_table(struct store_thread *th, struct store_item *it, unsigned marks)
{
    uint32_t bytes = item_footprint(th->st, it);
    item_mark(it, ITEM_LINKED | marks, 0);
    metric_add(th->metrics, METRIC_ID_STORE_ITEM_BYTES, bytes);
    band_enter(th->bands, item_band(it), bytes);
}

void
account_for_swap(struct store_thread *th, const struct store_item *it, uint32_t came,
                 const struct store_item *from, uint32_t went)
{
    metric_add(th->metrics, METRIC_ID_STORE_ITEM_BYTES, (uint64_t)came - went);
    band_leave(th->bands, item_band(from), went);
    band_enter(th->bands, item_band(it), came);
}

static void
swap(struct store_thread *th, struct store_item *it, unsigned marks, struct place old)
{
    swap_items(th, it, marks, item_value_bytes(it), item_footprint(th->st, it), old);
}

bool
replace_by_copy(struct store_thread *th, struct shard *sh, struct store_item *to, struct place old)
{
    const struct item_base *base = base_of(th->st, to);
    if (base->generation != old.segment->base.generation ||
        !item_copy(to, base, old.item, &old.segment->base)) {
        return false;
    }
    swap(th, to, item_marks(old.item) & ITEM_STALE, old);
    return true;
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
        segments_charge(&st->segments, (int64_t)(bytes - sh->table_bytes));
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

/* What is made of an older value is flushed with it: a flush that has come since
 * that was looked up makes the generations differ. */
bool
item_stamp(struct store_thread *th, struct shard *sh, struct store_item *it, bool given,
           uint64_t value, uint64_t now_ms)
{
    struct store *st = th->st;
    const struct item_base *base = base_of(st, it);
    return base->generation == generation_at(st, now_ms) &&
           item_set_cas(it, base, next_cas(st, sh, given, value, now_ms));
}

void
link_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct store_item *it,
          unsigned marks, struct place old, struct aftermath *after)
{
    struct store *st = th->st;
    count(th, METRIC_ID_STORE_ITEMS_TOTAL);
    band_add(&th->bands[item_band(it)].stored, 1);
    if (old.item != NULL) {
        swap(th, it, marks, old);
        bury_later(after, old.item);
        return;
    }
    enter_table(th, it, marks);
    after->entered = true;
    count(th, METRIC_ID_STORE_ITEMS);
    bool inserted = assoc_insert(&sh->assoc, table_hash(hash), bucket_tag(hash),
                                 segments_locate(&st->segments, it));
    ASSERT(inserted); /* address space for a few buckets */
    table_grow(st, sh);
}

/* --- CAS values -------------------------------------------------------------- */

#define CAS_AHEAD_MAX_MS 60000 /* a given value further in the future moves no clock */

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

uint64_t
cas_now(struct store *st, uint64_t now_ms)
{
    return st->options.cas ? wall_ms(st, now_ms) << CAS_TIME_BITS_BELOW : 0;
}

uint64_t
next_cas(struct store *st, struct shard *sh, bool given, uint64_t value, uint64_t now_ms)
{
    if (!st->options.cas) {
        return 0;
    }
    uint64_t now = cas_now(st, now_ms);
    if (given) {
        bool sane = value < now + ((uint64_t)CAS_AHEAD_MAX_MS << CAS_TIME_BITS_BELOW);
        sh->cas_last = sane && value > sh->cas_last ? value : sh->cas_last;
        return value;
    }
    return next_own_cas(sh, now);
}

/* --- afterwards -------------------------------------------------------------- */

/* The table grows with the items, and its memory counts too. Who only reads makes no room:
 * of a long get every key would. */
void
settle(struct store_thread *th, struct aftermath *after, uint64_t now_ms)
{
    for (unsigned i = 0; i < after->buried_count; i++) {
        item_bury(th, after->buried[i]);
    }
    if (__builtin_expect(after->entered && segments_over_limit(&th->st->segments), 0) &&
        th->st->options.evict) {
        memory_enforce(th, now_ms);
    }
}

/* --- another layout ------------------------------------------------------------ */

/* Under the lock: the key's live item that lacks something of the layout, held. */
static struct store_item *
find_lacking(struct store_thread *th, const struct store_key *key, unsigned layout, uint64_t now_ms)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct store_item *it = find_live(th, sh, key, now_ms, &after).item;
    if (it != NULL && (item_marks(it) & layout) == layout) {
        it = NULL;
    }
    if (it != NULL) {
        item_hold(th, it);
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return it;
}

/* Puts the copy `to` in the place of `it`, if that is still the key's. False if
 * there is none that can be its copy. */
static bool
replace_held(struct store_thread *th, const struct store_key *key, struct store_item *it,
             struct store_item *to, uint64_t now_ms)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    bool fits = true;
    shard_lock(sh);
    struct place old = find_live(th, sh, key, now_ms, &after);
    if (old.item == it && to == NULL) {
        /* A cache may forget, but not keep for ever what shall expire. */
        count(th, METRIC_ID_STORE_EVICTIONS);
        unlink_item(th, sh, table_hash(key->hash), old);
        bury_later(&after, it);
    } else if (old.item == it) {
        fits = replace_by_copy(th, sh, to, old);
        if (fits) {
            bury_later(&after, it);
        }
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return fits;
}

void
prepare_layout(struct store_thread *th, const struct store_key *key, unsigned layout,
               uint64_t now_ms)
{
    struct store_item *it;
    while ((it = find_lacking(th, key, layout, now_ms)) != NULL) {
        unsigned wanted = (item_marks(it) & ITEM_LAYOUT) | layout;
        struct store_item *to = item_create_copy(th, key, item_value_bytes(it), wanted, now_ms);
        if (!replace_held(th, key, it, to, now_ms)) {
            layout |= ITEM_WIDE; /* its CAS value is from long ago */
        }
        item_unhold(th, it);
        item_finish(th, to);
    }
}

void
prepare_expiry(struct store_thread *th, const struct store_key *key, uint64_t expiry_ms,
               uint64_t now_ms)
{
    if (expiry_ms != EXPIRES_NEVER) {
        prepare_layout(th, key, ITEM_HAS_EXPIRY, now_ms);
    }
}
