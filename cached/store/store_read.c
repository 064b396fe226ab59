#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/proto/exptime.h"

/* So often a reader looks without the lock before it waits for it like a
 * writer: one who holds it may be off the CPU. */
#define FREE_LOOKS_MAX 16

void
store_release(struct store_thread *th, struct store_item **item)
{
    if (*item != NULL) {
        item_unhold(th, *item);
        *item = NULL;
    }
}

bool
store_stands_alone(const struct store_thread *th, const struct store_item *item)
{
    return segments_find(&th->st->segments, item)->large;
}

/* Decides who refills the item; `view` shows it as it was. */
static void
hand_out_token(struct store_item *it, const struct store_lookup *how, struct store_view *view)
{
    if (view->taken || how->blind) {
        return;
    }
    uint64_t expiry_ms = how->recache_after_touch ? view->expiry_ms : view->expiry_before_ms;
    bool soon = how->recache && expiry_ms != 0 && expiry_ms < how->recache_before_ms;
    if (soon || view->stale) {
        view->won = true;
        item_mark(it, ITEM_TOKEN_TAKEN, 0);
    }
}

static void
apply_hit(struct store_thread *th, struct place where, const struct store_lookup *how,
          uint64_t now_ms, struct store_view *view)
{
    struct store_item *it = where.item;
    const struct item_base *base = &where.segment->base;
    item_show(it, base, now_ms, view);
    item_hold(th, it);
    if (how == NULL) {
        item_bump(it, base, now_ms);
        return;
    }
    if (how->touch) {
        item_set_expiry_ms(it, how->touch_expiry_ms);
        view->expiry_ms = how->touch_expiry_ms;
        band_add(&th->bands[item_band(it)].touches, 1);
    }
    hand_out_token(it, how, view);
    if (!how->peek) {
        item_bump(it, base, now_ms);
    }
}

static enum store_absence
count_lookup_of_corpse(struct store_thread *th, const struct aftermath *after, uint64_t now_ms)
{
    if (after->buried_count == 0) {
        return STORE_ABSENT;
    }
    uint64_t expiry_ms = item_expiry_ms(after->buried[0]);
    bool expired = expiry_ms != EXPIRES_NEVER && expiry_ms <= now_ms;
    count(th, expired ? METRIC_ID_STORE_GET_EXPIRED : METRIC_ID_STORE_GET_FLUSHED);
    return expired ? STORE_EXPIRED : STORE_FLUSHED;
}

/* --- without the lock ---------------------------------------------------------- */

enum look { LOOK_HIT, LOOK_MISS, LOOK_AGAIN, LOOK_LOCKED };

/* One look at a key by a reader who changes nothing but hints. LOOK_LOCKED: what
 * was found must be changed. */
static enum look
look(struct store_thread *th, struct shard *sh, const struct store_key *key,
     const struct store_lookup *how, uint64_t now_ms, struct store_view *view)
{
    uint32_t version = shard_read_begin(sh);
    if (version % 2 != 0) {
        return LOOK_AGAIN;
    }
    struct place where = assoc_find(&sh->assoc, &th->st->segments, table_hash(key->hash), key);
    struct store_item *it = where.item;
    if (it == NULL) {
        return shard_read_ok(sh, version) ? LOOK_MISS : LOOK_AGAIN;
    }
    const struct segment *seg = where.segment;
    if (item_dead(th->st, seg, it, now_ms)) {
        return LOOK_LOCKED;
    }
    item_show(it, &seg->base, now_ms, view);
    item_hold(th, it);
    if (!shard_read_ok(sh, version)) {
        item_unhold(th, it);
        return LOOK_AGAIN;
    }
    if (how != NULL && !how->blind && view->stale && !view->taken) {
        item_unhold(th, it);
        return LOOK_LOCKED;
    }
    if (how == NULL || !how->peek) {
        item_bump(it, &seg->base, now_ms);
    }
    return LOOK_HIT;
}

