/* The watch's decisions, with a made-up clock. */
#include "control/etcd/watch_state.h"
#include "t/unit/unit.h"

#define IDLE_MS   15000
#define RESYNC_MS 300000

static struct watch_state s;
static enum watch_cause cause;

static struct answer
message(bool created, int64_t revision, size_t changes)
{
    return (struct answer){.message = "",
                           .cancel_reason = "",
                           .created = created,
                           .header.revision = revision,
                           .change_count = changes};
}

static enum watch_message_verdict
hear(uint64_t now, struct answer m)
{
    return watch_state_judge_message(&s, now, &m, GUARD_BELIEVED, &cause);
}

/* To STREAMING at `revision`, the stream created at `now`. */
static void
stream_at(uint64_t now, int64_t revision)
{
    ck_assert_int_eq(s.phase, WATCH_LISTING);
    ck_assert_int_eq(watch_state_judge_list(&s, revision, GUARD_BELIEVED), WATCH_LIST_GOOD);
    ck_assert_int_eq(watch_state_adopt(&s, now, revision), WATCH_DO_OPEN);
    ck_assert_int_eq(hear(now, message(true, revision, 0)), WATCH_MESSAGE_QUIET);
}

static void
begin(size_t endpoints)
{
    watch_state_init(&s, endpoints, IDLE_MS, RESYNC_MS, 4 * endpoints);
    ck_assert_uint_eq(s.endpoint, 0);
    ck_assert_int_eq(watch_state_start(&s, 0), WATCH_DO_LIST);
}

/* Fires the timer where it stands. */
static enum watch_do
fire(void)
{
    return watch_state_timer(&s, s.timer_at_ms, &cause);
}

START_TEST(the_way_to_a_stream)
{
    begin(1);
    ck_assert(!s.live);
    ck_assert_uint_eq(s.timer_at_ms, 0);
    stream_at(100, 10);
    ck_assert(s.live);
    ck_assert_int_eq(s.phase, WATCH_STREAMING);
    ck_assert_uint_eq(s.timer_at_ms, 100 + IDLE_MS);
    ck_assert_int_eq(watch_state_timer(&s, 101, &cause), WATCH_DO_NOTHING);
}
END_TEST

START_TEST(created_has_three_seconds)
{
    begin(2);
    watch_state_judge_list(&s, 10, GUARD_BELIEVED);
    watch_state_adopt(&s, 100, 10);
    ck_assert_uint_eq(s.timer_at_ms, 100 + WATCH_CREATED_MS);
    ck_assert_int_eq(fire(), WATCH_DO_REST);
    ck_assert_int_eq(cause, WATCH_CAUSE_NOT_CREATED);
    ck_assert(!s.live);
    ck_assert_uint_eq(s.endpoint, 1);
}
END_TEST

START_TEST(silence_asks_for_a_list_elsewhere)
{
    begin(2);
    stream_at(100, 10);
    hear(5000, message(false, 10, 0));
    ck_assert_uint_eq(s.timer_at_ms, 5000 + IDLE_MS);
    ck_assert_int_eq(fire(), WATCH_DO_LIST);
    ck_assert_int_eq(cause, WATCH_CAUSE_SILENT);
    ck_assert(s.live);
    ck_assert_uint_eq(s.endpoint, 1);
    ck_assert_int_eq(watch_state_break(&s, 30000, WATCH_CAUSE_LIST_FAILED), WATCH_DO_REST);
    ck_assert(!s.live);
}
END_TEST

START_TEST(resync_within_a_fifth)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint64_t seed = 1; seed < 500; seed++) {
        watch_state_init(&s, 1, IDLE_MS, RESYNC_MS, seed * 0x9E3779B97F4A7C15u);
        watch_state_start(&s, 0);
        stream_at(0, 10);
        least = s.resync_at_ms < least ? s.resync_at_ms : least;
        most = s.resync_at_ms > most ? s.resync_at_ms : most;
    }
    ck_assert_uint_ge(least, 240000);
    ck_assert_uint_lt(least, 246000);
    ck_assert_uint_le(most, 360000);
    ck_assert_uint_gt(most, 354000);
    for (uint64_t now = 0; now + 1000 < s.resync_at_ms; now += 1000) {
        hear(now, message(false, 10, 0));
    }
    ck_assert_uint_eq(s.timer_at_ms, s.resync_at_ms);
    ck_assert_int_eq(fire(), WATCH_DO_LIST);
    ck_assert_int_eq(cause, WATCH_CAUSE_RESYNC);
    ck_assert(s.live);
}
END_TEST

START_TEST(waits_grow_until_a_stream_has_proven_itself)
{
    begin(1);
    uint64_t now = 0;
    for (int i = 0; i < 20; i++) {
        watch_state_break(&s, now, WATCH_CAUSE_LIST_FAILED);
        ck_assert_uint_le(s.timer_at_ms - now, WATCH_BACKOFF_MAX_MS);
        now = s.timer_at_ms;
        ck_assert_int_eq(fire(), WATCH_DO_LIST);
    }
    ck_assert_uint_eq(s.backoff.ceiling_ms, WATCH_BACKOFF_MAX_MS);
    stream_at(now, 10);
    watch_state_break(&s, now + WATCH_PROVEN_MS - 1, WATCH_CAUSE_STREAM_ENDED);
    ck_assert_uint_eq(s.backoff.ceiling_ms, WATCH_BACKOFF_MAX_MS);
    fire();
    stream_at(now, 10);
    watch_state_break(&s, now + WATCH_PROVEN_MS, WATCH_CAUSE_STREAM_ENDED);
    ck_assert_uint_le(s.timer_at_ms, now + WATCH_PROVEN_MS + WATCH_BACKOFF_MS);
    ck_assert_uint_eq(s.backoff.ceiling_ms, 2 * WATCH_BACKOFF_MS);
}
END_TEST

