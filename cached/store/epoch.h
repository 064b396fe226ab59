/* epoch.h - when memory that readers may still look at can be used again.
 *
 * Readers take no lock. What keeps the memory under them in place is a guard,
 * one for each thread, with two parts:
 *
 *   inside   the epoch in which the thread began to look around, 0 outside
 *   holds    how many references the thread keeps beyond that, by slot
 *
 * Whoever has made memory unreachable retires it, which ends an epoch. It may
 * be used again once no thread is inside an epoch that had begun by then, and
 * none holds a reference to its slot. Slots are memory's numbers folded into
 * GUARD_SLOTS: two memories that share one may wait for each other, no more.
 *
 * Why that is enough. A retirer R takes the memory out of every path, then
 * adds one to `now`, then looks at the guards; all of `now` and `inside` are
 * sequentially consistent. A reader stores what it read of `now` in `inside`,
 * then reads `now` again, and begins over if it has changed.
 *  - If R's look comes after the store, R sees the reader and waits.
 *  - Else the reader's second reading comes after R's addition, so the reader
 *    enters the new epoch; having read R's addition it sees all that R did
 *    before, and finds no path to the memory.
 * A hold is taken inside and published by leaving; it is dropped with release,
 * and R reads it with acquire, so all reading of the memory happens before its
 * next use. A hold may also be taken outside by whoever can be sure that the
 * memory is not yet retired: under a lock that the retirer must take first.
 *
 * Threads: a guard's owner alone enters, leaves, holds and drops. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_SLOTS 4096u

struct guard {
    _Atomic uint64_t inside;
    struct guard *next;
    _Atomic uint32_t holds[GUARD_SLOTS];
} __attribute__((aligned(64)));

struct epochs {
    _Atomic uint64_t now; /* from 1 */
    _Atomic(struct guard *) guards;
};

void epochs_init(struct epochs *e);
/* A zeroed guard; it must outlive the epochs' use. Any thread. */
void epochs_join(struct epochs *e, struct guard *g);

static inline void
guard_enter(struct guard *g, struct epochs *e)
{
    uint64_t now = atomic_load(&e->now);
    for (;;) {
        atomic_exchange(&g->inside, now);
        uint64_t again = atomic_load(&e->now);
        if (__builtin_expect(again == now, 1)) {
            return;
        }
        now = again;
    }
}

static inline void
guard_leave(struct guard *g)
{
    atomic_store_explicit(&g->inside, 0, memory_order_release);
}

static inline void
guard_hold(struct guard *g, uint32_t slot)
{
    _Atomic uint32_t *n = &g->holds[slot % GUARD_SLOTS];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_release);
}

static inline void
guard_drop(struct guard *g, uint32_t slot)
{
    _Atomic uint32_t *n = &g->holds[slot % GUARD_SLOTS];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) - 1,
                          memory_order_release);
}

/* Ends an epoch and returns its number. What led to the memory is gone. */
static inline uint64_t
epochs_retire(struct epochs *e)
{
    return atomic_fetch_add(&e->now, 1);
}

/* The oldest epoch that a thread is inside; UINT64_MAX if none is. What was
 * retired in an earlier one is out of the readers' sight. */
uint64_t epochs_oldest(const struct epochs *e);

/* Does a thread hold a reference to the slot? */
bool epochs_held(const struct epochs *e, uint32_t slot);
