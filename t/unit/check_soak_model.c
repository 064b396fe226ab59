/* The judge of the soak finds what is wrong: a judge that agrees with everything
 * would let every bug pass. */
#include "t/soak/soakmodel.h"
#include "t/unit/unit.h"

enum { BLOB = 3, NUMBER = 10 };

static struct soak_state state;
static struct soak_weather weather;
static uint64_t now_us;
static uint32_t seq;

static void
begin(void)
{
    state = (struct soak_state){0};
    weather = (struct soak_weather){.slack_us = 1000};
    now_us = 1000000;
    seq = 0;
    ck_assert_int_eq(soak_class(BLOB), SOAK_BLOB);
    ck_assert_int_eq(soak_class(NUMBER), SOAK_NUMBER);
}

static struct soak_deed
deed(enum soak_effect effect)
{
    now_us += 10;
    return (struct soak_deed){
        .effect = effect, .id = BLOB, .piece = {.seq = ++seq, .bytes = 100}, .sent_us = now_us};
}

static enum soak_verdict
judge(const struct soak_deed *d, enum soak_answer_kind kind)
{
    now_us += 10;
    struct soak_answer a = {.kind = kind, .at_us = now_us};
    return soak_judge(&state, d, &a, &weather);
}

static enum soak_verdict
did(enum soak_effect effect, enum soak_answer_kind kind)
{
    struct soak_deed d = deed(effect);
    return judge(&d, kind);
}

/* A read that shows the pieces `first` and, if it is not 0, `second`. */
static enum soak_verdict
shown(uint32_t first, uint32_t second)
{
    struct soak_deed d = deed(EFFECT_READ);
    struct buf value = BUF_EMPTY;
    soak_piece_put(BLOB, (struct soak_piece){first, 100}, &value);
    if (second != 0) {
        soak_piece_put(BLOB, (struct soak_piece){second, 100}, &value);
    }
    struct soak_answer a = {
        .kind = ANSWER_HIT, .has_value = true, .value = buf_span(&value), .at_us = now_us += 10};
    enum soak_verdict verdict = soak_judge(&state, &d, &a, &weather);
    buf_deinit(&value);
    return verdict;
}

START_TEST(a_value_is_the_last_that_was_set)
{
    begin();
    ck_assert_int_eq(did(EFFECT_SET, ANSWER_DONE), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 0), SOAK_RIGHT);
    ck_assert_int_eq(did(EFFECT_SET, ANSWER_DONE), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
}
END_TEST

