/* The judge of the chaos accepts what may be and finds each kind of what may not:
 * one that agrees with everything would let every bug pass. */
#include "t/chaos/chaosmodel.h"
#include "t/unit/unit.h"

enum { KEY = 0, NUMBER = 1, HERE = 0, THERE = 1 };

static struct chaos_model *m;
static uint64_t now_us;
static char reason[CHAOS_REASON_MAX];

static void
begin(uint64_t gutter_ttl_us)
{
    if (m != NULL) {
        chaos_model_destroy(&m);
    }
    m = chaos_model_create(2, 2, gutter_ttl_us);
    now_us = 1000;
}

static struct chaos_view
look(unsigned key, unsigned proxy)
{
    return chaos_view(m, key, proxy, ++now_us);
}

/* One that begins now and has not ended. */
static uint32_t
sent(enum chaos_write kind, unsigned proxy)
{
    struct chaos_view view = look(KEY, proxy);
    return chaos_write_begin(m, KEY, kind, &view, 0);
}

static void
ended(uint32_t seq, enum chaos_outcome outcome)
{
    chaos_write_end(m, KEY, seq, outcome, ++now_us);
}

static uint32_t
wrote(enum chaos_write kind, unsigned proxy, enum chaos_outcome outcome)
{
    uint32_t seq = sent(kind, proxy);
    ended(seq, outcome);
    return seq;
}

static enum chaos_verdict
judge(const struct chaos_view *view, uint32_t first, uint32_t second)
{
    struct chaos_seen seen = {.seqs = {first, second}, .pieces = second != 0 ? 2 : 1};
    return chaos_judge(m, KEY, view, &seen, ++now_us, reason);
}

static enum chaos_verdict
reads(unsigned proxy, uint32_t first, uint32_t second)
{
    struct chaos_view view = look(KEY, proxy);
    return judge(&view, first, second);
}

#define ck_right(verdict)           ck_assert_msg((verdict) == CHAOS_RIGHT, "%s", reason)
#define ck_wrong(verdict, expected) ck_assert_int_eq(verdict, expected)

START_TEST(accepts_what_is_new)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    ck_right(reads(HERE, a, 0));
    ck_right(reads(THERE, a, 0));
    uint32_t b = wrote(CHAOS_SET, THERE, CHAOS_DONE);
    ck_right(reads(HERE, b, 0));
    uint32_t c = sent(CHAOS_SET, HERE);
    ck_right(reads(HERE, b, 0)); /* c is under way */
    ck_right(reads(HERE, c, 0));
    ended(c, CHAOS_DONE);
    ck_right(reads(HERE, c, 0));
}
END_TEST

START_TEST(finds_what_is_older_than_a_write)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    struct chaos_view early = look(KEY, HERE);
    uint32_t b = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    ck_right(judge(&early, a, 0)); /* it began before b did */
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    ck_right(reads(HERE, b, 0));
}
END_TEST

START_TEST(finds_what_was_deleted)
{
    static const enum chaos_outcome outcomes[] = {CHAOS_DONE, CHAOS_REMEMBERED, CHAOS_UNKNOWN};
    for (unsigned i = 0; i < 3; i++) {
        begin(0);
        uint32_t a = wrote(CHAOS_SET, THERE, CHAOS_DONE);
        wrote(CHAOS_DELETE, HERE, outcomes[i]);
        ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
        ck_right(reads(THERE, a, 0)); /* nothing was promised there */
    }
}
END_TEST

START_TEST(finds_what_is_older_than_a_set_that_failed)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    uint32_t b = wrote(CHAOS_SET, HERE, CHAOS_UNKNOWN);
    ck_right(reads(HERE, b, 0));
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    begin(0);
    a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_SET, HERE, CHAOS_NOT_SENT);
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    begin(0);
    a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_APPEND, HERE, CHAOS_NOT_SENT); /* that replaces nothing */
    wrote(CHAOS_SET, HERE, CHAOS_NOT_DONE);
    ck_right(reads(HERE, a, 0));
}
END_TEST

