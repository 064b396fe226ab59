#include "common/core/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool faked;
static _Atomic uint64_t fake_mono_ns;
static _Atomic uint64_t fake_wall_ms;

static uint64_t
read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_mono_ns(void)
{
    if (__builtin_expect(atomic_load_explicit(&faked, memory_order_relaxed), 0)) {
        return atomic_load(&fake_mono_ns);
    }
    return read_ns(CLOCK_MONOTONIC);
}

struct clock_reading
clock_read(void)
{
    struct clock_reading r;
    r.system_us = r.mono_us = read_ns(CLOCK_MONOTONIC) / 1000;
    if (__builtin_expect(atomic_load_explicit(&faked, memory_order_relaxed), 0)) {
        r.mono_us = clock_mono_us();
    }
    return r;
}

uint64_t
clock_wall_ms(void)
{
    if (__builtin_expect(atomic_load_explicit(&faked, memory_order_relaxed), 0)) {
        return atomic_load(&fake_wall_ms);
    }
    return read_ns(CLOCK_REALTIME) / 1000000;
}

uint64_t
clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void
clock_test_begin(uint64_t mono_ms, uint64_t wall_ms)
{
    atomic_store(&fake_mono_ns, mono_ms * 1000000);
    atomic_store(&fake_wall_ms, wall_ms);
    atomic_store(&faked, true);
}

void
clock_test_advance_ms(uint64_t ms)
{
    atomic_fetch_add(&fake_mono_ns, ms * 1000000);
    atomic_fetch_add(&fake_wall_ms, ms);
}

void
clock_test_end(void)
{
    atomic_store(&faked, false);
}
