#include "t/unit/unit.h"

#include "common/proto/exptime.h"

#include <limits.h>

#define NOW_MS  5000
#define WALL_MS 1700000000000ull /* November 2023 */

static uint64_t
expiry(int64_t exptime)
{
    return exptime_to_expiry_ms(exptime, NOW_MS, WALL_MS);
}

START_TEST(zero_is_never)
{
    ck_assert_uint_eq(expiry(0), EXPIRES_NEVER);
}
END_TEST

START_TEST(negative_is_at_once)
{
    ck_assert_uint_eq(expiry(-1), EXPIRES_AT_ONCE);
    ck_assert_uint_eq(expiry(INT64_MIN), EXPIRES_AT_ONCE);
}
END_TEST

START_TEST(up_to_thirty_days_is_from_now)
{
    ck_assert_uint_eq(expiry(1), NOW_MS + 1000);
    ck_assert_uint_eq(expiry(2592000), NOW_MS + 2592000000ull);
}
END_TEST

START_TEST(larger_is_a_date)
{
    ck_assert_uint_eq(expiry(2592001), EXPIRES_AT_ONCE); /* January 1970 */
    ck_assert_uint_eq(expiry(1700000000), EXPIRES_AT_ONCE);
    ck_assert_uint_eq(expiry(1700000001), NOW_MS + 1000);
    ck_assert_uint_eq(exptime_to_expiry_ms(1700000001, NOW_MS, WALL_MS + 400), NOW_MS + 600);
}
END_TEST

START_TEST(dates_past_2038_are_in_the_future)
{
    ck_assert_uint_eq(expiry(2147483648), NOW_MS + 2147483648000ull - WALL_MS);
    ck_assert_uint_eq(expiry(4102444800), NOW_MS + 4102444800000ull - WALL_MS);
}
END_TEST

START_TEST(absurd_dates_saturate)
{
    ck_assert_uint_gt(expiry(INT64_MAX), expiry(4102444800));
    ck_assert_uint_eq(exptime_to_expiry_ms(INT64_MAX, UINT64_MAX - 1, 0), UINT64_MAX);
    ck_assert_uint_eq(exptime_to_expiry_ms(10, UINT64_MAX - 1, 0), UINT64_MAX);
}
END_TEST

UNIT_MAIN("exptime", zero_is_never, negative_is_at_once, up_to_thirty_days_is_from_now,
          larger_is_a_date, dates_past_2038_are_in_the_future, absurd_dates_saturate)
