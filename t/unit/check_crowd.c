#include "cached/crowd.h"
#include "t/unit/unit.h"

static struct crowd crowd;
static uint32_t rounds[100];
static uint64_t now_us = 5000000;

/* So many connections have a turn each `every_us`, one behind the other, for a while. */
static void
ask(unsigned connections, unsigned every_us, unsigned for_us)
{
    for (unsigned i = 0; i * every_us < for_us; i++) {
        now_us += every_us;
        crowd_turn(&crowd, now_us);
        crowd_joins(&crowd, &rounds[i % connections]);
    }
}

START_TEST(different_ones_are_counted)
{
    ask(CROWD_LARGE, 20, 3000);
    ck_assert(crowd_is_large(&crowd));
    ask(CROWD_LARGE - 1, 20, 3000);
    ck_assert(!crowd_is_large(&crowd));
    ask(1, 2, 3000); /* however often */
    ck_assert(!crowd_is_large(&crowd));
}
END_TEST

START_TEST(it_takes_a_window)
{
    ask(50, 10, CROWD_WINDOW_US / 2);
    ck_assert(!crowd_is_large(&crowd));
    ask(50, 10, CROWD_WINDOW_US);
    ck_assert(crowd_is_large(&crowd));
}
END_TEST

START_TEST(those_of_long_ago_are_no_crowd)
{
    ask(50, 10, 3000);
    ck_assert(crowd_is_large(&crowd));
    now_us += 2 * CROWD_WINDOW_US;
    crowd_turn(&crowd, now_us);
    ck_assert(!crowd_is_large(&crowd));
}
END_TEST

START_TEST(rare_ones_are_few)
{
    ask(100, CROWD_WINDOW_US / 4, 50000);
    ck_assert(!crowd_is_large(&crowd));
}
END_TEST

UNIT_MAIN("crowd", different_ones_are_counted, it_takes_a_window, those_of_long_ago_are_no_crowd,
          rare_ones_are_few)
