/* mfctl top: what is read of statistics, rates between two readings, and how both
 * look. */
#include "control/top_json.h"
#include "control/top_view.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define PROCESS "STAT pid 7\r\nSTAT uptime 100\r\nSTAT version 1.6\r\nSTAT threads 4\r\n"
#define NONE    "ERROR\r\n"

static struct top_sample
read_sample(const char *text, uint64_t now_us)
{
    struct top_sample s;
    size_t used;
    ck_assert_int_eq(top_sample_read(span_cstr(text), now_us, &s, &used), TOP_READING_WHOLE);
    ck_assert_uint_eq(used, strlen(text));
    return s;
}

static struct top_rates
rates_of(const char *before, const char *after, uint64_t us)
{
    struct top_sample a = read_sample(before, 5), b = read_sample(after, 5 + us);
    struct top_rates rates;
    top_rates_between(&a, &b, &rates);
    top_sample_deinit(&a);
    top_sample_deinit(&b);
    return rates;
}

START_TEST(reads_a_node)
{
    struct top_sample s = read_sample(
        PROCESS "STAT cmd_get 10\r\nSTAT get_hits 9\r\nSTAT delete_hits 2\r\n"
                "STAT delete_misses 3\r\nSTAT rusage_user 1.5\r\nSTAT rusage_system 0.000020\r\n"
                "STAT curr_items 18446744073709551615\r\nSTAT bytes x\r\nEND\r\n"
                "STAT get:count 8\r\nSTAT get:p50_us 10\r\nSTAT get:p99_us 200\r\n"
                "STAT get:mean_us 1\r\nSTAT other:count 8\r\nEND\r\n"
                "STAT requests:total 200\r\nSTAT requests:1:key a%20:b\r\n"
                "STAT requests:1:count 50\r\nSTAT requests:11:key no\r\nSTAT bytes:1:key no\r\n"
                "STAT promoted:1:key a%20:b\r\nSTAT promoted:1:pool main\r\nEND\r\n" NONE,
        1);
    ck_assert(!s.is_proxy);
    ck_assert_str_eq(s.version, "1.6");
    ck_assert_uint_eq(s.values[TOP_DELETES], 5);
    ck_assert_uint_eq(s.values[TOP_CPU_US], 1500020);
    ck_assert_uint_eq(s.values[TOP_ITEMS], UINT64_MAX);
    ck_assert_uint_eq(s.values[TOP_BYTES], 0);
    ck_assert(top_knows(&s, TOP_GETS) && !top_knows(&s, TOP_FAILED));
    ck_assert_uint_eq(s.latency[TOP_CMD_GET].count, 8);
    ck_assert_uint_eq(s.latency[TOP_CMD_GET].p99_us, 200);
    ck_assert_str_eq(s.keys[0].key, "a%20:b");
    ck_assert(s.keys[0].promoted && !s.keys[1].promoted);
    ck_assert_double_eq(top_key_share(&s, &s.keys[0]), 0.25);
    top_sample_deinit(&s);
}
END_TEST

START_TEST(reads_a_proxy)
{
    struct top_sample s = read_sample(
        PROCESS "STAT backend_requests_total 1\r\nSTAT failed_down_total 2\r\n"
                "STAT failed_timeout_total 3\r\nEND\r\n" NONE "END\r\n"
                "STAT [::1]:7:addr [::1]:7\r\nSTAT [::1]:7:state active\r\n"
                "STAT [::1]:7:requests 5\r\nSTAT [::1]:7:timeouts 1\r\nSTAT [::1]:7:broken 2\r\n"
                "STAT [::1]:7:count 4\r\nSTAT [::1]:7:p50_us 50\r\nSTAT [::1]:7:p99_us 200\r\n"
                "STAT b\x1b[2J:addr x\r\nSTAT b\x1b[2J:down_workers 2\r\nEND\r\n",
        1);
    ck_assert(s.is_proxy);
    ck_assert_uint_eq(s.values[TOP_FAILED], 5);
    ck_assert_uint_eq(s.backend_count, 2);
    ck_assert_str_eq(s.backends[0].id, "[::1]:7");
    ck_assert_str_eq(s.backends[0].state, "active");
    ck_assert_uint_eq(s.backends[0].failed, 3);
    ck_assert_uint_eq(s.backends[0].p50_us, 50);
    ck_assert_uint_eq(s.backends[0].p99_us, 200);
    ck_assert_uint_eq(s.backends[1].p99_us, 0);
    ck_assert_str_eq(s.backends[1].id, "b?[2J");
    ck_assert_uint_eq(s.backends[1].down_workers, 2);
    ck_assert_double_lt(top_key_share(&s, &s.keys[0]), 0);
    top_sample_deinit(&s);
}
END_TEST

/* Whatever is missing at the end, more is waited for; and what is no statistics is
 * known. */
