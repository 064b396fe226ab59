#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/proto/exptime.h"

#include <sched.h>

/* Whoever takes memory pays for it by cleaning so many times as much, if that
 * is not to be had for less. If that was not enough, either the limit was
 * lowered, and the rest is the sweep's; or what was cleaned cannot be used yet,
 * and cleaning more would not help. */
#define PRICE    4
#define HOPE     4   /* times the price: who has paid so much without getting it is refused */
#define PATIENCE 500 /* times the CPU is given to a reader who is in the way */

/* What taking a segment counts as, for its pages and those that are given back for it. */
#define TAKING_EFFORT 32768

void
item_hold(struct store_thread *th, const struct store_item *it)
{
    guard_hold(&th->guard, segments_number(&th->st->segments, it));
}

void
item_unhold(struct store_thread *th, const struct store_item *it)
{
    guard_drop(&th->guard, segments_number(&th->st->segments, it));
}

void
item_bury(struct store_thread *th, struct store_item *it)
{
    struct segments *s = &th->st->segments;
    segments_drop_bytes(s, segments_find(s, it), item_footprint(th->st, it));
}

/* --- bases ------------------------------------------------------------------- */

/* New items get CAS values from now on, and given ones may be a little older.
 * What moves has old ones, and nothing new comes to it but when memory is short. */
#define FRESH_CAS_SLACK (ITEM_CAS_RANGE / 4)
#define MOVED_CAS_SLACK (ITEM_CAS_RANGE / 8 * 7)

static struct item_base
base_at(struct store *st, uint64_t cas_slack, uint64_t now_ms)
{
    uint64_t cas = cas_now(st, now_ms);
    return (struct item_base){
        .cas_from = cas > cas_slack ? cas - cas_slack : 0,
        .opened_s = (uint32_t)(now_ms / 1000),
        .generation = generation_at(st, now_ms),
    };
}

/* May an item be made in a segment of this base? One that was opened long ago
 * would soon be out of reach of what its items count from it. */
static inline bool
is_current(struct store *st, const struct item_base *base, uint64_t now_ms)
{
    return base->generation == generation_at(st, now_ms) &&
           now_ms < ((uint64_t)base->opened_s + SEGMENT_AGE_MAX_S) * 1000;
}

/* --- heads ------------------------------------------------------------------- */

/* Room in the open segment for as many of these as it has room for, in one piece and
 * with one hold. NULL if for none. */
static inline struct store_item *
carve_row(struct store_thread *th, struct head *head, const uint32_t *bytes, unsigned count,
          uint64_t now_ms, unsigned *fitting)
{
    const struct segments *s = &th->st->segments;
    struct store_item *it = NULL;
    unsigned n = 0;
    lock_take(&head->lock);
    struct segment *seg = head->open;
    if (seg != NULL && is_current(th->st, &seg->base, now_ms)) {
        uint32_t begin = seg->end, end = begin;
        while (n < count && end + bytes[n] <= seg->bytes) {
            end += bytes[n++];
        }
        if (n > 0) {
            seg->end = end;
            atomic_fetch_add_explicit(&seg->live, end - begin, memory_order_relaxed);
            it = (void *)(segment_memory(s, seg) + begin);
            guard_hold(&th->guard, segments_number(s, it));
        }
    }
    lock_give(&head->lock);
    *fitting = n;
    return it;
}

static struct store_item *
carve(struct store_thread *th, struct head *head, uint32_t bytes, uint64_t now_ms)
{
    unsigned ignored;
    return carve_row(th, head, &bytes, 1, now_ms, &ignored);
}

struct store_item *
items_carve(struct store_thread *th, const uint32_t *bytes, unsigned count, uint64_t now_ms,
            unsigned *fitting)
{
    return carve_row(th, &th->fresh, bytes, count, now_ms, fitting);
}

/* Room in a segment that was just taken, which is the open one from now on. It has
 * something alive by then, so no sweep closes it before that. */
