#include "proxy/gather.h"
#include "t/unit/unit.h"

static struct gather g;
static uint64_t now_us;

/* Turns of so many clients, `span_us` from one to the next: how many of the last ten
 * would wait for more? */
static unsigned
waits(unsigned clients, uint64_t span_us)
{
    unsigned n = 0;
    for (int turn = 0; turn < 100; turn++) {
        now_us += span_us;
        bool pays = gather_pays(&g, clients, now_us);
        n += turn >= 90 && pays;
    }
    return n;
}

static void
begin(void)
{
    g = (struct gather){0};
    now_us = 1000000;
}

START_TEST(few_clients_are_told_at_once)
{
    begin();
    ck_assert_uint_eq(waits(1, 5), 0);
    ck_assert_uint_eq(waits(GATHER_CLIENTS - 1, 5), 0);
}
END_TEST

START_TEST(many_are_gathered)
{
    begin();
    ck_assert_uint_eq(waits(16, 20), 10);
    ck_assert_uint_eq(waits(1000, 20), 10);
}
END_TEST

START_TEST(nobody_waits_where_little_comes)
{
    begin();
    ck_assert_uint_eq(waits(1000, GATHER_SPAN_US), 0);
}
END_TEST

/* One lonely turn does not make it forget, and one crowded turn does not begin it. */
START_TEST(it_goes_by_what_is_usual)
{
    begin();
    ck_assert_uint_eq(waits(1, 20), 0);
    now_us += 20;
    ck_assert(!gather_pays(&g, 16, now_us));
    ck_assert_uint_eq(waits(16, 20), 10);
    now_us += 20;
    ck_assert(gather_pays(&g, 1, now_us));
    ck_assert_uint_eq(waits(0, 20), 0);
}
END_TEST

START_TEST(a_clock_that_stands_still_is_no_reason)
{
    begin();
    ck_assert_uint_eq(waits(1, 0), 0);
    ck_assert_uint_eq(waits(16, 0), 10);
}
END_TEST

UNIT_MAIN("gather", few_clients_are_told_at_once, many_are_gathered,
          nobody_waits_where_little_comes, it_goes_by_what_is_usual,
          a_clock_that_stands_still_is_no_reason)
