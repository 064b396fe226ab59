#include "t/unit/unit.h"

#include "common/core/clock.h"
#include "common/core/log.h"

#include <stdio.h>
#include <unistd.h>

static char text[20000];

/* What was written since the last call, with its prefix of constant time. */
static const char *
logged(int fd)
{
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int
log_to_pipe(void)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    log_set_fd(fds[1]);
    clock_test_begin(5000, 1700000000123ull);
    return fds[0];
}

/* A pipe with nothing in it would block: every look follows this line. */
static const char *
logged_and_mark(int fd)
{
    log_error("mark", "");
    const char *all = logged(fd);
    char *mark = strstr(text, "ts=2023-11-14T22:13:20.123Z level=error event=mark\n");
    ck_assert_ptr_nonnull(mark);
    *mark = '\0';
    return all;
}

START_TEST(a_line_is_logfmt)
{
    int fd = log_to_pipe();
    log_info("node_up", "node=%s ms=%d", "a", 7);
    ck_assert_str_eq(logged(fd),
                     "ts=2023-11-14T22:13:20.123Z level=info event=node_up node=a ms=7\n");
    log_warn("alone", "");
    ck_assert_str_eq(logged(fd), "ts=2023-11-14T22:13:20.123Z level=warn event=alone\n");
}
END_TEST

START_TEST(lower_levels_are_left_out)
{
    int fd = log_to_pipe();
    ck_assert_int_eq(log_get_level(), LOG_INFO);
    log_debug("detail", "");
    ck_assert_str_eq(logged_and_mark(fd), "");
    log_set_level(LOG_DEBUG);
    log_debug("detail", "");
    ck_assert_ptr_nonnull(strstr(logged_and_mark(fd), "level=debug event=detail"));
    log_set_level(LOG_ERROR);
    log_warn("detail", "");
    ck_assert_str_eq(logged_and_mark(fd), "");
}
END_TEST

START_TEST(strange_bytes_are_escaped)
{
    ck_assert_str_eq(LOG_STR("a b"), "\"a b\"");
    ck_assert_str_eq(LOG_STR("q\"b\\"), "\"q\\\"b\\\\\"");
    ck_assert_str_eq(LOG_SPAN(span_make("\0\n\x7f\xff", 4)), "\"\\x00\\x0a\\x7f\\xff\"");
    ck_assert_str_eq(LOG_STR(""), "\"\"");
    char long_text[300];
    memset(long_text, '\n', sizeof(long_text));
    struct log_str cut = log_quote(span_make(long_text, sizeof(long_text)));
    ck_assert_uint_eq(strlen(cut.text), 120 * 4 + 5);
    ck_assert_str_eq(cut.text + 120 * 4 + 1, "...\"");
}
END_TEST

START_TEST(a_long_line_is_cut_but_ends)
{
    int fd = log_to_pipe();
    char long_text[8000];
    memset(long_text, 'x', sizeof(long_text));
    log_info("long", "%.*s", (int)sizeof(long_text), long_text);
    const char *line = logged(fd);
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert_uint_gt(strlen(line), 4000);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

static void
log_often(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        LOG_LIMITED(2, LOG_INFO, "often", "n=%u", i);
    }
}

START_TEST(limits_hold_back_and_say_so)
{
    int fd = log_to_pipe();
    log_often(5);
    const char *lines = logged_and_mark(fd);
    ck_assert_ptr_nonnull(strstr(lines, "event=often n=0\n"));
    ck_assert_ptr_nonnull(strstr(lines, "event=often n=1\n"));
    ck_assert_ptr_null(strstr(lines, "n=2"));
    clock_test_advance_ms(1000);
    log_often(2);
    lines = logged(fd);
    ck_assert_ptr_nonnull(strstr(lines, "event=often n=0 suppressed=3\n"));
    ck_assert_ptr_nonnull(strstr(lines, "event=often n=1\n"));
}
END_TEST

UNIT_MAIN("log", a_line_is_logfmt, lower_levels_are_left_out, strange_bytes_are_escaped,
          a_long_line_is_cut_but_ends, limits_hold_back_and_say_so)