static struct store_item *
carve_first(struct store_thread *th, struct head *head, struct segment *next, uint32_t bytes)
{
    struct segments *s = &th->st->segments;
    struct store_item *it = (void *)segment_memory(s, next);
    next->end = bytes;
    atomic_store_explicit(&next->live, bytes, memory_order_relaxed);
    guard_hold(&th->guard, segments_number(s, it));
    lock_take(&head->lock);
    struct segment *full = head->open;
    head->open = next;
    lock_give(&head->lock);
    if (full != NULL) {
        segments_seal(s, full);
    }
    return it;
}

/* What is alive in it stays open, unless no more items may come into it. */
static void
close_head(struct store *st, struct head *head, bool all, uint64_t now_ms)
{
    lock_take(&head->lock);
    struct segment *seg = head->open;
    if (seg != NULL && !all && atomic_load_explicit(&seg->live, memory_order_relaxed) > 0 &&
        is_current(st, &seg->base, now_ms)) {
        seg = NULL;
    }
    if (seg != NULL) {
        head->open = NULL;
    }
    lock_give(&head->lock);
    if (seg != NULL) {
        segments_seal(&st->segments, seg);
    }
}

void
heads_close(struct store *st, bool all, uint64_t now_ms)
{
    for (struct store_thread *th = atomic_load(&st->threads); th != NULL; th = th->next) {
        close_head(st, &th->fresh, all, now_ms);
        close_head(st, &th->moved, all, now_ms);
    }
}

/* --- items ------------------------------------------------------------------- */

static struct store_item *
take_large(struct store_thread *th, uint32_t bytes, bool force, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    struct item_base base = base_at(th->st, FRESH_CAS_SLACK, now_ms);
    struct segment *seg = segments_take_large(s, &base, bytes, force, &th->guard);
    add_effort(th, TAKING_EFFORT);
    return seg != NULL ? (void *)segment_memory(s, seg) : NULL;
}

/* Without cleaning. Room that the cleaner has left behind what it moved is
 * better than none. */
static struct store_item *
try_place(struct store_thread *th, uint32_t bytes, bool force, uint64_t now_ms)
{
    struct store *st = th->st;
    if (segments_is_large(&st->segments, bytes)) {
        return take_large(th, bytes, force, now_ms);
    }
    struct store_item *it = carve(th, &th->fresh, bytes, now_ms);
    if (it != NULL) {
        return it;
    }
    cleaner_stay_small(th, now_ms);
    struct item_base base = base_at(st, FRESH_CAS_SLACK, now_ms);
    struct segment *seg = segments_take(&st->segments, &base, force);
    add_effort(th, TAKING_EFFORT);
    if (seg == NULL) {
        return carve(th, &th->moved, bytes, now_ms);
    }
    return carve_first(th, &th->fresh, seg, bytes);
}

/* Nothing can be cleaned, perhaps only because what was cleaned has not passed
 * the last reader yet: one who is off the CPU in the middle of a lookup. */
static bool
wait_for_readers(const struct segments *s, unsigned *patience)
{
    if (*patience == 0 || !segments_awaits_readers((struct segments *)s)) {
        return false;
    }
    (*patience)--;
    sched_yield();
    return true;
}

/* What is large stays where it is for ever, and need not be copied then for
 * what it may be given later. */
static unsigned
full_layout(const struct segments *s, size_t key_bytes, uint64_t value_bytes, unsigned layout)
{
    layout |= item_layout_for(0, 0, value_bytes);
    return segments_is_large(s, item_bytes_for(layout, key_bytes, value_bytes))
               ? layout | ITEM_HAS_EXPIRY | ITEM_WIDE
               : layout;
}

