#include "proxy/health.h"
#include "t/unit/unit.h"

#define MS   1000ull
#define SEED 42

static struct health h;
static uint64_t now = 1000000 * MS;

static enum health_change
note(enum health_event event)
{
    return health_note(&h, event, now);
}

/* Waits until the probe is due, within the given bounds, and returns the wait. */
static uint64_t
wait_for_probe(uint64_t least_ms, uint64_t most_ms)
{
    uint64_t wait = h.probe_due_us - now;
    ck_assert_uint_ge(wait, least_ms * MS);
    ck_assert_uint_le(wait, most_ms * MS);
    now = h.probe_due_us;
    return wait;
}

START_TEST(connect_failure_is_down_at_once)
{
    health_init(&h, SEED);
    ck_assert_int_eq(note(HEALTH_ANSWERED), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_CONNECT_FAILED), HEALTH_WENT_DOWN);
    ck_assert_int_eq(note(HEALTH_CONNECT_FAILED), HEALTH_SAME);
    ck_assert_int_eq(h.state, HEALTH_DOWN);
}
END_TEST

START_TEST(three_timeouts_in_a_row_are_down)
{
    health_init(&h, SEED);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
    note(HEALTH_ANSWERED);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_WENT_DOWN);
}
END_TEST

START_TEST(more_than_half_of_twenty_in_a_second_are_down)
{
    health_init(&h, SEED);
    for (int i = 0; i < 9; i++) {
        ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
        ck_assert_int_eq(note(HEALTH_ANSWERED), HEALTH_SAME);
    }
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);      /* 10 of 19 */
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_WENT_DOWN); /* 11 of 20 */
}
END_TEST

START_TEST(half_is_not_more_than_half_and_windows_end)
{
    health_init(&h, SEED);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(note(HEALTH_ANSWERED), HEALTH_SAME);
        ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
    }
    note(HEALTH_ANSWERED); /* the row of timeouts ends */
    for (int i = 0; i < 50; i++) {
        /* A new second each time: never twenty requests together. */
        now += HEALTH_WINDOW_US;
        ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
        ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME);
        ck_assert_int_eq(note(HEALTH_ANSWERED), HEALTH_SAME);
    }
}
END_TEST

START_TEST(probes_double_up_to_the_cap)
{
    health_init(&h, SEED);
    note(HEALTH_CONNECT_FAILED);
    uint64_t ms = HEALTH_PROBE_FIRST_MS;
    for (int i = 0; i < 12; i++) {
        wait_for_probe(ms * 7 / 10, ms * 13 / 10);
        ck_assert_int_eq(note(HEALTH_PROBE_FAILED), HEALTH_SAME);
        ms = ms * 2 > HEALTH_PROBE_CAP_MS ? HEALTH_PROBE_CAP_MS : ms * 2;
    }
    ck_assert_uint_eq(ms, HEALTH_PROBE_CAP_MS);
}
END_TEST

START_TEST(two_answered_probes_are_up)
{
    health_init(&h, SEED);
    note(HEALTH_CONNECT_FAILED);
    ck_assert_int_eq(note(HEALTH_PROBE_ANSWERED), HEALTH_SAME);
    wait_for_probe(70, 130);
    note(HEALTH_PROBE_FAILED); /* one is forgotten by a failure */
    ck_assert_int_eq(note(HEALTH_PROBE_ANSWERED), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_PROBE_ANSWERED), HEALTH_REACHED);
    ck_assert_int_eq(h.state, HEALTH_REJOINING);
    ck_assert(!health_admits(&h, 1, 3));
    ck_assert_int_eq(note(HEALTH_PROBE_ANSWERED), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_CAUGHT_UP), HEALTH_WENT_UP);
    ck_assert_int_eq(h.state, HEALTH_UP);
    ck_assert_int_eq(note(HEALTH_CAUGHT_UP), HEALTH_SAME);
    ck_assert_int_eq(note(HEALTH_TIMED_OUT), HEALTH_SAME); /* the past is forgotten */
}
END_TEST

START_TEST(one_that_fails_while_rejoining_is_down_again)
{
    static const enum health_event failures[] = {HEALTH_TIMED_OUT, HEALTH_CONNECT_FAILED};
    for (size_t i = 0; i < 2; i++) {
        health_init(&h, SEED);
        note(HEALTH_CONNECT_FAILED);
        note(HEALTH_PROBE_ANSWERED);
        ck_assert_int_eq(note(HEALTH_PROBE_ANSWERED), HEALTH_REACHED);
        ck_assert_int_eq(note(failures[i]), HEALTH_SAME); /* it was never UP */
        ck_assert_int_eq(h.state, HEALTH_DOWN);
        wait_for_probe(70, 130);
        ck_assert_int_eq(note(HEALTH_CAUGHT_UP), HEALTH_SAME);
    }
}
END_TEST

START_TEST(late_answers_do_not_bring_it_up)
{
    health_init(&h, SEED);
    note(HEALTH_CONNECT_FAILED);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(note(HEALTH_ANSWERED), HEALTH_SAME);
    }
    ck_assert_int_eq(h.state, HEALTH_DOWN);
}
END_TEST

START_TEST(probes_are_not_in_step)
{
    uint64_t waits[8];
    unsigned different = 0;
    for (unsigned i = 0; i < 8; i++) {
        health_init(&h, i * 7919 + 1);
        note(HEALTH_CONNECT_FAILED);
        waits[i] = wait_for_probe(70, 130);
        different += i > 0 && waits[i] != waits[0];
    }
    ck_assert_uint_gt(different, 5);
}
END_TEST

START_TEST(fails_open_when_most_look_down)
{
    health_init(&h, SEED);
    note(HEALTH_CONNECT_FAILED);
    ck_assert(!health_admits(&h, 1, 3));
    ck_assert(!health_admits(&h, 1, 2));
    ck_assert(health_admits(&h, 2, 3));
    ck_assert(health_admits(&h, 1, 1));
    health_init(&h, SEED);
    ck_assert(health_admits(&h, 0, 3));
}
END_TEST

UNIT_MAIN("health", connect_failure_is_down_at_once, three_timeouts_in_a_row_are_down,
          more_than_half_of_twenty_in_a_second_are_down, half_is_not_more_than_half_and_windows_end,
          probes_double_up_to_the_cap, two_answered_probes_are_up,
          one_that_fails_while_rejoining_is_down_again, late_answers_do_not_bring_it_up,
          probes_are_not_in_step, fails_open_when_most_look_down)
