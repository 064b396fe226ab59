/* Times in buckets: where each counts, and what is told of them. */
#include "common/core/histogram.h"
#include "t/unit/unit.h"

static struct histogram
of(const struct histogram_cells *cells)
{
    struct histogram h = {{0}, 0};
    histogram_sum(cells, &h);
    return h;
}

START_TEST(times_have_their_buckets)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        struct histogram_cells cells = {{0}, 0};
        bool last = i == HISTOGRAM_BUCKETS - 1;
        uint64_t bound = histogram_bounds_us[last ? i - 1 : i];
        histogram_note(&cells, last ? bound + 1 : bound, 1000);
        histogram_note(&cells, i > 0 ? histogram_bounds_us[i - 1] + 1 : 0, 1);
        struct histogram h = of(&cells);
        ck_assert_uint_eq(h.counts[i], 1001);
        ck_assert_uint_eq(histogram_count(&h), 1001);
        ck_assert_uint_eq(histogram_quantile_us(&h, 1), bound);
        ck_assert_uint_eq(histogram_quantile_us(&h, 1000), bound);
    }
    struct histogram none = {{0}, 0};
    ck_assert_uint_eq(histogram_quantile_us(&none, 999), 0);
}
END_TEST

START_TEST(every_time_has_the_lowest_bucket_that_holds_it)
{
    unsigned expected = 0;
    struct histogram_cells cells = {{0}, 0};
    for (uint64_t us = 0; us < 10000000; us += us < 70000 ? 1 : 997) {
        while (expected < HISTOGRAM_BUCKETS - 1 && us > histogram_bounds_us[expected]) {
            expected++;
        }
        uint64_t before = atomic_load(&cells.counts[expected]);
        histogram_note(&cells, us, 1);
        ck_assert_msg(atomic_load(&cells.counts[expected]) == before + 1, "%d us", (int)us);
    }
    uint64_t before = atomic_load(&cells.counts[HISTOGRAM_BUCKETS - 1]);
    histogram_note(&cells, UINT64_MAX, 1);
    ck_assert_uint_eq(atomic_load(&cells.counts[HISTOGRAM_BUCKETS - 1]), before + 1);
}
END_TEST

START_TEST(a_quantile_is_the_bound_of_its_bucket)
{
    struct histogram_cells cells = {{0}, 0}, others = {{0}, 0};
    histogram_note(&cells, 90, 500);
    histogram_note(&cells, 150, 400);
    histogram_note(&others, 3000, 99);
    histogram_note(&others, 70000, 1);
    struct histogram h = of(&cells);
    histogram_sum(&others, &h);
    ck_assert_uint_eq(histogram_quantile_us(&h, 500), 100);
    ck_assert_uint_eq(histogram_quantile_us(&h, 501), 200);
    ck_assert_uint_eq(histogram_quantile_us(&h, 900), 200);
    ck_assert_uint_eq(histogram_quantile_us(&h, 999), 5000);
    ck_assert_uint_eq(histogram_quantile_us(&h, 1000), 100000);
    ck_assert_uint_eq(h.sum_us, 500 * 90 + 400 * 150 + 99 * 3000 + 70000);
    struct histogram later = of(&cells);
    histogram_subtract(&h, &later);
    ck_assert_uint_eq(histogram_count(&h), 100);
    ck_assert_uint_eq(h.sum_us, 99 * 3000 + 70000);
}
END_TEST

START_TEST(it_is_told_in_both_forms)
{
    struct histogram_cells cells = {{0}, 0};
    histogram_note(&cells, 90, 3);
    histogram_note(&cells, 6000000, 1);
    struct histogram h = of(&cells);
    struct buf out = BUF_EMPTY;
    histogram_put_stats(&h, "n", &out);
    buf_append(&out, "", 1);
    ck_assert_str_eq(buf_span(&out).ptr,
                     "STAT n:count 4\r\nSTAT n:mean_us 1500067\r\nSTAT n:p50_us 100\r\n"
                     "STAT n:p90_us 5000000\r\nSTAT n:p99_us 5000000\r\n"
                     "STAT n:p999_us 5000000\r\n");
    buf_deinit(&out);
    out = BUF_EMPTY;
    histogram_put_prometheus(&h, "m", "a=\"b\"", &out);
    buf_append(&out, "", 1);
    const char *text = buf_span(&out).ptr;
    ck_assert_ptr_nonnull(strstr(text, "m_bucket{a=\"b\",le=\"5e-05\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "m_bucket{a=\"b\",le=\"0.0001\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "m_bucket{a=\"b\",le=\"5\"} 3\n"
                                       "m_bucket{a=\"b\",le=\"+Inf\"} 4\n"
                                       "m_sum{a=\"b\"} 6.000270\nm_count{a=\"b\"} 4\n"));
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("histogram", times_have_their_buckets, every_time_has_the_lowest_bucket_that_holds_it,
          a_quantile_is_the_bound_of_its_bucket, it_is_told_in_both_forms)
