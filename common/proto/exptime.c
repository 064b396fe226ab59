#include "common/proto/exptime.h"

#include "common/core/assert.h"

static uint64_t
add_saturating(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t
exptime_to_expiry_ms(int64_t exptime, uint64_t now_ms, uint64_t wall_ms)
{
    ASSERT(now_ms > EXPIRES_AT_ONCE);

    if (exptime == 0) {
        return EXPIRES_NEVER;
    }
    if (exptime < 0) {
        return EXPIRES_AT_ONCE;
    }
    uint64_t ms;
    if (__builtin_mul_overflow((uint64_t)exptime, 1000, &ms)) {
        ms = UINT64_MAX;
    }
    if (exptime <= EXPTIME_RELATIVE_MAX) {
        return add_saturating(now_ms, ms);
    }
    if (ms <= wall_ms) {
        return EXPIRES_AT_ONCE;
    }
    return add_saturating(now_ms, ms - wall_ms);
}
