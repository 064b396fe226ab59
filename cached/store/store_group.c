/* Sets of values that are at hand, in groups:
 *
 *     keys      | k0 | k1 | k2 |     where each is in the table is fetched, then what is there;
 *     segment   ..|old|..[n0|n1|n2]  room is taken for all new items at once, side by side;
 *     table     k0 -> old ~> n0      one after the other is written and takes its place
 *
 * So what is looked for is near when it is needed, and what has to be locked,
 * charged and held is so once for the group. This is the way of items that replace
 * one that is alive where it was expected; what is in the way of others is dealt with
 * by the general steps, in the middle of a group too. */
#include "cached/store/engine.h"
#include "common/core/assert.h"

/* Where a key's item probably is. */
struct aim {
    struct shard *shard;
    struct bucket *home;
    unsigned index;
};

/* What items that are made side by side have in common. */
struct row {
    const struct item_base *base;
    uint64_t now_ms;
    uint64_t cas_now; /* cas_now() */
    bool cas;         /* the store has CAS values */
    uint32_t accessed_s;
};

/* --- where ------------------------------------------------------------------- */

/* Without the lock; what is seen is a hint. */
static inline __attribute__((always_inline)) void
take_aim(struct store *st, const struct store_key *key, struct aim *aim)
{
    aim->shard = shard_of(st, key->hash);
    aim->home = assoc_home(&aim->shard->assoc, table_hash(key->hash));
    __builtin_prefetch(aim->home);
}

/* The first item with the key's tag nearly always is the key's. */
static inline __attribute__((always_inline)) void
refine_aim(const struct segments *s, const struct store_key *key, struct aim *aim)
{
    unsigned places = bucket_match(aim->home, bucket_tag(key->hash));
    aim->index = places != 0 ? (unsigned)__builtin_ctz(places) : 0;
    locator at = bucket_at(aim->home, aim->index);
    const char *item = (const char *)segments_item(s, at);
    __builtin_prefetch(item, 1);
    __builtin_prefetch(item + sizeof(struct store_item) + key->key.len);
    __builtin_prefetch(segments_at(s, at), 1);
}

/* Under the lock. Whatever stands in a bucket then is linked, and no other linked item
 * has the same key. */
static inline __attribute__((always_inline)) bool
find_aimed(const struct segments *s, const struct aim *aim, const struct store_key *key,
           struct place *out)
{
    locator at = bucket_at(aim->home, aim->index);
    struct store_item *it = segments_item(s, at);
    *out = (struct place){aim->home, aim->index, it, segments_at(s, at)};
    return at != 0 && item_has_key(it, key->key);
}

/* --- one that was made ---------------------------------------------------------- */

/* Under the lock: `it`, of `came` bytes, takes the place of a live item where that was
 * expected. Returns that one's segment, and in *went its bytes, which are to be dropped
 * without the lock; NULL if it cannot. */
static inline __attribute__((always_inline)) struct segment *
replace(struct store_thread *th, const struct row *row, const struct aim *aim,
        const struct store_key *key, struct store_item *it, uint32_t came, struct store_put *put,
        uint32_t *went)
{
    struct store *st = th->st;
    uint32_t generation = generation_at(st, row->now_ms);
    struct place old;
    if (!find_aimed(&st->segments, aim, key, &old) ||
        item_expired(old.item, item_marks(old.item), row->now_ms) ||
        old.segment->base.generation != generation || row->base->generation != generation) {
        return NULL;
    }
    put->cas = row->cas ? next_own_cas(aim->shard, row->cas_now) : 0;
    if (__builtin_expect(!item_set_near_cas(it, row->base, put->cas), 0)) {
        return NULL;
    }
    *went = swap_items(th, it, put->binary_key ? ITEM_BINARY_KEY : 0, put->value.len, came, old);
    return old.segment;
}

/* Under the lock: `it` takes its place, whatever is there. False if it cannot be linked
 * where it stands. */