struct store_item *
item_create(struct store_thread *th, const struct store_key *key, uint64_t value_bytes,
            unsigned layout, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    layout = full_layout(s, key->key.len, value_bytes, layout);
    size_t bytes = segments_round(s, item_bytes_for(layout, key->key.len, value_bytes));
    if (bytes > atomic_load_explicit(&s->limit, memory_order_relaxed)) {
        return NULL; /* not even an empty store has room: evict nothing for it */
    }
    uint64_t price = PRICE * (bytes > s->segment_bytes ? bytes : s->segment_bytes);
    /* Who has waited until that was enough has paid, or found out that no reader leaves. */
    uint64_t paid = th->waited && !segments_awaits_readers(s) ? price : 0;
    unsigned patience = th->waited ? 1 : PATIENCE;
    th->waited = false;
    struct store_item *it;
    while ((it = try_place(th, (uint32_t)bytes,
                           paid >= price && segments_may_pass(s, price / PRICE, false), now_ms)) ==
           NULL) {
        bool cleans = paid < price * HOPE && !segments_stuck(s);
        uint64_t gained = cleans ? cleaner_make_room(th, now_ms) : 0;
        if (gained == 0 && !wait_for_readers(s, &patience)) {
            return NULL;
        }
        paid += gained;
    }
    if (memory_nearly_full(th->st)) {
        cleaner_work(th, bytes, now_ms);
    }
    item_init(it, base_of(th->st, it), key->key, value_bytes, layout, now_ms);
    return it;
}

struct store_item *
item_create_copy(struct store_thread *th, const struct store_key *key, uint64_t value_bytes,
                 unsigned layout, uint64_t now_ms)
{
    struct store_item *it = item_create(th, key, value_bytes, layout, now_ms);
    add_effort(th, value_bytes);
    if (it != NULL && value_bytes > STORE_PIECE_BYTES) {
        store_value_grows(th, item_value(it), value_bytes);
    }
    return it;
}

/* --- room made over several turns ------------------------------------------------ */

#define SLICE_BYTES     32768 /* a turn: some hundred microseconds */
#define SLICE_MIN_BYTES 16384 /* what a turn counts as, so that they come to an end */
#define EFFORT_SHARE    16    /* of the room; four times what it takes in a store as any other */
#define TURNS_IN_WAIT   500   /* for a reader who is in the way */

static bool
comes_in_slices(const struct store *st, uint64_t key_bytes, uint64_t value_bytes, size_t bytes)
{
    uint64_t nominal = key_bytes + value_bytes + STORE_TRAILER_BYTES + STORE_ITEM_OVERHEAD;
    return st->options.evict && nominal <= st->options.item_max_bytes &&
           bytes <= atomic_load_explicit(&st->segments.limit, memory_order_relaxed);
}

/* A slice of cleaning, or of waiting for a reader. False if neither is of use, or enough was
 * done. */
static bool
make_some_room(struct store_thread *th, size_t bytes, uint64_t *effort, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    uint64_t most = (bytes > s->segment_bytes ? bytes : s->segment_bytes) * EFFORT_SHARE;
    th->waited = *effort >= most;
    if (th->waited) {
        return false;
    }
    uint64_t looked = segments_stuck(s) ? 0 : cleaner_slice(th, SLICE_BYTES, now_ms);
    if (looked > 0) {
        *effort += looked > SLICE_MIN_BYTES ? looked : SLICE_MIN_BYTES;
        return true;
    }
    *effort += most / TURNS_IN_WAIT;
    unsigned once = 1;
    return wait_for_readers(s, &once);
}

/* In the open segment, or one of its own. */
static bool
has_room(struct store_thread *th, size_t bytes)
{
    struct segments *s = &th->st->segments;
    if (segments_is_large(s, bytes)) {
        return segments_have_room(s, (uint32_t)bytes);
    }
    if (!memory_nearly_full(th->st)) {
        return true;
    }
    lock_take(&th->fresh.lock);
    const struct segment *seg = th->fresh.open;
    bool fits = seg != NULL && seg->end + bytes <= seg->bytes;
    lock_give(&th->fresh.lock);
    return fits || segments_have_room(s, s->segment_bytes);
}

