#include "t/unit/unit.h"

#include "common/core/metric.h"

#include <pthread.h>

#define METRICS(X)                                                                                 \
    X(REQUESTS, "requests_total", COUNTER, "Requests read.")                                       \
    X(OPEN, "open", GAUGE, "Connections that are open.")

enum { METRICS(METRIC_ENUM) COUNT };
static const struct metric_desc descs[] = {METRICS(METRIC_DESC)};

START_TEST(blocks_are_summed)
{
    struct metric_set *set = metric_set_create("mf", descs, COUNT);
    struct metric_block *a = metric_set_block(set), *b = metric_set_block(set);
    metric_add(a, METRIC_ID_REQUESTS, 3);
    metric_add(b, METRIC_ID_REQUESTS, 4);
    metric_add(a, METRIC_ID_OPEN, 2);
    metric_sub(a, METRIC_ID_OPEN, 1);
    metric_set_value(b, METRIC_ID_OPEN, 10);
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_REQUESTS), 7);
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_OPEN), 11);
    /* What one thread opened another may close. */
    metric_sub(b, METRIC_ID_OPEN, 11);
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_OPEN), 0);
    /* And be read before the one that opens. */
    metric_sub(b, METRIC_ID_OPEN, 1);
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_OPEN), 0);
    metric_add(a, METRIC_ID_OPEN, 2);
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_OPEN), 1);
    metric_set_destroy(&set);
    ck_assert_ptr_null(set);
    metric_set_destroy(&set);
}
END_TEST

#define THREADS 4
#define ADDS    20000

static void *
count_much(void *arg)
{
    struct metric_block *block = metric_set_block(arg);
    for (unsigned i = 0; i < ADDS; i++) {
        metric_add(block, METRIC_ID_REQUESTS, 1);
    }
    return NULL;
}

START_TEST(threads_lose_nothing)
{
    struct metric_set *set = metric_set_create("mf", descs, COUNT);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_much, set), 0);
    }
    ck_assert_uint_le(metric_sum(set, METRIC_ID_REQUESTS), THREADS * ADDS);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(metric_sum(set, METRIC_ID_REQUESTS), THREADS * ADDS);
    metric_set_destroy(&set);
}
END_TEST

START_TEST(prometheus_text)
{
    struct metric_set *set = metric_set_create("mf", descs, COUNT);
    struct buf out = BUF_EMPTY;
    metric_add(metric_set_block(set), METRIC_ID_REQUESTS, 5);
    metric_render_prometheus(set, "{pool=\"a\"}", &out);
    ck_assert(span_eq_cstr(buf_span(&out), "# HELP mf_requests_total Requests read.\n"
                                           "# TYPE mf_requests_total counter\n"
                                           "mf_requests_total{pool=\"a\"} 5\n"
                                           "# HELP mf_open Connections that are open.\n"
                                           "# TYPE mf_open gauge\n"
                                           "mf_open{pool=\"a\"} 0\n"));
    buf_deinit(&out);
    metric_set_destroy(&set);
}
END_TEST

static void
take_row(void *arg, const struct metric_desc *desc, uint64_t value)
{
    buf_printf(arg, "%s=%u ", desc->name, (unsigned)value);
}

START_TEST(rows_come_in_order)
{
    struct metric_set *set = metric_set_create("mf", descs, COUNT);
    struct buf out = BUF_EMPTY;
    metric_each(set, take_row, &out);
    ck_assert(span_eq_cstr(buf_span(&out), "requests_total=0 open=0 "));
    buf_deinit(&out);
    metric_set_destroy(&set);
}
END_TEST

START_TEST(labels_are_escaped)
{
    struct buf out = BUF_EMPTY;
    metric_put_label(&out, "node", "a \"b\" c:\\d\ne");
    ck_assert(span_eq_cstr(buf_span(&out), "node=\"a \\\"b\\\" c:\\\\d\\ne\""));
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("metric", blocks_are_summed, threads_lose_nothing, prometheus_text, rows_come_in_order,
          labels_are_escaped)