static __attribute__((noinline)) bool
place(struct store_thread *th, struct shard *sh, const struct store_key *key, struct store_item *it,
      struct store_put *put, uint64_t now_ms, struct aftermath *after)
{
    struct place old = find_live(th, sh, key, now_ms, after);
    if (after->buried_count > 0) {
        count_reclaimed(th, after);
    }
    if (!item_stamp(th, sh, it, false, 0, now_ms)) {
        return false;
    }
    put->cas = item_cas(it, base_of(th->st, it));
    link_item(th, sh, key->hash, it, put->binary_key ? ITEM_BINARY_KEY : 0, old, after);
    return true;
}

static struct store_write
write_of(const struct store_put *put)
{
    return (struct store_write){
        .flags = put->flags, .expiry_ms = put->expiry_ms, .binary_key = put->binary_key};
}

static void
commit(struct store_thread *th, struct store_reservation *room, struct store_put *put,
       uint64_t now_ms)
{
    struct store_write write = write_of(put);
    struct store_written written = {0};
    put->outcome = store_commit(th, room, &write, now_ms, &written);
    put->cas = written.cas;
}

/* Of the other segments, one will do. */
static __attribute__((noinline)) void
put_elsewhere(struct store_thread *th, const struct store_key *key, struct store_item *it,
              struct store_put *put, uint64_t now_ms)
{
    struct store_reservation room = {
        .item = it, .hash = key->hash, .key = item_key(it), .value = item_value(it)};
    item_hold(th, it); /* the commit ends it */
    commit(th, &room, put, now_ms);
}

static inline __attribute__((always_inline)) void
put_made(struct store_thread *th, const struct row *row, const struct aim *aim,
         const struct store_key *key, struct store_item *it, uint32_t bytes, struct store_put *put)
{
    struct aftermath after = {.buried_count = 0};
    bool good = true;
    uint32_t went;
    put->outcome = STORE_OK;
    shard_lock(aim->shard);
    struct segment *from = replace(th, row, aim, key, it, bytes, put, &went);
    if (__builtin_expect(from == NULL, 0)) {
        good = place(th, aim->shard, key, it, put, row->now_ms, &after);
    }
    shard_unlock(aim->shard);
    if (__builtin_expect(from != NULL, 1)) {
        segments_drop_bytes(&th->st->segments, from, went);
        band_add(&th->bands[band_of(key->key.len, put->value.len)].stored, 1);
        metric_add(th->metrics, METRIC_ID_STORE_ITEMS_TOTAL, 1);
        return;
    }
    settle(th, &after, row->now_ms);
    if (!good) {
        put_elsewhere(th, key, it, put, row->now_ms);
    }
}

/* --- side by side --------------------------------------------------------------- */

/* Layout and bytes of the first ones' items, up to one that is large or wide or too
 * large. */
static inline __attribute__((always_inline)) unsigned
measure(const struct store *st, const struct store_key *keys, const struct store_put *puts,
        unsigned count, uint8_t *layouts, uint32_t *bytes)
{
    const struct segments *s = &st->segments;
    unsigned n = 0;
    for (; n < count; n++) {
        size_t key_bytes = keys[n].key.len, value_bytes = puts[n].value.len;
        unsigned layout = item_layout_for(puts[n].flags, puts[n].expiry_ms, value_bytes);
        size_t nominal = key_bytes + value_bytes + STORE_TRAILER_BYTES + STORE_ITEM_OVERHEAD;
        size_t all = segments_round(s, item_bytes_for(layout, key_bytes, value_bytes));
        if ((layout & ITEM_WIDE) || segments_is_large(s, all) ||
            nominal > st->options.item_max_bytes) {
            break;
        }
        layouts[n] = (uint8_t)layout;
        bytes[n] = (uint32_t)all;
    }
    return n;
}

static inline __attribute__((always_inline)) struct row
row_at(struct store *st, const struct store_item *first, uint64_t now_ms)
{
    const struct item_base *base = base_of(st, first);
    uint32_t after_s = (uint32_t)(now_ms / 1000) - base->opened_s;
    return (struct row){
        .base = base,
        .now_ms = now_ms,
        .cas_now = cas_now(st, now_ms),
        .cas = st->options.cas,
        .accessed_s = after_s < ITEM_ACCESS_RANGE_S ? after_s : 0, /* its clock was ahead */
    };
}

