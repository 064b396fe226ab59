#include "common/push/follow_link.h"
#include "t/unit/unit.h"

#define PEERS 3

START_TEST(the_first_connect_is_due_at_once)
{
    struct follow_link l;
    follow_link_init(&l, PEERS, 1, 1000);
    ck_assert_uint_eq(follow_link_wait_ms(&l, 1000), 0);
    ck_assert_int_eq(follow_link_step(&l, 1000), LINK_CONNECT);
    ck_assert_int_eq(follow_link_step(&l, 1000), LINK_NOTHING);
    ck_assert_uint_lt(l.peer, PEERS);
}
END_TEST

START_TEST(a_fleet_spreads_over_its_peers)
{
    unsigned first[PEERS] = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct follow_link l;
        follow_link_init(&l, PEERS, seed * 0x9e3779b97f4a7c15u, 0);
        first[l.peer]++;
    }
    for (unsigned i = 0; i < PEERS; i++) {
        ck_assert_uint_gt(first[i], 50);
    }
}
END_TEST

START_TEST(every_try_is_at_the_next_peer_after_a_longer_wait)
{
    struct follow_link l;
    uint64_t now = 0, longest = 0;
    follow_link_init(&l, PEERS, 7, now);
    unsigned peer = l.peer;
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_int_eq(follow_link_step(&l, now), LINK_CONNECT);
        ck_assert_uint_eq(l.peer, (peer + i) % PEERS);
        follow_link_lost(&l, now);
        uint64_t wait = follow_link_wait_ms(&l, now);
        ck_assert_uint_ge(wait, LINK_WAIT_MIN_MS);
        ck_assert_uint_le(wait, LINK_WAIT_MAX_MS);
        if (i == 0) {
            ck_assert_uint_le(wait, LINK_WAIT_FIRST_MS);
        }
        longest = wait > longest ? wait : longest;
        ck_assert_int_eq(follow_link_step(&l, now + wait - 1), LINK_NOTHING);
        now += wait;
    }
    ck_assert_uint_gt(longest, LINK_WAIT_MAX_MS / 2);
}
END_TEST

START_TEST(a_connect_that_hangs_is_given_up)
{
    struct follow_link l;
    follow_link_init(&l, PEERS, 7, 0);
    follow_link_step(&l, 0);
    ck_assert_int_eq(follow_link_step(&l, LINK_CONNECT_MS - 1), LINK_NOTHING);
    ck_assert_int_eq(follow_link_step(&l, LINK_CONNECT_MS), LINK_DROP);
    ck_assert_int_eq(l.state, LINK_WAITING);
    /* The owner closes and says so; that is not a second loss. */
    uint64_t due = l.due_ms;
    follow_link_lost(&l, LINK_CONNECT_MS);
    ck_assert_uint_eq(l.due_ms, due);
}
END_TEST

START_TEST(silence_ends_a_stream_and_beats_keep_it)
{
    struct follow_link l;
    follow_link_init(&l, PEERS, 7, 0);
    follow_link_step(&l, 0);
    follow_link_connected(&l, 10);
    for (uint64_t now = 5000; now < 100000; now += 5000) {
        ck_assert_int_eq(follow_link_step(&l, now), LINK_NOTHING);
        follow_link_heard(&l, now);
    }
    ck_assert_int_eq(follow_link_step(&l, 95000 + LINK_SILENT_MS - 1), LINK_NOTHING);
    ck_assert_int_eq(follow_link_step(&l, 95000 + LINK_SILENT_MS), LINK_DROP);
}
END_TEST

START_TEST(who_is_in_a_hurry_waits_for_nobody)
{
    struct follow_link l;
    follow_link_init(&l, PEERS, 7, 0);
    follow_link_step(&l, 0);
    follow_link_hurry(&l, 1);
    ck_assert_int_eq(follow_link_step(&l, 1), LINK_NOTHING); /* it connects already */
    follow_link_lost(&l, 2);
    ck_assert_uint_gt(follow_link_wait_ms(&l, 2), 0);
    follow_link_hurry(&l, 2);
    ck_assert_int_eq(follow_link_step(&l, 2), LINK_CONNECT);
    follow_link_connected(&l, 10);
    follow_link_hurry(&l, 10 + LINK_SUSPECT_MS - 1);
    ck_assert_int_eq(follow_link_step(&l, 10 + LINK_SUSPECT_MS - 1), LINK_NOTHING);
    follow_link_hurry(&l, 10 + LINK_SUSPECT_MS);
    ck_assert_int_eq(follow_link_step(&l, 10 + LINK_SUSPECT_MS), LINK_DROP);
}
END_TEST

START_TEST(a_frame_on_its_way_is_no_silence)
{
    struct follow_link l;
    follow_link_init(&l, PEERS, 7, 0);
    follow_link_step(&l, 0);
    follow_link_connected(&l, 0);
    uint64_t ceiling = l.backoff.ceiling_ms, now = 0;
    for (int i = 0; i < 10; i++) {
        now += LINK_SILENT_MS - 1;
        ck_assert_int_eq(follow_link_step(&l, now), LINK_NOTHING);
        follow_link_receiving(&l, now);
    }
    ck_assert_uint_eq(l.backoff.ceiling_ms, ceiling);
    ck_assert_int_eq(follow_link_step(&l, now + LINK_SILENT_MS), LINK_DROP);
}
END_TEST

START_TEST(only_a_beat_makes_waits_short_again)
{
    struct follow_link l;
    uint64_t now = 0;
    follow_link_init(&l, 1, 7, 0);
    for (unsigned i = 0; i < 20; i++) {
        now = l.due_ms;
        follow_link_step(&l, now);
        follow_link_connected(&l, now);
        follow_link_lost(&l, now);
    }
    ck_assert_uint_eq(l.backoff.ceiling_ms, LINK_WAIT_MAX_MS);
    now = l.due_ms;
    follow_link_step(&l, now);
    follow_link_connected(&l, now);
    follow_link_heard(&l, now);
    follow_link_lost(&l, now);
    ck_assert_uint_le(follow_link_wait_ms(&l, now), LINK_WAIT_FIRST_MS);
}
END_TEST

START_TEST(the_list_may_shrink)
{
    struct follow_link l;
    follow_link_init(&l, 9, 7, 0);
    l.peer = 8;
    l.peer_count = 2;
    ck_assert_int_eq(follow_link_step(&l, 0), LINK_CONNECT);
    ck_assert_uint_lt(l.peer, 2);
}
END_TEST

UNIT_MAIN("follow_link", the_first_connect_is_due_at_once, a_fleet_spreads_over_its_peers,
          every_try_is_at_the_next_peer_after_a_longer_wait, a_connect_that_hangs_is_given_up,
          silence_ends_a_stream_and_beats_keep_it, who_is_in_a_hurry_waits_for_nobody, a_frame_on_its_way_is_no_silence,
          only_a_beat_makes_waits_short_again, the_list_may_shrink)
