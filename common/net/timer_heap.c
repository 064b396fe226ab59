#include "common/net/timer_heap.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define ROOM_FIRST 16

void
timer_heap_deinit(struct timer_heap *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        h->at[i]->place = 0;
    }
    free(h->at);
    *h = (struct timer_heap){0};
}

static void
set(struct timer_heap *h, unsigned i, struct loop_timer *t)
{
    h->at[i] = t;
    t->place = i + 1;
}

/* The place `i` is free for `t`, or for what must stand above or below it. */
static void
settle(struct timer_heap *h, unsigned i, struct loop_timer *t)
{
    while (i > 0 && t->due_us < h->at[(i - 1) / 2]->due_us) {
        set(h, i, h->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        unsigned child = 2 * i + 1;
        if (child + 1 < h->count && h->at[child + 1]->due_us < h->at[child]->due_us) {
            child++;
        }
        if (child >= h->count || h->at[child]->due_us >= t->due_us) {
            break;
        }
        set(h, i, h->at[child]);
        i = child;
    }
    set(h, i, t);
}

void
timer_heap_put(struct timer_heap *h, struct loop_timer *t, uint64_t due_us)
{
    t->due_us = due_us;
    if (t->place != 0) {
        settle(h, t->place - 1, t);
        return;
    }
    if (h->count == h->room) {
        h->room = h->room > 0 ? h->room * 2 : ROOM_FIRST;
        h->at = mem_realloc(h->at, h->room * sizeof(struct loop_timer *));
    }
    h->count++;
    settle(h, h->count - 1, t);
}

void
timer_heap_remove(struct timer_heap *h, struct loop_timer *t)
{
    if (t->place == 0) {
        return;
    }
    unsigned i = t->place - 1;
    struct loop_timer *last = h->at[--h->count];
    t->place = 0;
    if (last != t) {
        settle(h, i, last);
    }
}