/* As many of the first ones as have room side by side; returns how many. */
static inline __attribute__((always_inline)) unsigned
put_row(struct store_thread *th, const struct store_key *keys, struct store_put *puts,
        unsigned count, uint64_t now_ms)
{
    struct store *st = th->st;
    struct aim aims[STORE_SIGHTS];
    uint32_t bytes[STORE_SIGHTS];
    uint8_t layouts[STORE_SIGHTS];
    layouts[0] = 0; /* is written where something fits, which gcc does not always see */
    for (unsigned i = 0; i < count; i++) {
        take_aim(st, &keys[i], &aims[i]);
    }
    unsigned fitting, measured = measure(st, keys, puts, count, layouts, bytes);
    struct store_item *it = items_carve(th, bytes, measured, now_ms, &fitting);
    const unsigned n = fitting;
    if (n == 0) {
        return 0;
    }
    ASSERT(n <= count); /* so of one it is one, as the compiler should know */
    for (unsigned i = 0; i < n; i++) {
        refine_aim(&st->segments, &keys[i], &aims[i]);
    }
    struct row row = row_at(st, it, now_ms);
    uint32_t number = segments_number(&st->segments, it);
    for (unsigned i = 0; i < n; i++) {
        item_make(it, layouts[i], keys[i].key, puts[i].value, puts[i].flags, puts[i].expiry_ms,
                  row.accessed_s);
        put_made(th, &row, &aims[i], &keys[i], it, bytes[i], &puts[i]);
        it = (struct store_item *)(void *)((char *)it + bytes[i]);
    }
    guard_drop(&th->guard, number);
    if (__builtin_expect(memory_nearly_full(st), 0)) {
        uint64_t all = 0;
        for (unsigned i = 0; i < n; i++) {
            all += bytes[i];
        }
        cleaner_work(th, all, now_ms);
    }
    return n;
}

static __attribute__((noinline)) unsigned
put_several(struct store_thread *th, const struct store_key *keys, struct store_put *puts,
            unsigned count, uint64_t now_ms)
{
    return put_row(th, keys, puts, count, now_ms);
}

/* --- the whole group -------------------------------------------------------------- */

/* Finds room first, evicting if it must. False if it has to wait for it. */
static __attribute__((noinline)) bool
put_alone(struct store_thread *th, const struct store_key *key, struct store_put *put,
          uint64_t *effort, uint64_t now_ms)
{
    struct store_write write = write_of(put);
    struct store_reservation room;
    if (!store_make_way(th, key->key.len, put->value.len, effort, now_ms)) {
        return false;
    }
    put->outcome = store_reserve(th, key, put->value.len, &write, now_ms, &room);
    if (put->outcome == STORE_OK) {
        memcpy(room.value, put->value.ptr, put->value.len);
        commit(th, &room, put, now_ms);
    } else {
        store_delete(th, key, NULL, now_ms);
    }
    return true;
}

unsigned
store_put(struct store_thread *th, const struct store_key *keys, struct store_put *puts,
          unsigned count, uint64_t *effort, uint64_t now_ms)
{
    ASSERT(count <= STORE_SIGHTS);
    /* Most come alone: then no loop is left of put_row(). */
    unsigned done = count == 1 ? put_row(th, keys, puts, 1, now_ms)
                               : put_several(th, keys, puts, count, now_ms);
    if (__builtin_expect(done > 0, 1)) {
        *effort = 0; /* somebody else may have made the room */
    }
    while (__builtin_expect(done < count, 0)) {
        if (!put_alone(th, &keys[done], &puts[done], effort, now_ms)) {
            break;
        }
        done++;
        done += done < count ? put_several(th, keys + done, puts + done, count - done, now_ms) : 0;
    }
    return done;
}