START_TEST(reads_in_pieces)
{
    static const char whole[] = PROCESS "END\r\n" NONE "STAT requests:1:key k\r\nEND\r\n"
                                        "STAT a:addr a\r\nEND\r\n";
    struct top_sample s;
    size_t used;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        ck_assert_int_eq(top_sample_read(span_make(whole, n), 1, &s, &used), TOP_READING_MORE);
    }
    static const char *const bad[] = {"HTTP/1.1 400 Bad Request\r\n", "VALUE a 0 1\r\n",
                                      NONE NONE NONE NONE, "\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(top_sample_read(span_cstr(bad[i]), 1, &s, &used), TOP_READING_BAD);
    }
}
END_TEST

#define GENERAL(rows)                                                                              \
    PROCESS rows "END\r\n" NONE NONE "STAT a:addr a\r\nSTAT a:requests 40\r\nEND\r\n"

START_TEST(rates)
{
    struct top_rates r =
        rates_of(GENERAL("STAT cmd_get 100\r\nSTAT get_hits 100\r\nSTAT rusage_user 1.0\r\n"),
                 PROCESS "STAT cmd_get 300\r\nSTAT get_hits 250\r\nSTAT cmd_set 20\r\n"
                         "STAT rusage_user 2.0\r\nEND\r\n" NONE NONE
                         "STAT new:addr n\r\nSTAT new:requests 6\r\n"
                         "STAT a:addr a\r\nSTAT a:requests 50\r\nEND\r\n",
                 2000000);
    ck_assert(!r.restarted);
    ck_assert_double_eq(r.per_second[TOP_GETS], 100);
    ck_assert_double_eq(r.requests, 110);
    ck_assert_double_eq(r.hit_ratio, 0.75);
    ck_assert_double_eq(r.cpu, 0.5);
    ck_assert_double_eq(r.backends[0], 3);
    ck_assert_double_eq(r.backends[1], 5);
}
END_TEST

START_TEST(counters_begin_anew)
{
    /* stats reset: the same process */
    struct top_rates r = rates_of(GENERAL("STAT cmd_get 100\r\nSTAT evictions 5\r\n"),
                                  GENERAL("STAT cmd_get 30\r\nSTAT evictions 7\r\n"), 1000000);
    ck_assert(!r.restarted);
    ck_assert_double_eq(r.per_second[TOP_GETS], 30);
    ck_assert_double_eq(r.per_second[TOP_EVICTIONS], 2);
    ck_assert_double_lt(r.hit_ratio, 1e-9);

    /* another process, by its number or its age, whose counters are higher already */
    static const char *const others[] = {"STAT pid 8\r\nSTAT uptime 200\r\n",
                                         "STAT pid 7\r\nSTAT uptime 1\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char after[256];
        snprintf(after, sizeof(after), "%sSTAT cmd_get 150\r\nEND\r\n" NONE NONE NONE, others[i]);
        r = rates_of(GENERAL("STAT cmd_get 100\r\n"), after, 1000000);
        ck_assert(r.restarted);
        ck_assert_double_eq(r.per_second[TOP_GETS], 150);
    }

    /* no time between them; more hits than gets, since they are read one after the other */
    r = rates_of(GENERAL("STAT cmd_get 100\r\n"), GENERAL("STAT cmd_get 200\r\n"), 0);
    ck_assert_double_eq(r.requests, 0);
    ck_assert_double_eq(r.seconds, 0);
    r = rates_of(GENERAL(""), GENERAL("STAT cmd_get 10\r\nSTAT get_hits 11\r\n"), 1);
    ck_assert_double_eq(r.hit_ratio, 1);
}
END_TEST

START_TEST(numbers_for_people)
{
    char out[TOP_NUMBER_MAX];
    ck_assert_str_eq(top_number(-1, out), "-");
    ck_assert_str_eq(top_number(0, out), "0");
    ck_assert_str_eq(top_number(0.25, out), "0.2");
    ck_assert_str_eq(top_number(42, out), "42");
    ck_assert_str_eq(top_number(999.4, out), "999");
    ck_assert_str_eq(top_number(999.6, out), "1.0k");
    ck_assert_str_eq(top_number(12345, out), "12.3k");
    ck_assert_str_eq(top_number(123456789, out), "123M");
    ck_assert_str_eq(top_number(1e18, out), "1000000T");
    ck_assert_str_eq(top_bytes(1024, out), "1.0K");
    ck_assert_str_eq(top_bytes(64 << 20, out), "64.0M");
    ck_assert_str_eq(top_percent(0.98349, out), "98.3");
    ck_assert_str_eq(top_percent(-1, out), "-");
    ck_assert_str_eq(top_micros(0, out), "-");
    ck_assert_str_eq(top_micros(20, out), "20us");
    ck_assert_str_eq(top_micros(1500, out), "1.5ms");
    ck_assert_str_eq(top_micros(2000000, out), "2s");
}
END_TEST