/* Whoever stores beside it pays for what he takes himself, so what is free only grows. */
bool
store_make_way(struct store_thread *th, uint64_t key_bytes, uint64_t value_bytes, uint64_t *effort,
               uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    unsigned layout = ITEM_HAS_EXPIRY | ITEM_WIDE | ITEM_LONG_VALUE;
    size_t bytes = segments_round(s, item_bytes_for(layout, key_bytes, value_bytes));
    if (has_room(th, bytes) || !comes_in_slices(th->st, key_bytes, value_bytes, bytes) ||
        !make_some_room(th, bytes, effort, now_ms) || has_room(th, bytes)) {
        *effort = 0;
        return true;
    }
    return false;
}

void
store_value_grows(struct store_thread *th, const char *from, uint64_t bytes)
{
    segments_grow(&th->st->segments, from, bytes);
}

uint64_t
store_effort(const struct store_thread *th)
{
    return th->effort;
}

void
store_note_effort(struct store_thread *th, bool *note)
{
    th->effort_note = note;
}

/* The base of what moves next: nobody but its thread puts a segment there. */
static struct item_base
moved_base(struct store_thread *th, uint64_t now_ms)
{
    struct item_base base = base_at(th->st, MOVED_CAS_SLACK, now_ms);
    lock_take(&th->moved.lock);
    struct segment *seg = th->moved.open;
    if (seg != NULL && is_current(th->st, &seg->base, now_ms)) {
        base = seg->base;
    }
    lock_give(&th->moved.lock);
    return base;
}

struct store_item *
item_create_moved(struct store_thread *th, struct store_item *from,
                  const struct item_base *from_base, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    struct item_base base = moved_base(th, now_ms);
    uint64_t value_bytes = item_value_bytes(from);
    unsigned layout = item_layout_for(item_flags(from), item_expiry_ms(from), value_bytes);
    if (!item_cas_is_near(&base, item_cas(from, from_base))) {
        layout |= ITEM_WIDE;
    }
    struct span key = item_key(from);
    uint32_t bytes = (uint32_t)segments_round(s, item_bytes_for(layout, key.len, value_bytes));
    struct store_item *it = carve(th, &th->moved, bytes, now_ms);
    if (it == NULL) {
        base = base_at(th->st, MOVED_CAS_SLACK, now_ms);
        bool may = segments_may_pass(s, s->segment_bytes, true);
        struct segment *seg = segments_take(s, &base, may);
        if (seg == NULL) {
            return NULL;
        }
        it = carve_first(th, &th->moved, seg, bytes);
    }
    item_init(it, base_of(th->st, it), key, value_bytes, layout, now_ms);
    return it;
}

void
item_finish(struct store_thread *th, struct store_item *it)
{
    if (it == NULL) {
        return;
    }
    struct segments *s = &th->st->segments;
    struct segment *seg = segments_find(s, it);
    if (!(item_marks(it) & ITEM_LINKED) && !item_buried(it)) {
        item_mark(it, ITEM_STALE, 0);
        segments_drop_bytes(s, seg, item_footprint(th->st, it));
    }
    guard_drop(&th->guard, segments_number(s, it));
}

/* --- over the limit --------------------------------------------------------------- */

/* Returns at how many bytes it looked. */
static uint64_t
enforce(struct store_thread *th, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    bool over = segments_over_limit(s) && segments_pressed(s);
    return over ? cleaner_slice(th, SLICE_BYTES, now_ms) : 0;
}

void
memory_enforce(struct store_thread *th, uint64_t now_ms)
{
    enforce(th, now_ms);
}

void
memory_make_up(struct store_thread *th, uint64_t bytes, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    uint64_t left = PRICE * HOPE * (bytes + s->segment_bytes), looked;
    while ((looked = enforce(th, now_ms)) > 0 && looked < left && segments_far_over(s)) {
        left -= looked;
    }
}
