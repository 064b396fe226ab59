#include "proxy/failure.h"
#include "t/unit/unit.h"

#include <stdio.h>

static const struct failure_policy defaults = {READ_ERROR_MISS, WRITE_ERROR_ERROR, META_ERRORS_NS};

static bool journaled;

static const char *
told(enum proto_command cmd, bool quiet, bool noreply, struct failure_policy policy,
     enum failure failure)
{
    static char text[128];
    struct failure_request request = {cmd, noreply, quiet, journaled};
    struct failure_reply reply = failure_answer(&request, &policy, failure);
    snprintf(text, sizeof(text), "%.*s%s", SPAN_FMT(reply.line), reply.echo ? "+" : "");
    return text;
}

#define TOLD(cmd, quiet, failure, expected)                                                        \
    ck_assert_str_eq(told(CMD_##cmd, quiet, false, defaults, FAILURE_##failure), expected)

START_TEST(reads_miss)
{
    TOLD(GET, false, DOWN, "END");
    TOLD(GETS, false, TIMEOUT, "END");
    TOLD(GAT, false, OVERLOADED, "END");
    TOLD(GATS, false, NO_ROUTE, "END");
    TOLD(MG, false, DOWN, "EN+");
    TOLD(MG, true, TIMEOUT, "");
    TOLD(TOUCH, false, TIMEOUT, "NOT_FOUND");
}
END_TEST

START_TEST(writes_err)
{
    static const enum proto_command writes[] = {
        CMD_SET,     CMD_ADD, CMD_REPLACE, CMD_APPEND, CMD_CAS,    CMD_INCR, CMD_DECR,
        CMD_PREPEND, CMD_MS,  CMD_MD,      CMD_MA,     CMD_DELETE, CMD_ME,   CMD_FLUSH_ALL};
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        ck_assert_str_eq(told(writes[i], false, false, defaults, FAILURE_DOWN),
                         "SERVER_ERROR backend down");
        ck_assert_str_eq(told(writes[i], false, false, defaults, FAILURE_TIMEOUT),
                         "SERVER_ERROR backend timeout");
        ck_assert_str_eq(told(writes[i], false, false, defaults, FAILURE_OVERLOADED),
                         "SERVER_ERROR overloaded");
        ck_assert_str_eq(told(writes[i], false, false, defaults, FAILURE_NO_ROUTE),
                         "SERVER_ERROR no route");
        ck_assert_str_eq(told(writes[i], false, false, defaults, FAILURE_STALE),
                         "SERVER_ERROR stale epoch");
    }
}
END_TEST

START_TEST(a_delete_that_the_node_will_have_is_no_error)
{
    journaled = true;
    TOLD(DELETE, false, DOWN, "NOT_FOUND");
    TOLD(DELETE, false, TIMEOUT, "NOT_FOUND");
    TOLD(MD, false, DOWN, "NF+");
    TOLD(MD, true, OVERLOADED, "NF+"); /* q hides HD only */
    TOLD(SET, false, DOWN, "SERVER_ERROR backend down");
    ck_assert_str_eq(told(CMD_DELETE, false, true, defaults, FAILURE_DOWN), "");
}
END_TEST

static enum failure_duty
duty(const char *line)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    static struct request r;
    ck_assert_int_eq(request_parse(&parser, span_cstr(line), &r), PARSE_OK);
    return failure_duty(&r);
}