static struct top_server servers[3];
static struct top_server *listed[3] = {&servers[0], &servers[1], &servers[2]};
static const struct top_fleet fleet = {listed, 3};

static void
make_fleet(void)
{
    static char pool[] = "main", names[][8] = {"beta", "alpha", "gamma"};
    for (unsigned i = 0; i < 3; i++) {
        servers[i] = (struct top_server){.name = names[i], .pool = pool, .addr = names[i]};
        servers[i].state = TOP_UP;
        servers[i].before.at_us = servers[i].now.at_us = 1;
        servers[i].now.known = ~0u;
        servers[i].rates.seconds = 1;
        servers[i].rates.requests = servers[i].rates.per_second[TOP_GETS] = 100 * i;
        servers[i].rates.per_second[TOP_HITS] = 50 * i;
        servers[i].rates.hit_ratio = 0.9 - 0.1 * i;
    }
    servers[2].state = TOP_GONE;
    strcpy(servers[2].reason, "Connection refused");
}

static const char *
first_by(enum top_sort sort)
{
    const struct top_server **sorted = top_sorted(&fleet, sort);
    const char *name = sorted[0]->name;
    free(sorted);
    return name;
}

START_TEST(sorts)
{
    make_fleet();
    ck_assert_str_eq(first_by(TOP_SORT_LISTED), "beta");
    ck_assert_str_eq(first_by(TOP_SORT_NAME), "alpha");
    ck_assert_str_eq(first_by(TOP_SORT_REQUESTS), "alpha"); /* gamma is gone */
    ck_assert_str_eq(first_by(TOP_SORT_HITS), "alpha");
    ck_assert_str_eq(first_by(TOP_SORT_MEMORY), "alpha");
    enum top_sort sort;
    for (unsigned i = 0; i < TOP_SORT_COUNT; i++) {
        ck_assert(top_sort_find(span_cstr(top_sort_name((enum top_sort)i)), &sort));
        ck_assert_uint_eq(sort, i);
    }
    ck_assert(!top_sort_find(SPAN_LIT("x"), &sort));
}
END_TEST

START_TEST(sums)
{
    make_fleet();
    struct top_sum sum = top_sum_of(&fleet);
    ck_assert_uint_eq(sum.gone, 1);
    ck_assert_double_eq(sum.requests, 100);
    servers[1].now.is_proxy = true; /* beside a node it does not count */
    ck_assert_double_eq(top_sum_of(&fleet).requests, 0);
    servers[0].now.is_proxy = true; /* proxies alone do */
    ck_assert_double_eq(top_sum_of(&fleet).requests, 100);
}
END_TEST

START_TEST(pages)
{
    make_fleet();
    struct top_page page = {.count = 0};
    struct top_look look = {.sort = TOP_SORT_NAME, .chosen = 9};
    top_view(&fleet, &look, &page);
    ck_assert_uint_eq(page.count, 6);
    ck_assert_uint_eq(page.fixed, 3);
    ck_assert_uint_eq(look.chosen, 2);
    ck_assert_uint_eq(page.chosen, 5);
    ck_assert_ptr_nonnull(
        strstr(page.lines[0].text, "3 servers, 1 gone  100 requests/s  50.0 % hits"));
    ck_assert_str_eq(page.lines[5].text,
                     "gamma                    main       gone: Connection refused");
    ck_assert_int_eq(page.lines[5].tone, TOP_TROUBLE);
    look.server = &servers[2];
    top_view(&fleet, &look, &page);
    ck_assert_ptr_nonnull(strstr(page.lines[0].text, "gamma  gone: Connection refused"));
    look.server = &servers[0];
    top_view(&fleet, &look, &page);
    ck_assert_uint_eq(page.fixed, page.count); /* no commands, keys or backends yet */
    const struct top_fleet nobody = {NULL, 0};
    look.server = NULL;
    top_view(&nobody, &look, &page);
    ck_assert_uint_eq(page.count, 3);
    ck_assert_uint_eq(page.chosen, 0);
    top_page_deinit(&page);
}
END_TEST

START_TEST(as_json)
{
    make_fleet();
    json_t *json = top_json(&fleet, 1500);
    json_t *rows = json_object_get(json, "servers");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "time_ms")), 1500);
    ck_assert_uint_eq(json_array_size(rows), 3);
    ck_assert_double_eq(
        json_real_value(json_object_get(json_array_get(rows, 1), "requests_per_second")), 100);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(rows, 2), "state")), "gone");
    ck_assert_ptr_null(json_object_get(json_array_get(rows, 2), "requests_per_second"));
    json_decref(json);
}
END_TEST

UNIT_MAIN("top", reads_a_node, reads_a_proxy, reads_in_pieces, rates, counters_begin_anew,
          numbers_for_people, sorts, sums, pages, as_json)
