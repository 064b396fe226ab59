#include "t/unit/unit.h"

#include "common/core/backoff.h"

START_TEST(waits_grow_up_to_the_cap)
{
    struct backoff b;
    backoff_init(&b, 100, 100, 5000, 1);
    uint64_t ceiling = 100;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t wait = backoff_next_ms(&b);
        ck_assert_uint_ge(wait, 100);
        ck_assert_uint_le(wait, ceiling);
        ceiling = ceiling * 2 > 5000 ? 5000 : ceiling * 2;
    }
}
END_TEST

START_TEST(success_starts_over)
{
    struct backoff b;
    backoff_init(&b, 0, 10, 100000, 2);
    for (unsigned i = 0; i < 20; i++) {
        backoff_next_ms(&b);
    }
    backoff_reset(&b, 10);
    ck_assert_uint_le(backoff_next_ms(&b), 10);
    ck_assert_uint_le(backoff_next_ms(&b), 20);
}
END_TEST

/* Owners with different seeds must not come back together; the mean is in the
 * middle. */
START_TEST(waits_are_spread)
{
    uint64_t sum = 0;
    unsigned same = 0;
    struct backoff a, b;
    backoff_init(&a, 0, 1000, 1000, random_seed());
    backoff_init(&b, 0, 1000, 1000, 12345);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t wait = backoff_next_ms(&b);
        same += backoff_next_ms(&a) == wait;
        sum += wait;
    }
    ck_assert_uint_gt(sum / 10000, 450);
    ck_assert_uint_lt(sum / 10000, 550);
    ck_assert_uint_lt(same, 200);
}
END_TEST

START_TEST(a_huge_cap_does_not_overflow)
{
    struct backoff b;
    backoff_init(&b, 1, 1, UINT64_MAX / 2, 3);
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_uint_ge(backoff_next_ms(&b), 1);
    }
    ck_assert_uint_eq(b.ceiling_ms, UINT64_MAX / 2);
}
END_TEST

UNIT_MAIN("backoff", waits_grow_up_to_the_cap, success_starts_over, waits_are_spread,
          a_huge_cap_does_not_overflow)
