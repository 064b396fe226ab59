#include "proxy/gutter.h"
#include "common/core/buf.h"
#include "proxy/form.h"
#include "t/unit/unit.h"

#include <string.h>

static struct request r;

static void
parse(const char *line)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    ck_assert_int_eq(request_parse(&parser, span_cstr(line), &r), PARSE_OK);
}

START_TEST(some_requests_may_use_it)
{
    static const struct {
        const char *line;
        enum gutter_use use;
    } cases[] = {
        {"get a b\r\n", GUTTER_READ},
        {"mg a v t f\r\n", GUTTER_READ},
        /* A CAS value of another node means nothing to the owner. */
        {"gets a\r\n", GUTTER_NEVER},
        {"mg a c v\r\n", GUTTER_NEVER},
        /* What changes the item. */
        {"gat 10 a\r\n", GUTTER_NEVER},
        {"mg a v T10\r\n", GUTTER_NEVER},
        {"mg a v N10\r\n", GUTTER_NEVER},
        {"touch a 10\r\n", GUTTER_NEVER},
        {"set a 0 0 1\r\n", GUTTER_STORE},
        {"ms a 1 T5\r\n", GUTTER_STORE},
        {"ms a 1 MS q O1\r\n", GUTTER_STORE},
        {"ms a 1 C5\r\n", GUTTER_NEVER},
        {"ms a 1 ME\r\n", GUTTER_NEVER},
        {"ms a 1 N9\r\n", GUTTER_NEVER},
        {"add a 0 0 1\r\n", GUTTER_NEVER},
        {"cas a 0 0 1 5\r\n", GUTTER_NEVER},
        {"append a 0 0 1\r\n", GUTTER_NEVER},
        {"incr a 1\r\n", GUTTER_NEVER},
        {"ma a\r\n", GUTTER_NEVER},
        {"me a\r\n", GUTTER_NEVER},
        {"delete a\r\n", GUTTER_DELETE},
        {"md a I\r\n", GUTTER_DELETE},
        /* There is no room for our T behind so many flags. */
        {"ms a 1 c f h k l q s t u v x D1 E1 F1 J1 L Ox\r\n", GUTTER_NEVER},
        {"ms a 1 c f h k l q s t u v x D1 E1 F1 J1 L T9\r\n", GUTTER_STORE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(cases[i].line);
        ck_assert_msg(gutter_use(&r, form_of(&r)) == cases[i].use, "%s", cases[i].line);
    }
}
END_TEST

START_TEST(nothing_lives_there_long)
{
    const uint64_t now = 1800000000;
    ck_assert_int_eq(gutter_exptime(0, 10, now), 10);
    ck_assert_int_eq(gutter_exptime(5, 10, now), 5);
    ck_assert_int_eq(gutter_exptime(10, 10, now), 10);
    ck_assert_int_eq(gutter_exptime(11, 10, now), 10);
    ck_assert_int_eq(gutter_exptime(60 * 60 * 24 * 30, 10, now), 10);
    ck_assert_int_eq(gutter_exptime(-1, 10, now), -1);
    /* dates */
    ck_assert_int_eq(gutter_exptime((int64_t)now + 3, 10, now), 3);
    ck_assert_int_eq(gutter_exptime((int64_t)now + 30, 10, now), 10);
    ck_assert_int_eq(gutter_exptime((int64_t)now, 10, now), -1);
    ck_assert_int_eq(gutter_exptime((int64_t)now - 100, 10, now), -1);
    ck_assert_int_eq(gutter_exptime(INT64_MAX, 10, now), 10);
    ck_assert_int_eq(gutter_exptime(INT64_MIN, 10, now), INT64_MIN);
}
END_TEST

static void
puts_line(const char *line, int64_t exptime, const char *expected)
{
    struct buf out = BUF_EMPTY;
    parse(line);
    ck_assert(gutter_put_store(&out, &r, exptime));
    ck_assert_msg(span_eq_cstr(buf_span(&out), expected), "%.*s", SPAN_FMT(buf_span(&out)));
    buf_deinit(&out);
}

START_TEST(lines_are_written_anew)
{
    puts_line("set key 7 0 3\r\n", 10, "set key 7 10 3\r\n");
    puts_line("set key 18446744073709551615 500 3 noreply\r\n", -1,
              "set key 18446744073709551615 -1 3\r\n");
    puts_line("ms key 3\r\n", 10, "ms key 3 T10\r\n");
    puts_line("ms key 3 q T500 F7 Oabc k\r\n", 10, "ms key 3 F7 Oabc k T10\r\n");
    puts_line("ms YSBi 3 b MS c\r\n", 9, "ms YSBi 3 b MS c T9\r\n");
}
END_TEST

UNIT_MAIN("gutter", some_requests_may_use_it, nothing_lives_there_long, lines_are_written_anew)