/* Inside an epoch. */
static enum look
look_freely(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
            uint64_t now_ms, struct store_view *view)
{
    struct shard *sh = shard_of(th->st, key->hash);
    enum look seen = LOOK_AGAIN;
    for (int i = 0; i < FREE_LOOKS_MAX && seen == LOOK_AGAIN; i++) {
        seen = look(th, sh, key, how, now_ms, view);
    }
    return seen;
}

/* --- with it ------------------------------------------------------------------- */

/* Under the lock: an empty item whose maker holds the token. Somebody may have
 * stored the key since we looked: then that is the hit. False if `fresh` cannot
 * be it. */
static bool
vivify_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
              struct store_item *fresh, const struct store_lookup *how, uint64_t now_ms,
              struct store_view *view, struct aftermath *after)
{
    struct place old = find_live(th, sh, key, now_ms, after);
    if (old.item != NULL) {
        apply_hit(th, old, how, now_ms, view);
        return true;
    }
    if (!item_stamp(th, sh, fresh, how->has_new_cas, how->new_cas, now_ms)) {
        return false;
    }
    item_mark(fresh, ITEM_TOKEN_TAKEN | (how->vivify_binary_key ? ITEM_BINARY_KEY : 0), 0);
    item_set_expiry_ms(fresh, how->vivify_expiry_ms);
    item_show(fresh, base_of(th->st, fresh), now_ms, view);
    item_hold(th, fresh);
    if (!how->peek) {
        item_bump(fresh, base_of(th->st, fresh), now_ms);
    }
    view->taken = false;
    view->won = view->made = true;
    link_item(th, sh, key->hash, fresh, 0, old, after);
    return true;
}

static enum store_outcome
vivify(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
       uint64_t now_ms, struct store_view *view)
{
    unsigned layout = item_layout_for(0, how->vivify_expiry_ms, 0);
    bool done = false;
    view->item = NULL;
    while (!done) {
        struct store_item *fresh = item_create(th, key, 0, layout, now_ms);
        if (fresh == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NOT_FOUND;
        }
        struct aftermath after = {0};
        struct shard *sh = shard_of(th->st, key->hash);
        shard_lock(sh);
        done = vivify_locked(th, sh, key, fresh, how, now_ms, view, &after);
        shard_unlock(sh);
        settle(th, &after, now_ms);
        item_finish(th, fresh);
        layout |= ITEM_WIDE;
    }
    return STORE_OK;
}

static enum store_outcome
get_locked(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
           uint64_t now_ms, struct store_view *view)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    uint64_t touch_expiry_ms = how != NULL && how->touch ? how->touch_expiry_ms : EXPIRES_NEVER;
    struct place where;
    for (;;) {
        prepare_expiry(th, key, touch_expiry_ms, now_ms);
        shard_lock(sh);
        where = find_live(th, sh, key, now_ms, &after);
        if (where.item == NULL || item_can_expire(where.item, touch_expiry_ms)) {
            break;
        }
        shard_unlock(sh); /* replaced since it was prepared */
    }
    if (where.item != NULL) {
        apply_hit(th, where, how, now_ms, view);
    }
    shard_unlock(sh);
    enum store_absence absence = count_lookup_of_corpse(th, &after, now_ms);
    if (where.item == NULL) {
        view->absence = absence;
    }
    settle(th, &after, now_ms);
    return where.item != NULL ? STORE_OK : STORE_NOT_FOUND;
}

enum store_outcome
store_get(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
          uint64_t now_ms, struct store_view *view)
{
    enum look seen = LOOK_LOCKED;
    if (how == NULL || !(how->touch || how->recache)) {
        store_enter(th);
        seen = look_freely(th, key, how, now_ms, view);
        store_leave(th);
    }
    if (seen == LOOK_HIT) {
        return STORE_OK;
    }
    view->absence = STORE_ABSENT;
    if (seen != LOOK_MISS && get_locked(th, key, how, now_ms, view) == STORE_OK) {
        return STORE_OK;
    }
    if (how != NULL && how->vivify) {
        return vivify(th, key, how, now_ms, view);
    }
    view->item = NULL;
    return STORE_NOT_FOUND;
}

/* --- many plain gets ----------------------------------------------------------- */

void
store_enter(struct store_thread *th)
{
    guard_enter(&th->guard, &th->st->segments.epochs);
}

