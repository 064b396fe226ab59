#include "common/fleet/keytag.h"
#include "t/unit/unit.h"

static void
assert_part(const struct keytag *tag, const char *key, const char *part)
{
    struct span got = keytag_part(tag, span_cstr(key));
    ck_assert_msg(span_eq_cstr(got, part), "%s: got %.*s, want %s", key, SPAN_FMT(got), part);
}

START_TEST(without_rules_the_whole_key)
{
    struct keytag none = {.open = '\0'};
    assert_part(&none, "a{b}|#|c", "a{b}|#|c");
    assert_part(&none, "", "");
}
END_TEST

START_TEST(prefix_is_stripped_once)
{
    struct keytag tag = {.strip_prefix = SPAN_LIT("app1:")};
    assert_part(&tag, "app1:key", "key");
    assert_part(&tag, "app2:key", "app2:key");
    assert_part(&tag, "app1:app1:key", "app1:key");
    assert_part(&tag, "app1:", "app1:");
    assert_part(&tag, "app", "app");
}
END_TEST

START_TEST(tag_as_twemproxy_cuts_it)
{
    struct keytag tag = {.open = '{', .close = '}'};
    assert_part(&tag, "user:{42}:name", "42");
    assert_part(&tag, "{a}{b}", "a");
    assert_part(&tag, "x{}y{b}", "x{}y{b}");
    assert_part(&tag, "x{b", "x{b");
    assert_part(&tag, "x}b{", "x}b{");
    assert_part(&tag, "{", "{");
    assert_part(&tag, "", "");
    struct keytag same = {.open = '$', .close = '$'};
    assert_part(&same, "a$b$c", "b");
}
END_TEST

START_TEST(stop_cuts_the_rest)
{
    struct keytag tag = {.stop = SPAN_LIT("|#|")};
    assert_part(&tag, "key|#|extra", "key");
    assert_part(&tag, "key|#|a|#|b", "key");
    assert_part(&tag, "|#|extra", "|#|extra");
    assert_part(&tag, "key|#", "key|#");
}
END_TEST

START_TEST(all_together)
{
    struct keytag tag = {SPAN_LIT("ns:"), '{', '}', SPAN_LIT("|#|")};
    assert_part(&tag, "ns:a{b|#|c}d", "b");
    assert_part(&tag, "ns:ab|#|c", "ab");
}
END_TEST

UNIT_MAIN("keytag", without_rules_the_whole_key, prefix_is_stripped_once, tag_as_twemproxy_cuts_it,
          stop_cuts_the_rest, all_together)
