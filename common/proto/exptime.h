/* exptime.h - what the exptime of a command means. Pure. */
#pragma once
#include <stdint.h>

#define EXPTIME_RELATIVE_MAX (60 * 60 * 24 * 30) /* larger values are dates since 1970 */
#define EXPIRES_NEVER        0
#define EXPIRES_AT_ONCE      1

/* Turns an exptime as clients send it (0 never, negative at once, up to 30 days
 * relative seconds, above that seconds since 1970) into a point on the node's
 * clock in milliseconds: EXPIRES_NEVER, EXPIRES_AT_ONCE, or later than that.
 * `now_ms` is the node's clock (never below 2), `wall_ms` the time since 1970
 * at the same moment. 64 bits throughout: dates past 2038 work. */
uint64_t exptime_to_expiry_ms(int64_t exptime, uint64_t now_ms, uint64_t wall_ms);