START_TEST(only_whole_answers_move_the_resume_point)
{
    begin(1);
    stream_at(0, 10);
    hear(1, message(false, 99, 0));
    ck_assert_int_eq(s.applied, 10);
    struct answer part = message(false, 99, 1);
    part.fragment = true;
    ck_assert_int_eq(hear(2, part), WATCH_MESSAGE_HOLD);
    ck_assert_int_eq(hear(3, message(false, 99, 2)), WATCH_MESSAGE_APPLY);
    ck_assert(!watch_state_is_news(&s, 10));
    ck_assert(watch_state_is_news(&s, 12));
    ck_assert(watch_state_is_news(&s, 12));
    ck_assert_int_eq(s.applied, 10);
    ck_assert(!watch_state_is_news(&s, 11));
    watch_state_commit(&s);
    ck_assert_int_eq(s.applied, 12);
    ck_assert(!watch_state_is_news(&s, 12));
}
END_TEST

START_TEST(terminal_messages)
{
    static const struct {
        struct answer m;
        enum watch_cause cause;
    } ROWS[] = {
        {{.message = "x", .is_error = true}, WATCH_CAUSE_SERVER_ERROR},
        {{.message = "etcdserver: invalid auth token", .is_error = true}, WATCH_CAUSE_UNAUTHORIZED},
        {{.message = "", .cancel_reason = "", .canceled = true, .compact_revision = 5},
         WATCH_CAUSE_COMPACTED},
        {{.message = "", .cancel_reason = "because", .canceled = true}, WATCH_CAUSE_CANCELED},
        {{.message = "", .cancel_reason = "permission denied", .canceled = true, .created = true},
         WATCH_CAUSE_UNAUTHORIZED},
        {{.message = "", .cancel_reason = "", .change_count = 1}, WATCH_CAUSE_MALFORMED},
        {{.message = "", .cancel_reason = "", .created = true, .header.revision = 9},
         WATCH_CAUSE_BEHIND},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        begin(1);
        watch_state_judge_list(&s, 10, GUARD_BELIEVED);
        watch_state_adopt(&s, 0, 10);
        ck_assert_int_eq(hear(1, ROWS[i].m), WATCH_MESSAGE_BREAK);
        ck_assert_int_eq(cause, ROWS[i].cause);
    }
}
END_TEST

START_TEST(regressed_only_when_all_are_behind)
{
    begin(3);
    stream_at(0, 50);
    watch_state_break(&s, 1, WATCH_CAUSE_STREAM_ENDED);
    fire();
    ck_assert_int_eq(watch_state_judge_list(&s, 49, GUARD_BELIEVED), WATCH_LIST_BEHIND);
    watch_state_break(&s, 2, WATCH_CAUSE_BEHIND);
    fire();
    watch_state_break(&s, 3, WATCH_CAUSE_LIST_FAILED);
    ck_assert(!s.regressed);
    fire();
    ck_assert_uint_eq(s.endpoint, 0);
    ck_assert_int_eq(watch_state_judge_list(&s, 40, GUARD_BELIEVED), WATCH_LIST_REGRESSED);
    watch_state_break(&s, 4, WATCH_CAUSE_BEHIND);
    fire();
    /* From here on no revision is high enough; only the owner decides. */
    ck_assert_int_eq(watch_state_judge_list(&s, 5000, GUARD_BELIEVED), WATCH_LIST_REGRESSED);
    ck_assert_int_eq(s.applied, 50);
    ck_assert_int_eq(watch_state_adopt(&s, 5, 5000), WATCH_DO_OPEN);
    ck_assert(!s.regressed);
    ck_assert_int_eq(s.applied, 5000);
}
END_TEST

START_TEST(one_good_list_clears_the_suspicion)
{
    begin(2);
    stream_at(0, 50);
    watch_state_break(&s, 1, WATCH_CAUSE_SILENT);
    ck_assert_int_eq(watch_state_judge_list(&s, 49, GUARD_BELIEVED), WATCH_LIST_BEHIND);
    watch_state_break(&s, 2, WATCH_CAUSE_BEHIND);
    fire();
    stream_at(3, 50);
    watch_state_break(&s, 4, WATCH_CAUSE_SILENT);
    ck_assert_int_eq(watch_state_judge_list(&s, 49, GUARD_BELIEVED), WATCH_LIST_BEHIND);
}
END_TEST

START_TEST(an_older_term_counts_as_behind_another_cluster_does_not)
{
    begin(1);
    stream_at(0, 50);
    watch_state_break(&s, 1, WATCH_CAUSE_SILENT);
    ck_assert_int_eq(watch_state_judge_list(&s, 9, GUARD_OTHER_CLUSTER), WATCH_LIST_FOREIGN);
    watch_state_break(&s, 2, WATCH_CAUSE_OTHER_CLUSTER);
    ck_assert(!s.regressed);
    fire();
    ck_assert_int_eq(watch_state_judge_list(&s, 60, GUARD_OLDER_TERM), WATCH_LIST_REGRESSED);
}
END_TEST

UNIT_MAIN("etcd_watch_state", the_way_to_a_stream, created_has_three_seconds,
          silence_asks_for_a_list_elsewhere, resync_within_a_fifth,
          waits_grow_until_a_stream_has_proven_itself, only_whole_answers_move_the_resume_point,
          terminal_messages, regressed_only_when_all_are_behind, one_good_list_clears_the_suspicion,
          an_older_term_counts_as_behind_another_cluster_does_not)
