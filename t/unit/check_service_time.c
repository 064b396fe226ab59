/* Service times: which turns are measured, and what is told of them. */
#include "cached/service_time.h"
#include "common/core/clock.h"
#include "t/unit/unit.h"

static const struct metric_desc descs[] = {NODE_METRICS(METRIC_DESC)};
static struct metric_set *set;
static struct metric_block *metrics;
static struct service_times times;

static void
begin(void)
{
    set = metric_set_create("t", descs, NODE_METRIC_COUNT);
    metrics = metric_set_block(set);
    service_init(&times, 1);
    clock_test_begin(1000, 1000);
}

static void
end(void)
{
    clock_test_end();
    metric_set_destroy(&set);
}

/* A turn that brings some gets and deletes and takes so long. */
static void
turn(unsigned gets, unsigned deletes, uint64_t ms)
{
    uint64_t begun_us = clock_mono_us();
    service_turn_begins(&times, metrics);
    metric_add(metrics, METRIC_ID_NODE_GETS, gets);
    metric_add(metrics, METRIC_ID_NODE_DELETE_HITS, deletes / 2);
    metric_add(metrics, METRIC_ID_NODE_DELETE_MISSES, deletes - deletes / 2);
    clock_test_advance_ms(ms);
    if (service_turn_measured(&times)) {
        service_close(&times, metrics, begun_us);
    }
}

static struct histogram of(enum service_class class)
{
    struct histogram h = {{0}, 0};
    histogram_sum(&times.cells[class], &h);
    return h;
}

START_TEST(a_sample_stands_for_all)
{
    begin();
    for (unsigned i = 0; i < 100000; i++) {
        turn(3, 2, i % 100 == 0 ? 40 : 1);
    }
    struct histogram gets = of(SERVICE_GET), deletes = of(SERVICE_DELETE);
    uint64_t count = histogram_count(&gets);
    ck_assert_uint_gt(count, 300000 * 9 / 10);
    ck_assert_uint_lt(count, 300000 * 11 / 10);
    ck_assert_uint_eq(histogram_count(&deletes), count / 3 * 2);
    ck_assert_uint_eq(histogram_quantile_us(&gets, 500), 1000);
    ck_assert_uint_eq(histogram_quantile_us(&gets, 980), 1000);
    ck_assert_uint_eq(histogram_quantile_us(&gets, 999), 50000);
    uint64_t mean_us = gets.sum_us / count;
    ck_assert_uint_gt(mean_us, 1200);
    ck_assert_uint_lt(mean_us, 1600);
    struct histogram sets = of(SERVICE_SET);
    ck_assert_uint_eq(histogram_count(&sets), 0);
    ck_assert_uint_eq(histogram_quantile_us(&sets, 999), 0);
    end();
}
END_TEST

/* A turn that ends without a send is not told, and not mixed with the next. */
START_TEST(a_turn_that_breaks_off_is_forgotten)
{
    begin();
    for (unsigned i = 0; i < 1000; i++) {
        service_turn_begins(&times, metrics);
        metric_add(metrics, METRIC_ID_NODE_GETS, 1000);
    }
    struct histogram h = of(SERVICE_GET);
    ck_assert_uint_eq(histogram_count(&h), 0);
    for (unsigned i = 0; i < 1000; i++) {
        turn(1, 0, 1);
    }
    h = of(SERVICE_GET);
    ck_assert_uint_lt(histogram_count(&h), 2000);
    end();
}
END_TEST

UNIT_MAIN("service_time", a_sample_stands_for_all,
          a_turn_that_breaks_off_is_forgotten)
