/* What is said of a node is understood, and what is not said is not. */
#include "proxy/health_heir.h"
#include "t/unit/unit.h"

static void
comes_back(struct health_heir said)
{
    struct buf text = BUF_EMPTY;
    struct health_heir heard;
    ck_assert(health_heir_put(&text, &said));
    ck_assert(health_heir_parse(buf_span(&text), &heard));
    ck_assert_int_eq(heard.down, said.down);
    ck_assert_uint_eq(heard.gutter_ms, said.gutter_ms);
    ck_assert(span_eq(heard.owner, said.owner));
    buf_deinit(&text);
}

START_TEST(what_is_put_is_parsed)
{
    comes_back((struct health_heir){true, 0, SPAN_LIT("a\n127.0.0.1:11211")});
    comes_back((struct health_heir){false, 1000000000, SPAN_LIT("with blanks \nunix:/a b")});
}
END_TEST

START_TEST(what_is_no_message_is_refused)
{
    static const char *const bad[] = {
        "",       "1",    "1 ",   "1 2",   "1 2 ",  "2 0 a",         "-1 0 a",
        "1 -1 a", " 0 a", "1  a", "x 0 a", "1 x a", "1 1000000001 a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct health_heir heard;
        ck_assert_msg(!health_heir_parse(span_cstr(bad[i]), &heard), "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("health_heir", what_is_put_is_parsed, what_is_no_message_is_refused)