void
store_leave(struct store_thread *th)
{
    guard_leave(&th->guard);
}

/* Where a key is looked for; the version was noted before the first look. */
struct aim {
    const struct shard *shard;
    struct bucket *home;
    struct store_item *item; /* that it probably is, or NULL */
    const struct segment *segment;
    uint32_t version;
};

static inline __attribute__((always_inline)) void
take_aim(const struct shard *sh, const struct store_key *key, struct aim *aim)
{
    uint64_t hash = table_hash(key->hash); /* loaded once, before what orders memory */
    aim->shard = sh;
    aim->version = shard_read_begin(sh);
    aim->home = assoc_home(&sh->assoc, hash);
    __builtin_prefetch(aim->home);
}

/* The first item with the key's tag nearly always is the key's. If a writer is at
 * work it may be none at all, but fetching that does no harm. */
static inline __attribute__((always_inline)) void
refine_aim(const struct segments *s, const struct store_key *key, struct aim *aim)
{
    struct store_item *item = NULL;
    unsigned places = bucket_match(aim->home, bucket_tag(key->hash));
    locator at = places != 0 ? bucket_at(aim->home, (unsigned)__builtin_ctz(places)) : 0;
    if (at != 0) {
        const struct segment *segment = segments_at(s, at);
        item = segments_item(s, at);
        __builtin_prefetch(item);
        __builtin_prefetch((const char *)item + 64);
        __builtin_prefetch(&segment->base);
        aim->segment = segment;
    }
    aim->item = item;
}

