/* own_stall.h - a timer that comes much too late says that we were not running, so nobody
 * may be blamed yet: what the nodes answered meanwhile is read first. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define OWN_STALL_US       50000 /* so late a timer comes only if we stood still */
#define OWN_STALL_GRACE_US 10000 /* then it is waited so long once more */

/* A timer that was due at `due_us` has come. True if it is to come again after the grace.
 * *excused, false at first, is kept for it: once, or a slow machine would never time out. */
static inline bool
own_stall_excuses(bool *excused, uint64_t due_us, uint64_t now_us)
{
    *excused = now_us > due_us + OWN_STALL_US && !*excused;
    return *excused;
}
