#include "proxy/tail_estimate.h"
#include "common/core/backoff.h"
#include "t/unit/unit.h"

/* Answers that take from `least` to `least + spread` us; returns how many of 20,000 took
 * longer than was thought. */
static unsigned
learn(uint32_t *estimate, uint32_t least, uint32_t spread, uint64_t *rng)
{
    unsigned longer = 0;
    for (int i = 0; i < 40000; i++) {
        bool is_longer = least + random_next(rng) % spread > tail_us(*estimate);
        longer += is_longer && i >= 20000;
        *estimate = tail_learn(*estimate, is_longer);
    }
    return longer;
}

START_TEST(one_in_twenty_takes_longer)
{
    uint64_t rng = 7;
    uint32_t estimate = 0;
    ck_assert_uint_eq(tail_us(estimate), TAIL_FIRST_US);
    unsigned longer = learn(&estimate, 2000, 10000, &rng);
    ck_assert_uint_gt(longer, 800);
    ck_assert_uint_lt(longer, 1200);
    ck_assert_uint_gt(estimate, 9500);
    ck_assert_uint_lt(estimate, 13500);
    longer = learn(&estimate, 50000, 100000, &rng); /* the node has become slower, */
    ck_assert_uint_gt(longer, 700);
    ck_assert_uint_lt(longer, 1300);
    longer = learn(&estimate, 2000, 10000, &rng); /* and fast again */
    ck_assert_uint_gt(longer, 800);
    ck_assert_uint_lt(longer, 1200);
}
END_TEST

START_TEST(it_has_bounds)
{
    uint64_t rng = 7;
    uint32_t estimate = 0;
    ck_assert_uint_eq(learn(&estimate, 10, 10, &rng), 0);
    ck_assert_uint_eq(estimate, TAIL_LEAST_US);
    ck_assert_uint_eq(learn(&estimate, 1000000, 10, &rng), 20000);
    ck_assert_uint_eq(estimate, TAIL_MOST_US);
}
END_TEST

UNIT_MAIN("tail_estimate", one_in_twenty_takes_longer, it_has_bounds)
