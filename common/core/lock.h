/* lock.h - a lock for sections of well under a microsecond that are nearly
 * always free to enter: then taking and giving it back is one atomic
 * instruction each, without a call.
 *
 * Who must wait turns round a few times and then sleeps until the holder wakes
 * it, so a holder that is off the CPU costs the others nothing but time. Zeroed
 * memory is a free lock; nothing is to be destroyed. Not recursive, not fair.
 *
 * (Mutex 3 of U. Drepper, "Futexes Are Tricky".) */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

enum lock_state { LOCK_FREE, LOCK_TAKEN, LOCK_AWAITED };

struct lock {
    _Atomic uint32_t state; /* enum lock_state */
};

/* The rest of lock_take() and lock_give(). */
void lock_wait(struct lock *l);
void lock_wake(struct lock *l);

static inline void
lock_take(struct lock *l)
{
    uint32_t free = LOCK_FREE;
    if (!atomic_compare_exchange_strong_explicit(&l->state, &free, LOCK_TAKEN, memory_order_acquire,
                                                 memory_order_relaxed)) {
        lock_wait(l);
    }
}

static inline void
lock_give(struct lock *l)
{
    if (atomic_exchange_explicit(&l->state, LOCK_FREE, memory_order_release) == LOCK_AWAITED) {
        lock_wake(l);
    }
}
