/* timer_heap.h - timers by the time at which they are due, the next one first: a
 * binary heap. Pure; for loop.c alone.
 *
 * One owner, no lock. The heap does not own the timers. */
#pragma once
#include "common/net/loop.h"

struct timer_heap {
    struct loop_timer **at;
    unsigned count, room;
};

/* Takes out what is still in. */
void timer_heap_deinit(struct timer_heap *h);

/* Puts the timer in, or moves it if it is in already. */
void timer_heap_put(struct timer_heap *h, struct loop_timer *t, uint64_t due_us);
/* One that is not in is allowed. */
void timer_heap_remove(struct timer_heap *h, struct loop_timer *t);

/* The one that is due next, or NULL. */
static inline struct loop_timer *
timer_heap_first(const struct timer_heap *h)
{
    return h->count > 0 ? h->at[0] : NULL;
}