START_TEST(finds_an_unknown_write_that_is_done_late)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_UNKNOWN), b = wrote(CHAOS_SET, THERE, CHAOS_UNKNOWN);
    wrote(CHAOS_SET, HERE, CHAOS_DONE);
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    ck_right(reads(HERE, b, 0)); /* the other proxy has not delivered its delete yet */
}
END_TEST

START_TEST(overlapping_writes_have_no_order)
{
    begin(0);
    uint32_t a = sent(CHAOS_SET, HERE);
    uint32_t b = sent(CHAOS_SET, HERE);
    ended(b, CHAOS_DONE);
    ended(a, CHAOS_DONE);
    ck_right(reads(HERE, a, 0));
    ck_right(reads(HERE, b, 0));
}
END_TEST

START_TEST(finds_what_was_never_written)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_NOT_SENT);
    ck_wrong(reads(HERE, a, 0), CHAOS_NEVER_WRITTEN);
    ck_wrong(reads(HERE, a + 1, 0), CHAOS_NEVER_WRITTEN);
    uint32_t gone = wrote(CHAOS_DELETE, HERE, CHAOS_DONE);
    ck_wrong(reads(HERE, gone, 0), CHAOS_NEVER_WRITTEN);
    uint32_t piece = wrote(CHAOS_APPEND, HERE, CHAOS_DONE);
    ck_wrong(reads(HERE, piece, 0), CHAOS_NEVER_WRITTEN);
}
END_TEST

START_TEST(appends_are_neither_lost_nor_doubled)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE), b = wrote(CHAOS_APPEND, HERE, CHAOS_DONE);
    ck_right(reads(HERE, a, b));
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    begin(0);
    a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_DELETE, HERE, CHAOS_DONE);
    b = wrote(CHAOS_APPEND, HERE, CHAOS_UNKNOWN);
    ck_wrong(reads(THERE, a, b), CHAOS_LOST_UPDATE);
    begin(0);
    a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    b = wrote(CHAOS_APPEND, HERE, CHAOS_DONE);
    struct chaos_view view = look(KEY, HERE);
    struct chaos_seen seen = {.seqs = {a, b, b}, .pieces = 3};
    ck_wrong(chaos_judge(m, KEY, &view, &seen, ++now_us, reason), CHAOS_TWICE);
}
END_TEST

START_TEST(a_cas_is_of_what_it_compared_with)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_SET, HERE, CHAOS_DONE);
    struct chaos_view view = look(KEY, HERE);
    uint32_t c = chaos_write_begin(m, KEY, CHAOS_CAS, &view, a);
    ended(c, CHAOS_DONE);
    ck_wrong(reads(HERE, c, 0), CHAOS_LOST_UPDATE);
}
END_TEST

START_TEST(the_gutter_may_be_old_for_a_while)
{
    begin(1000);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_SET, HERE, CHAOS_DONE);
    ck_right(reads(HERE, a, 0));
    now_us += 1001;
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
}
END_TEST

START_TEST(a_proxy_that_ends_loses_its_journal)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_DELETE, HERE, CHAOS_REMEMBERED);
    chaos_proxy_ended(m, HERE);
    ck_right(reads(HERE, a, 0));
    wrote(CHAOS_DELETE, HERE, CHAOS_DONE);
    chaos_proxy_ended(m, HERE);
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE); /* the node has had that one */
}
END_TEST

START_TEST(a_key_that_moves_begins_anew)
{
    begin(0);
    uint32_t a = wrote(CHAOS_SET, HERE, CHAOS_DONE);
    wrote(CHAOS_DELETE, HERE, CHAOS_DONE);
    chaos_key_moves(m, KEY);
    ck_right(reads(HERE, a, 0));
    uint32_t b = wrote(CHAOS_SET, HERE, CHAOS_DONE); /* perhaps to the old node */
    ck_right(reads(HERE, a, 0));
    chaos_proxy_settled(m, HERE);
    ck_right(reads(HERE, a, 0));
    wrote(CHAOS_SET, HERE, CHAOS_DONE);
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    ck_wrong(reads(HERE, b, 0), CHAOS_STALE);
    ck_right(reads(THERE, a, 0)); /* that one does not follow yet */
}
END_TEST