START_TEST(what_missed_does_not_come_back)
{
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    ck_assert_int_eq(did(EFFECT_READ, ANSWER_MISS), SOAK_VANISHED);
    ck_assert_int_eq(did(EFFECT_READ, ANSWER_MISS), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
}
END_TEST

START_TEST(a_deleted_value_does_not_come_back)
{
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    ck_assert_int_eq(did(EFFECT_DELETE, ANSWER_DONE), SOAK_RIGHT);
    ck_assert_int_eq(did(EFFECT_TOUCH, ANSWER_DONE), SOAK_WRONG);
}
END_TEST

START_TEST(a_refused_set_leaves_nothing)
{
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    ck_assert_int_eq(did(EFFECT_SET, ANSWER_REFUSED), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
}
END_TEST

START_TEST(without_an_answer_both_are_possible_until_one_is_seen)
{
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    did(EFFECT_APPEND, ANSWER_UNKNOWN);
    ck_assert_uint_eq(state.count, 2);
    struct soak_state both = state;
    ck_assert_int_eq(shown(1, 0), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 2), SOAK_WRONG);
    state = both;
    ck_assert_int_eq(shown(1, 2), SOAK_RIGHT);
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
}
END_TEST

START_TEST(add_stores_only_where_nothing_is)
{
    begin();
    ck_assert_int_eq(did(EFFECT_ADD, ANSWER_NOT_STORED), SOAK_WRONG);
    begin();
    ck_assert_int_eq(did(EFFECT_ADD, ANSWER_DONE), SOAK_RIGHT);
    ck_assert_int_eq(did(EFFECT_ADD, ANSWER_NOT_STORED), SOAK_RIGHT);
    /* As after an eviction. */
    ck_assert_int_eq(did(EFFECT_ADD, ANSWER_DONE), SOAK_VANISHED);
    ck_assert_int_eq(did(EFFECT_REPLACE, ANSWER_NOT_STORED), SOAK_VANISHED);
    ck_assert_int_eq(did(EFFECT_APPEND, ANSWER_DONE), SOAK_WRONG);
}
END_TEST

START_TEST(a_cas_value_decides)
{
    begin();
    struct soak_deed set = deed(EFFECT_SET);
    struct soak_answer a = {.kind = ANSWER_DONE, .has_cas = true, .cas = 7, .at_us = now_us};
    ck_assert_int_eq(soak_judge(&state, &set, &a, &weather), SOAK_RIGHT);
    struct soak_state seven = state;
    struct soak_deed cas = deed(EFFECT_SET);
    cas.compare = true;
    cas.compare_cas = 6;
    ck_assert_int_eq(judge(&cas, ANSWER_EXISTS), SOAK_RIGHT);
    ck_assert_int_eq(judge(&cas, ANSWER_DONE), SOAK_WRONG);
    state = seven;
    cas.compare_cas = 7;
    ck_assert_int_eq(judge(&cas, ANSWER_EXISTS), SOAK_WRONG);
    state = seven;
    ck_assert_int_eq(judge(&cas, ANSWER_DONE), SOAK_RIGHT);
}
END_TEST

START_TEST(what_has_expired_is_gone)
{
    begin();
    struct soak_deed set = deed(EFFECT_SET);
    set.ttl_s = 1;
    judge(&set, ANSWER_DONE);
    now_us += 900000;
    ck_assert_int_eq(shown(1, 0), SOAK_RIGHT);
    now_us += 110000;
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
    begin();
    judge(&set, ANSWER_DONE);
    now_us += 1000000;
    ck_assert_int_eq(did(EFFECT_READ, ANSWER_MISS), SOAK_RIGHT);
}
END_TEST

START_TEST(what_was_flushed_is_gone)
{
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    weather.flushed_lo_us = weather.flushed_hi_us = now_us + 5;
    ck_assert_int_eq(shown(1, 0), SOAK_WRONG);
    begin();
    did(EFFECT_SET, ANSWER_DONE);
    weather.flushed_lo_us = weather.flushed_hi_us = now_us - 15;
    ck_assert_int_eq(shown(1, 0), SOAK_RIGHT);
}
END_TEST

static enum soak_verdict
counted(enum soak_effect effect, uint64_t delta, uint64_t number)
{
    struct soak_deed d = deed(effect);
    d.id = NUMBER;
    d.delta = delta;
    struct soak_answer a = {.kind = ANSWER_NUMBER, .number = number, .at_us = now_us};
    return soak_judge(&state, &d, &a, &weather);
}

START_TEST(numbers_are_exact)
{
    begin();
    struct soak_deed set = deed(EFFECT_SET);
    set.id = NUMBER;
    uint64_t n = soak_number(NUMBER, set.piece.seq);
    judge(&set, ANSWER_DONE);
    ck_assert_int_eq(counted(EFFECT_INCR, 5, n + 5), SOAK_RIGHT);
    ck_assert_int_eq(counted(EFFECT_DECR, UINT64_MAX, 0), SOAK_RIGHT);
    ck_assert_int_eq(counted(EFFECT_DECR, 1, 0), SOAK_RIGHT);
    ck_assert_int_eq(counted(EFFECT_INCR, 1, 2), SOAK_WRONG);
}
END_TEST

START_TEST(a_torn_value_is_seen)
{
    begin();
    struct buf value = BUF_EMPTY;
    struct soak_content content = {.flags = 0};
    soak_piece_put(BLOB, (struct soak_piece){7, 5000}, &value);
    ck_assert(soak_content_read(BLOB, buf_span(&value), 1, 9, &content));
    ck_assert_uint_eq(soak_content_seq(&content), 7);
    ck_assert(!soak_content_read(BLOB + 8, buf_span(&value), 1, 9, &content));
    value.mem[value.head + 4000] ^= 1;
    ck_assert(!soak_content_read(BLOB, buf_span(&value), 1, 9, &content));
    buf_deinit(&value);
}
END_TEST

UNIT_MAIN("soak_model", a_value_is_the_last_that_was_set, what_missed_does_not_come_back,
          a_deleted_value_does_not_come_back, a_refused_set_leaves_nothing,
          without_an_answer_both_are_possible_until_one_is_seen, add_stores_only_where_nothing_is,
          a_cas_value_decides, what_has_expired_is_gone, what_was_flushed_is_gone,
          numbers_are_exact, a_torn_value_is_seen)