static inline __attribute__((always_inline)) void
take_aims(struct store *st, const struct store_key *keys, unsigned count, struct aim *aims)
{
    ASSERT(count <= STORE_SIGHTS);
    const struct shard *shards = st->shards; /* not to be loaded for each key again */
    uint64_t mask = st->shard_count - 1;
    for (unsigned i = 0; i < count; i++) {
        take_aim(&shards[keys[i].hash & mask], &keys[i], &aims[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        refine_aim(&st->segments, &keys[i], &aims[i]);
    }
}

/* The first look was in vain: a writer was at work, or the item is dead. The lock
 * may be waited for, because no writer waits for a reader under it. */
static __attribute__((noinline)) void
see_again(struct store_thread *th, const struct store_key *key, uint64_t now_ms,
          struct store_sight *sight)
{
    struct store_view view;
    enum look seen = look_freely(th, key, NULL, now_ms, &view);
    if (seen == LOOK_MISS ||
        (seen != LOOK_HIT && get_locked(th, key, NULL, now_ms, &view) != STORE_OK)) {
        sight->item = NULL;
        return;
    }
    sight->item = view.item;
    sight->value = view.value;
    sight->flags = view.flags;
    sight->cas = view.cas;
    item_unhold(th, view.item); /* being inside keeps it */
}

/* The same as look(), but shorter: key, value and flags of a linked item never
 * change, so they need not be read before the version is looked at again. False if
 * that does not do: a writer was at work, or the item is dead. `generation`: the
 * store's at this time. What is not asked for is not filled in. */
static inline __attribute__((always_inline)) bool
glance(struct store_thread *th, const struct aim *aim, const struct store_key *key, bool meta,
       bool with_cas, uint32_t generation, uint64_t now_ms, struct store_sight *sight)
{
    const struct shard *sh = aim->shard;
    const struct segment *seg = aim->segment;
    struct store_item *it = aim->item;
    unsigned marks = 0;
    const char *key_at = NULL;
    bool its = it != NULL;
    if (its) {
        marks = item_marks(it);
        key_at = (const char *)it + item_header_bytes(marks);
        its = it->key_bytes == key->key.len && bytes_equal(key_at, key->key.ptr, key->key.len);
    }
    if (__builtin_expect(!its, 0)) {
        struct place where = assoc_find_from(&sh->assoc, &th->st->segments, aim->home, key);
        it = where.item;
        seg = where.segment;
        if (it == NULL) {
            sight->item = NULL;
            return aim->version % 2 == 0 && shard_read_ok(sh, aim->version);
        }
        marks = item_marks(it);
        key_at = (const char *)it + item_header_bytes(marks);
    }
    bool dead = item_expired(it, marks, now_ms) || seg->base.generation != generation;
    bool token = meta && (marks & (ITEM_STALE | ITEM_TOKEN_TAKEN)) == ITEM_STALE;
    sight->item = it;
    if (with_cas) {
        sight->cas = item_cas_of(it, marks, &seg->base);
    }
    if (meta) {
        sight->expiry_ms = item_expiry_ms_of(it, marks);
    }
    if (__builtin_expect(dead || token || aim->version % 2 != 0 || !shard_read_ok(sh, aim->version),
                         0)) {
        return false;
    }
    item_bump_of(it, marks, &seg->base, now_ms);
    sight->value.ptr = key_at + key->key.len;
    sight->value.len = item_value_bytes_of(it, marks);
    sight->flags = item_flags_of(it, marks);
    if (meta) {
        sight->stale = marks & ITEM_STALE;
        sight->taken = marks & ITEM_TOKEN_TAKEN;
        sight->binary_key = marks & ITEM_BINARY_KEY;
    }
    return true;
}

/* First all buckets are fetched, then what their tags point to; by the time
 * that a key is looked for, both are near. */
static inline __attribute__((always_inline)) void
see(struct store_thread *th, const struct store_key *keys, unsigned count, bool with_cas,
    uint64_t now_ms, struct store_sight *sights)
{
    struct aim aims[STORE_SIGHTS];
    uint32_t generation = generation_at(th->st, now_ms);
    take_aims(th->st, keys, count, aims);
    for (unsigned i = 0; i < count; i++) {
        bool seen = glance(th, &aims[i], &keys[i], false, with_cas, generation, now_ms, &sights[i]);
        if (__builtin_expect(!seen, 0)) {
            see_again(th, &keys[i], now_ms, &sights[i]);
        }
    }
}

static __attribute__((noinline)) void
see_several(struct store_thread *th, const struct store_key *keys, unsigned count, uint64_t now_ms,
            struct store_sight *sights)
{
    see(th, keys, count, false, now_ms, sights);
}

/* Most come alone: then no loop is left of see(). */
void
store_see(struct store_thread *th, const struct store_key *keys, unsigned count, uint64_t now_ms,
          struct store_sight *sights)
{
    if (count == 1) {
        see(th, keys, 1, false, now_ms, sights);
    } else {
        see_several(th, keys, count, now_ms, sights);
    }
}

void
store_see_cas(struct store_thread *th, const struct store_key *keys, unsigned count,
              uint64_t now_ms, struct store_sight *sights)
{
    see(th, keys, count, true, now_ms, sights);
}

void
store_see_meta(struct store_thread *th, const struct store_key *keys, unsigned count,
               uint64_t now_ms, struct store_sight *sights)
{
    struct aim aims[STORE_SIGHTS];
    uint32_t generation = generation_at(th->st, now_ms);
    take_aims(th->st, keys, count, aims);
    for (unsigned i = 0; i < count; i++) {
        sights[i].unsure =
            !glance(th, &aims[i], &keys[i], true, true, generation, now_ms, &sights[i]);
    }
}

struct store_item *
store_keep(struct store_thread *th, const struct store_sight *sight)
{
    item_hold(th, sight->item);
    return sight->item;
}

/* The touch of the text protocol takes no part in who refills a stale item. */
enum store_outcome
store_touch(struct store_thread *th, const struct store_key *key, uint64_t expiry_ms,
            uint64_t now_ms)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    struct place where;
    for (;;) {
        prepare_expiry(th, key, expiry_ms, now_ms);
        shard_lock(sh);
        where = find_live(th, sh, key, now_ms, &after);
        if (where.item == NULL || item_set_expiry_ms(where.item, expiry_ms)) {
            break;
        }
        shard_unlock(sh);
    }
    if (where.item != NULL) {
        item_bump(where.item, &where.segment->base, now_ms);
        band_add(&th->bands[item_band(where.item)].touches, 1);
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return where.item != NULL ? STORE_OK : STORE_NOT_FOUND;
}
