#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/proto/exptime.h"

#include <sched.h>

/* Whoever takes memory pays for it by cleaning so many times as much, if that
 * is not to be had for less. If that was not enough, the limit was lowered; the
 * rest of it is the sweep's. */
#define PRICE    4
#define PATIENCE 500 /* times the CPU is given to a reader who is in the way */

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

/* --- heads ------------------------------------------------------------------- */

/* Room in the open segment, held, or NULL. */
static struct store_item *
carve(struct store_thread *th, struct head *head, uint32_t bytes)
{
    const struct segments *s = &th->st->segments;
    struct store_item *it = NULL;
    lock_take(&head->lock);
    struct segment *seg = head->open;
    if (seg != NULL && seg->end + bytes <= seg->bytes) {
        it = (struct store_item *)(void *)(segment_memory(s, seg) + seg->end);
        seg->end += bytes;
        atomic_fetch_add_explicit(&seg->live, bytes, memory_order_relaxed);
        guard_hold(&th->guard, segments_number(s, it));
    }
    lock_give(&head->lock);
    return it;
}

static void
open_next(struct store *st, struct head *head, struct segment *next)
{
    lock_take(&head->lock);
    struct segment *full = head->open;
    head->open = next;
    lock_give(&head->lock);
    if (full != NULL) {
        segments_seal(&st->segments, full);
    }
}

static void
close_head(struct store *st, struct head *head, bool all)
{
    lock_take(&head->lock);
    struct segment *seg = head->open;
    if (seg != NULL && !all && atomic_load_explicit(&seg->live, memory_order_relaxed) > 0) {
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
heads_close(struct store *st, bool all)
{
    for (struct store_thread *th = atomic_load(&st->threads); th != NULL; th = th->next) {
        close_head(st, &th->fresh, all);
        close_head(st, &th->moved, all);
    }
}

/* --- items ------------------------------------------------------------------- */

static struct store_item *
take_large(struct store_thread *th, uint32_t bytes, bool force)
{
    struct segments *s = &th->st->segments;
    struct segment *seg = segments_take_large(s, bytes, force, &th->guard);
    return seg != NULL ? (void *)segment_memory(s, seg) : NULL;
}

/* Without cleaning. Room that the cleaner has left behind what it moved is
 * better than none. */
static struct store_item *
try_place(struct store_thread *th, uint32_t bytes, bool force)
{
    struct store *st = th->st;
    if (segments_is_large(&st->segments, bytes)) {
        return take_large(th, bytes, force);
    }
    struct store_item *it = carve(th, &th->fresh, bytes);
    if (it != NULL) {
        return it;
    }
    struct segment *seg = segments_take(&st->segments, force);
    if (seg == NULL) {
        return carve(th, &th->moved, bytes);
    }
    open_next(st, &th->fresh, seg);
    return carve(th, &th->fresh, bytes);
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

struct store_item *
item_create(struct store_thread *th, const struct store_key *key, uint64_t value_bytes,
            unsigned layout, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    size_t bytes =
        segments_round(s, item_body_bytes(key->key.len, value_bytes) + item_fields_bytes(layout));
    if (bytes > atomic_load_explicit(&s->limit, memory_order_relaxed)) {
        return NULL; /* not even an empty store has room: evict nothing for it */
    }
    uint64_t price = PRICE * (bytes > s->segment_bytes ? bytes : s->segment_bytes), paid = 0;
    unsigned patience = PATIENCE;
    struct store_item *it;
    while ((it = try_place(th, (uint32_t)bytes, paid >= price)) == NULL) {
        if (paid >= price) {
            return NULL; /* no place at all, which more cleaning would not change */
        }
        uint64_t gained = cleaner_make_room(th, now_ms);
        if (gained == 0 && !wait_for_readers(s, &patience)) {
            return NULL;
        }
        paid += gained;
    }
    item_init(it, key->key, value_bytes, layout, now_ms);
    return it;
}

struct store_item *
item_create_moved(struct store_thread *th, struct span key, uint64_t value_bytes, unsigned layout,
                  uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    uint32_t bytes = (uint32_t)segments_round(s, item_body_bytes(key.len, value_bytes) +
                                                     item_fields_bytes(layout));
    struct store_item *it = carve(th, &th->moved, bytes);
    if (it == NULL) {
        struct segment *seg = segments_take(s, true);
        if (seg == NULL) {
            return NULL;
        }
        open_next(th->st, &th->moved, seg);
        it = carve(th, &th->moved, bytes);
    }
    if (it != NULL) {
        item_init(it, key, value_bytes, layout, now_ms);
    }
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
    if (!(item_marks(it) & ITEM_LINKED)) {
        item_mark(it, ITEM_DEAD, 0);
        segments_drop_bytes(s, seg, item_footprint(th->st, it));
    }
    guard_drop(&th->guard, segments_number(s, it));
}

void
memory_enforce(struct store_thread *th, unsigned rounds, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    while (rounds-- > 0 && segments_over_limit(s) && segments_pressed(s) &&
           cleaner_make_room(th, now_ms) > 0) {
    }
}