START_TEST(what_failed_may_have_to_be_deleted)
{
    static const struct {
        const char *line;
        enum failure_duty duty;
    } cases[] = {
        {"get a\r\n", DUTY_NONE},
        {"mg a v\r\n", DUTY_NONE},
        {"gat 5 a\r\n", DUTY_NONE},
        {"touch a 5\r\n", DUTY_NONE},
        {"me a\r\n", DUTY_NONE},
        {"add a 0 0 1\r\n", DUTY_NONE},
        {"ms a 1 ME\r\n", DUTY_NONE},
        {"set a 0 0 1\r\n", DUTY_IF_LOST},
        {"ms a 1\r\n", DUTY_IF_LOST},
        {"ms a 1 MS T5\r\n", DUTY_IF_LOST},
        {"ms a 1 C7\r\n", DUTY_IF_SENT},
        {"ms a 1 MA\r\n", DUTY_IF_SENT},
        {"ms a 1 MP\r\n", DUTY_IF_SENT},
        {"ms a 1 MR\r\n", DUTY_IF_SENT},
        {"cas a 0 0 1 5\r\n", DUTY_IF_SENT},
        {"replace a 0 0 1\r\n", DUTY_IF_SENT},
        {"append a 0 0 1\r\n", DUTY_IF_SENT},
        {"prepend a 0 0 1\r\n", DUTY_IF_SENT},
        {"incr a 1\r\n", DUTY_IF_SENT},
        {"decr a 1\r\n", DUTY_IF_SENT},
        {"ma a\r\n", DUTY_IF_SENT},
        {"delete a\r\n", DUTY_ALWAYS},
        {"md a I\r\n", DUTY_ALWAYS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(duty(cases[i].line) == cases[i].duty, "%s", cases[i].line);
    }
}
END_TEST

START_TEST(duties_apply_to_some_failures)
{
    static const bool applies[][4] = {
        /* DOWN, TIMEOUT, OVERLOADED, NO_ROUTE */
        [DUTY_NONE] = {false, false, false, false},
        [DUTY_IF_SENT] = {false, true, false, false},
        [DUTY_IF_LOST] = {true, true, false, false},
        [DUTY_ALWAYS] = {true, true, true, false},
    };
    for (int d = DUTY_NONE; d <= DUTY_ALWAYS; d++) {
        for (int f = FAILURE_DOWN; f <= FAILURE_NO_ROUTE; f++) {
            ck_assert_int_eq(failure_duty_applies((enum failure_duty)d, (enum failure)f),
                             applies[d][f]);
        }
    }
}
END_TEST

START_TEST(noreply_never_gets_a_byte)
{
    struct failure_policy strict = {READ_ERROR_ERROR, WRITE_ERROR_NOT_STORED, META_ERRORS_RAW};
    for (int cmd = 0; cmd < CMD_COUNT; cmd++) {
        ck_assert_str_eq(told((enum proto_command)cmd, false, true, defaults, FAILURE_DOWN), "");
        ck_assert_str_eq(told((enum proto_command)cmd, false, true, strict, FAILURE_DOWN), "");
    }
}
END_TEST

START_TEST(quiet_meta_is_told_with_its_name)
{
    TOLD(MS, true, DOWN, "NS+");
    TOLD(MD, true, TIMEOUT, "NS+");
    TOLD(MA, true, OVERLOADED, "NS+");
    struct failure_policy raw = defaults;
    raw.meta_errors = META_ERRORS_RAW;
    ck_assert_str_eq(told(CMD_MS, true, false, raw, FAILURE_DOWN), "SERVER_ERROR backend down");
    ck_assert_str_eq(told(CMD_MA, true, false, raw, FAILURE_DOWN), "SERVER_ERROR backend down");
}
END_TEST

START_TEST(pools_choose)
{
    struct failure_policy p = defaults;
    p.on_read_error = READ_ERROR_ERROR;
    ck_assert_str_eq(told(CMD_GET, false, false, p, FAILURE_DOWN), "SERVER_ERROR backend down");
    ck_assert_str_eq(told(CMD_MG, true, false, p, FAILURE_DOWN), "SERVER_ERROR backend down");
    p = defaults;
    p.on_write_error = WRITE_ERROR_NOT_STORED;
    ck_assert_str_eq(told(CMD_SET, false, false, p, FAILURE_DOWN), "NOT_STORED");
    ck_assert_str_eq(told(CMD_MS, false, false, p, FAILURE_DOWN), "NS+");
    /* A counter is not stored: a client would take it for a missing key. */
    ck_assert_str_eq(told(CMD_INCR, false, false, p, FAILURE_DOWN), "SERVER_ERROR backend down");
    ck_assert_str_eq(told(CMD_MA, false, false, p, FAILURE_DOWN), "SERVER_ERROR backend down");
}
END_TEST

UNIT_MAIN("failure", reads_miss, writes_err, noreply_never_gets_a_byte,
          a_delete_that_the_node_will_have_is_no_error, what_failed_may_have_to_be_deleted,
          duties_apply_to_some_failures, quiet_meta_is_told_with_its_name, pools_choose)