/* --- numbers --------------------------------------------------------------------- */

static uint32_t
number_sent(enum chaos_write kind)
{
    struct chaos_view view = look(NUMBER, HERE);
    return chaos_write_begin(m, NUMBER, kind, &view, 0);
}

static enum chaos_verdict
counts(uint32_t set, uint32_t count, bool answer)
{
    struct chaos_view view = look(NUMBER, HERE);
    struct chaos_seen seen = {.seqs = {set}, .pieces = 1, .is_number = true, .count = count};
    return answer ? chaos_judge_count(m, NUMBER, &view, &seen, ++now_us, reason)
                  : chaos_judge(m, NUMBER, &view, &seen, ++now_us, reason);
}

START_TEST(counts_are_neither_lost_nor_doubled)
{
    begin(0);
    uint32_t a = number_sent(CHAOS_SET);
    chaos_write_end(m, NUMBER, a, CHAOS_DONE, ++now_us);
    ck_right(counts(a, 0, false));
    ck_wrong(counts(a, 1, false), CHAOS_COUNTED_WRONG); /* nobody counted */
    uint32_t first = number_sent(CHAOS_INCR), second = number_sent(CHAOS_INCR);
    ck_right(counts(a, 2, true));
    ck_wrong(counts(a, 2, true), CHAOS_TWICE);
    chaos_write_end(m, NUMBER, first, CHAOS_DONE, ++now_us);
    ck_wrong(counts(a, 1, false), CHAOS_COUNTED_WRONG); /* it was 2 */
    ck_right(counts(a, 2, false));
    chaos_write_end(m, NUMBER, second, CHAOS_NO_ANSWER, ++now_us);
    ck_wrong(counts(a, 3, false), CHAOS_COUNTED_WRONG);
}
END_TEST

START_TEST(a_count_that_is_late_may_still_be_done)
{
    begin(0);
    uint32_t late = number_sent(CHAOS_INCR);
    chaos_write_end(m, NUMBER, late, CHAOS_UNKNOWN, ++now_us);
    uint32_t a = number_sent(CHAOS_SET);
    chaos_write_end(m, NUMBER, a, CHAOS_DONE, ++now_us);
    ck_right(counts(a, 1, false));
    ck_wrong(counts(a, 2, false), CHAOS_COUNTED_WRONG);
}
END_TEST

START_TEST(others_writes_are_seen_after_the_bound)
{
    begin(0);
    chaos_model_judge_others(m, 100);
    uint32_t a = wrote(CHAOS_SET, THERE, CHAOS_DONE);
    uint32_t b = wrote(CHAOS_SET, THERE, CHAOS_DONE);
    now_us += 99;
    ck_right(reads(HERE, a, 0));
    now_us += 2;
    ck_wrong(reads(HERE, a, 0), CHAOS_STALE);
    ck_right(reads(HERE, b, 0));
    uint32_t c = wrote(CHAOS_SET, THERE, CHAOS_UNKNOWN); /* nobody knows when */
    now_us += 200;
    ck_right(reads(HERE, b, 0));
    ck_right(reads(HERE, c, 0));
    begin(0);
    a = wrote(CHAOS_SET, THERE, CHAOS_DONE);
    wrote(CHAOS_SET, THERE, CHAOS_DONE);
    now_us += 1000;
    ck_right(reads(HERE, a, 0)); /* nothing is promised */
}
END_TEST

UNIT_MAIN("chaos_model", accepts_what_is_new, finds_what_is_older_than_a_write,
          finds_what_was_deleted, finds_what_is_older_than_a_set_that_failed,
          finds_an_unknown_write_that_is_done_late, overlapping_writes_have_no_order,
          finds_what_was_never_written, appends_are_neither_lost_nor_doubled,
          a_cas_is_of_what_it_compared_with, the_gutter_may_be_old_for_a_while,
          a_proxy_that_ends_loses_its_journal, a_key_that_moves_begins_anew,
          counts_are_neither_lost_nor_doubled, a_count_that_is_late_may_still_be_done,
          others_writes_are_seen_after_the_bound)
