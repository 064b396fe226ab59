#include "common/core/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURNS 100 /* about as long as a holder that runs needs */

static void
pause_briefly(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Whoever has slept takes the lock as LOCK_AWAITED, since others may sleep too;
 * at worst one wake-up is for nobody. */
void
lock_wait(struct lock *l)
{
    for (int i = 0; i < TURNS; i++) {
        uint32_t free = LOCK_FREE;
        if (atomic_load_explicit(&l->state, memory_order_relaxed) == LOCK_FREE &&
            atomic_compare_exchange_strong_explicit(&l->state, &free, LOCK_TAKEN,
                                                    memory_order_acquire, memory_order_relaxed)) {
            return;
        }
        pause_briefly();
    }
    while (atomic_exchange_explicit(&l->state, LOCK_AWAITED, memory_order_acquire) != LOCK_FREE) {
        syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, LOCK_AWAITED, NULL, NULL, 0);
    }
}

void
lock_wake(struct lock *l)
{
    syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
