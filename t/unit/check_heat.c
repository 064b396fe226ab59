/* What items are worth, and who goes. */
#include "cached/store/heat.h"
#include "t/unit/unit.h"

START_TEST(credit_grows_and_fades)
{
    uint8_t heat = HEAT_HIT;
    for (int i = 0; i < 100; i++) {
        uint8_t hotter = heat_hit(heat);
        ck_assert_uint_ge(hotter & HEAT_CREDIT, heat & HEAT_CREDIT);
        heat = hotter;
    }
    ck_assert_uint_eq(heat & HEAT_CREDIT, HEAT_CREDIT);
    for (int i = 0; i < 10; i++) {
        heat = heat_passed(heat);
        ck_assert(heat & HEAT_FETCHED);
    }
    ck_assert_uint_eq(heat & HEAT_CREDIT, 0);
    ck_assert_uint_eq(heat_passed(HEAT_HIT), HEAT_HIT / 2);
}
END_TEST

START_TEST(worth_is_hits_by_byte)
{
    ck_assert_uint_gt(heat_worth(HEAT_HIT, 100), heat_worth(HEAT_HIT, 200));
    ck_assert_uint_eq(heat_worth(HEAT_HIT, 100), heat_worth(2 * HEAT_HIT, 200));
    ck_assert_uint_gt(heat_worth(2 * HEAT_HIT, 150), heat_worth(HEAT_HIT, 100));
    ck_assert_uint_eq(heat_worth(0, 1), 0);
    ck_assert_uint_gt(heat_worth(1, UINT32_MAX), 0);
    ck_assert_uint_lt(heat_worth(HEAT_CREDIT, 1), HEAT_WORTHS);
    unsigned last = HEAT_WORTHS;
    for (uint64_t bytes = 1; bytes < 1u << 30; bytes += bytes / 8 + 1) {
        unsigned worth = heat_worth(HEAT_HIT, bytes);
        ck_assert_uint_le(worth, last);
        last = worth;
    }
}
END_TEST

START_TEST(a_cut_takes_the_worst)
{
    struct heat_census census = {{0}};
    census.bytes[10] = 100;
    census.bytes[20] = 100;
    census.bytes[30] = 100;
    struct heat_cut cut = heat_cut_at(&census, 150);
    ck_assert(heat_cut_takes(&cut, 10, 100));
    ck_assert(heat_cut_takes(&cut, 20, 40));
    ck_assert(heat_cut_takes(&cut, 20, 40)); /* more than half is gone only now */
    ck_assert(!heat_cut_takes(&cut, 20, 40));
    ck_assert(!heat_cut_takes(&cut, 30, 1));
    cut = heat_cut_at(&census, 0);
    ck_assert(!heat_cut_takes(&cut, 10, 100));
    cut = heat_cut_at(&census, 1000);
    ck_assert(heat_cut_takes(&cut, 30, 100));
}
END_TEST

UNIT_MAIN("heat", credit_grows_and_fades, worth_is_hits_by_byte, a_cut_takes_the_worst)
