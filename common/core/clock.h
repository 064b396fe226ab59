/* clock.h - time, with a source that tests can set.
 *
 * Durations and deadlines use the monotonic clock; the wall clock is only for
 * logs and for TTLs that clients give as dates. Any thread. */
#pragma once
#include <stdint.h>

/* Monotonic; the origin means nothing. */
uint64_t clock_mono_ns(void);

static inline uint64_t
clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

static inline uint64_t
clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* One look at the clock for those who wait: `system_us` goes on while a test has
 * made the clock up, as waiting does. */
struct clock_reading {
    uint64_t mono_us;
    uint64_t system_us;
};
struct clock_reading clock_read(void);

/* Since 1970. */
uint64_t clock_wall_ms(void);

/* CPU time that this thread has used. */
uint64_t clock_thread_cpu_ns(void);

/* Tests only: from here on both clocks stand still at the given times until
 * clock_test_advance_ms(); clock_test_end() returns to the system's. */
void clock_test_begin(uint64_t mono_ms, uint64_t wall_ms);
void clock_test_advance_ms(uint64_t ms);
void clock_test_end(void);
