#include "t/bench/keychoice.h"
#include "t/bench/latency.h"
#include "t/unit/unit.h"

START_TEST(percentiles_are_near)
{
    static struct latency l;
    ck_assert_uint_eq(latency_percentile_ns(&l, 0.5), 0);
    for (uint64_t ns = 1; ns <= 100000; ns++) {
        latency_add(&l, ns);
    }
    for (unsigned percent = 1; percent < 100; percent++) {
        uint64_t ns = latency_percentile_ns(&l, percent / 100.0);
        ck_assert_uint_ge(ns, percent * 1000);
        ck_assert_uint_le(ns, percent * 1000 * 17 / 16 + 1);
    }
    ck_assert_uint_eq(latency_percentile_ns(&l, 1.0), 100000);
}
END_TEST

START_TEST(nothing_is_too_long)
{
    static struct latency l;
    latency_add(&l, 0);
    latency_add(&l, UINT64_MAX);
    ck_assert_uint_eq(l.count, 2);
    ck_assert_uint_eq(l.max_ns, UINT64_MAX);
    ck_assert_uint_eq(latency_percentile_ns(&l, 0.5), 0);
}
END_TEST

START_TEST(zipf_prefers_the_first)
{
    enum { KEYS = 1000, DRAWS = 100000 };
    static unsigned drawn[KEYS];
    struct keychoice *c = keychoice_create(KEYS, 0, 1.2, 7);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint32_t key = keychoice_next(c);
        ck_assert_uint_lt(key, KEYS);
        drawn[key]++;
    }
    /* The first has 1/sum(i^-1.2), a little under a quarter. */
    ck_assert_uint_gt(drawn[0], DRAWS / 5);
    ck_assert_uint_lt(drawn[0], DRAWS / 4);
    ck_assert_uint_gt(drawn[0], drawn[1]);
    ck_assert_uint_gt(drawn[1], drawn[10]);
    keychoice_destroy(&c);
}
END_TEST

START_TEST(in_turn_each_comes_once)
{
    struct keychoice *c = keychoice_create(5, 1, 0, 1);
    for (uint32_t i = 0; i < 12; i++) {
        ck_assert_uint_eq(keychoice_next(c), i % 5);
    }
    keychoice_destroy(&c);
}
END_TEST

UNIT_MAIN("latency", percentiles_are_near, nothing_is_too_long, zipf_prefers_the_first,
          in_turn_each_comes_once)
