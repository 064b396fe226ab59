/* What the plain recognisers take must be what request_parse() makes of it; and
 * they must take what clients send. */
#include "t/unit/unit.h"

#include "t/unit/plain_steps.h"

#include <stdio.h>

/* The recognisers are given exactly the bytes of `text`, in memory of their own. */
static char *held;

static struct span
hold(const char *text)
{
    size_t len = strlen(text);
    free(held);
    held = malloc(len ? len : 1);
    memcpy(held, text, len);
    return span_make(held, len);
}

static unsigned
gets_in(const char *text)
{
    struct span keys[4];
    check_plain_lines(hold(text));
    return plain_steps_gets(hold(text), keys, 4);
}

static unsigned
sets_in(const char *text)
{
    struct plain_set sets[4];
    check_plain_lines(hold(text));
    return request_plain_sets(hold(text), sets, 4);
}

static unsigned
mgs_in(const char *text)
{
    struct plain_mg mgs[4];
    check_plain_lines(hold(text));
    return request_plain_mgs(hold(text), mgs, 4);
}

static unsigned
mss_in(const char *text)
{
    struct plain_ms mss[4];
    check_plain_lines(hold(text));
    return request_plain_mss(hold(text), mss, 4);
}

#define ck_assert_span(span, text)                                                                 \
    ck_assert_msg(span_eq_cstr((span), (text)), "%.*s, not %s", SPAN_FMT(span), (text))

START_TEST(gets_stand_one_behind_the_other)
{
    struct span keys[2];
    ck_assert_uint_eq(gets_in("get a\r\nget bb\r\nget c c\r\n"), 2);
    ck_assert_uint_eq(gets_in("get a\r\nget b\r\nget c\r\nget d\r\nget e\r\n"), 4);
    ck_assert_uint_eq(plain_steps_gets(hold("get a\r\nget bb\r\nget c\r\n"), keys, 2), 2);
    ck_assert_span(keys[0], "a");
    ck_assert_span(keys[1], "bb");
    ck_assert_uint_eq(plain_steps_gets(hold("get a\r\n"), keys, 0), 0);
}
END_TEST

START_TEST(other_gets_are_not_plain)
{
    static const char *const others[] = {
        "",           "g",         "get ",         "get a",        "get a\r",
        "get a\n",    "get \r\n",  "get  a\r\n",   "get a \r\n",   "get a b\r\n",
        "gets a\r\n", "GET a\r\n", "get a\tb\r\n", "get a\rb\r\n", "get a\x7f\r\n",
        "mg a v\r\n", "get\r\n",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(gets_in(others[i]) == 0, "%s", others[i]);
    }
}
END_TEST

static unsigned
keys_in(const char *text)
{
    struct span keys[PLAIN_KEYS_MAX];
    check_plain_lines(hold(text));
    return plain_steps_multiget(hold(text), keys);
}

START_TEST(a_multiget_has_many_keys)
{
    static const char *const others[] = {
        "get a b",      "get a b\r",       "get a b\n",    "get a  b\r\n",
        "get a b \r\n", "get \r\n",        "get a\tb\r\n", "gets a b\r\n",
        "get  a b\r\n", "get a b\x7f\r\n", "get a \xff",   "get ",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(keys_in(others[i]) == 0, "%s", others[i]);
    }
    ck_assert_uint_eq(keys_in("get a\r\n"), 1);
    ck_assert_uint_eq(keys_in("get a bb\r\nget c d e\r\n"), 2);
    ck_assert_uint_eq(keys_in("get a 0123456789abcdefghij \xff\r\n"), 3);
    char line[300 * 2] = "get";
    for (unsigned n = 1; n <= PLAIN_KEYS_MAX + 1; n++) {
        strcpy(line + 1 + 2 * n, " k\r\n");
        ck_assert_uint_eq(keys_in(line), n <= PLAIN_KEYS_MAX ? n : 0);
    }
}
END_TEST

START_TEST(a_plain_key_has_up_to_250_bytes)
{
    char line[300], key[252];
    memset(key, '\xff', sizeof(key));
    for (int len = 1; len <= 251; len++) {
        snprintf(line, sizeof(line), "get %.*s\r\n", len, key);
        ck_assert_uint_eq(gets_in(line), len <= 250);
        snprintf(line, sizeof(line), "set %.*s 0 0 1\r\nx\r\n", len, key);
        ck_assert_uint_eq(sets_in(line), len <= 250);
    }
}
END_TEST

START_TEST(sets_come_with_their_values)
{
    struct plain_set sets[3];
    struct span input = hold("set a 1 2 3\r\nxyz\r\nset bb 0 4294967296 0\r\n\r\nset c 0 0 1\r\ny");
    ck_assert_uint_eq(request_plain_sets(input, sets, 3), 2);
    check_plain_lines(input);
    ck_assert_span(sets[0].key, "a");
    ck_assert_span(sets[0].value, "xyz");
    ck_assert_uint_eq(sets[0].flags, 1);
    ck_assert_int_eq(sets[0].exptime, 2);
    ck_assert_uint_eq(sets[0].bytes, 18);
    ck_assert_int_eq(sets[1].exptime, 4294967296);
    ck_assert_span(sets[1].value, "");
    ck_assert_uint_eq(request_plain_sets(input, sets, 1), 1);
}
END_TEST

START_TEST(other_sets_are_not_plain)
{
    static const char *const others[] = {
        "set a 0 0 1\r\nx",
        "set a 0 0 1\r\nx\r",
        "set a 0 0 1\r\nx\n",
        "set a 0 0 1\r\nxy\r\n", /* a bad chunk */
        "set a 0 0 1 noreply\r\nx\r\n",
        "set a 0 0 1 \r\nx\r\n",
        "set a 0 0  1\r\nx\r\n",
        "set a 0 -1 1\r\nx\r\n",
        "set a 0 0 1\nx\r\n",
        "set a 0 0 +1\r\nx\r\n",
        "set a 0 0 1x\r\nx\r\n",
        "set a 0 0 \r\nx\r\n",
        "set a 0 0\r\nx\r\n",
        "set a 0 0 18446744073709551615\r\nx\r\n",
        "set a 18446744073709551616 0 1\r\nx\r\n",
        "set a 0 0 9223372036854775807\r\nx\r\n",
        "set  0 0 1\r\nx\r\n",
        "add a 0 0 1\r\nx\r\n",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(sets_in(others[i]) == 0, "%s", others[i]);
    }
    ck_assert_uint_eq(sets_in("set a 999999999999999999 999999999999999999 01\r\nx\r\n"), 1);
}
END_TEST

START_TEST(mgs_have_flags)
{
    struct plain_mg mgs[4];
    struct span input = hold("mg a\r\nmg bb v\r\nmg c k Oabc q t f s c b v\r\nmg d v N30\r\n");
    check_plain_lines(input);
    ck_assert_uint_eq(request_plain_mgs(input, mgs, 4), 3);
    ck_assert_uint_eq(request_plain_mgs(input, mgs, 2), 2);
    ck_assert_span(mgs[0].wire_key, "a");
    ck_assert_span(mgs[0].flags, "");
    ck_assert_uint_eq(mgs[1].present, meta_bit('v'));
    ck_assert_uint_eq(mgs[1].bytes, 9);
    ck_assert_span(mgs[2].flags, " k Oabc q t f s c b v");
    ck_assert_span(mgs[2].opaque, "abc");
    ck_assert_uint_eq(mgs_in("mg a O v\r\n"), 1);
}
END_TEST

START_TEST(other_mgs_are_not_plain)
{
    static const char *const others[] = {
        "mg",           "mg ",           "mg a",           "mg a v",        "mg a v\r",
        "mg a v\n",     "mg  a v\r\n",   "mg a v \r\n",    "mg a  v\r\n",   "mg a vx\r\n",
        "mg a v v\r\n", "mg a N30\r\n",  "mg a u\r\n",     "mg a h\r\n",    "mg a l\r\n",
        "mg a T0\r\n",  "mg a \x89\r\n", "mg a o\r\n",     "mg a V\r\n",    "mg a O1 O1\r\n",
        "mg a \r\n",    "mg \r\n",       "mg a Oa\tb\r\n", "mg a\tb v\r\n", "MG a v\r\n",
        "mga v\r\n",    "ms a v\r\n",    "mg a v\rq\r\n",  "mg a { v\r\n",  "mg a q1\r\n",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(mgs_in(others[i]) == 0, "%s", others[i]);
    }
}
END_TEST

START_TEST(a_plain_opaque_has_up_to_31_bytes)
{
    char line[100], opaque[33];
    memset(opaque, 'o', sizeof(opaque));
    for (int len = 0; len <= 32; len++) {
        snprintf(line, sizeof(line), "mg k O%.*s\r\n", len, opaque);
        ck_assert_uint_eq(mgs_in(line), len <= 31);
        snprintf(line, sizeof(line), "mg k O%.*s v\r\n", len, opaque);
        ck_assert_uint_eq(mgs_in(line), len <= 31);
    }
}
END_TEST

/* All that the plain flags can be combined to, against the parser. */
START_TEST(every_set_of_plain_flags)
{
#define X(letter) letter,
    static const char letters[] = {PLAIN_MG_FLAGS(X)};
#undef X
    const unsigned count = sizeof(letters);
    for (unsigned set = 0; set < 1u << count; set++) {
        for (unsigned first = 0; first < count; first++) {
            char line[64] = "mg QUJD";
            for (unsigned i = 0; i < count; i++) {
                char letter = letters[(first + i) % count];
                if (set >> (first + i) % count & 1) {
                    strcat(line, letter == 'O' ? " Oxy" : (char[3]){' ', letter, '\0'});
                }
            }
            ck_assert_uint_eq(mgs_in(strcat(line, "\r\n")), 1);
        }
    }
}
END_TEST

START_TEST(mss_come_with_values_and_flags)
{
    struct plain_ms mss[4];
    struct span input = hold("ms a 3\r\nxyz\r\nms YmI= 0 T60 k Oabc q c b F70000 MS I s\r\n\r\n"
                             "ms c 1 T0 F0\r\n\n\r\nms d 1 ME\r\nx\r\n");
    check_plain_lines(input);
    ck_assert_uint_eq(request_plain_mss(input, mss, 4), 3);
    ck_assert_uint_eq(request_plain_mss(input, mss, 2), 2);
    ck_assert_span(mss[0].wire_key, "a");
    ck_assert_span(mss[0].value, "xyz");
    ck_assert_uint_eq(mss[0].present, 0);
    ck_assert_uint_eq(mss[0].echo_count, 0);
    ck_assert_uint_eq(mss[0].bytes, 13);
    ck_assert_span(mss[1].value, "");
    ck_assert_span(mss[1].opaque, "abc");
    ck_assert_int_eq(mss[1].ttl, 60);
    ck_assert_uint_eq(mss[1].client_flags, 70000);
    ck_assert_uint_eq(mss[1].echo_count, 4);
    ck_assert_mem_eq(mss[1].echoes, "kOcs", 4);
}
END_TEST

START_TEST(other_mss_are_not_plain)
{
    static const char *const others[] = {
        "ms",
        "ms a",
        "ms a 1",
        "ms a 1\r\nx",
        "ms a 1\r\nx\r",
        "ms a 1\r\nxy\r\n", /* a bad chunk */
        "ms a 1\nx\r\n",
        "ms a 1 \r\nx\r\n",
        "ms a  1\r\nx\r\n",
        "ms a 1  c\r\nx\r\n",
        "ms a -1\r\nx\r\n",
        "ms a 1x\r\nx\r\n",
        "ms a c 1\r\nx\r\n",
        "ms a 1 c c\r\nx\r\n",
        "ms a 1 cx\r\nx\r\n",
        "ms a 1 T\r\nx\r\n",
        "ms a 1 T-1\r\nx\r\n",
        "ms a 1 T1x\r\nx\r\n",
        "ms a 1 F\r\nx\r\n",
        "ms a 1 F18446744073709551615\r\nx\r\n",
        "ms a 1 C5\r\nx\r\n",
        "ms a 1 E5\r\nx\r\n",
        "ms a 1 N5 MA\r\nx\r\n",
        "ms a 1 M\r\nx\r\n",
        "ms a 1 MSS\r\nx\r\n",
        "ms a 1 MP\r\nx\r\n",
        "ms a 1 Me\r\nx\r\n",
        "ms a 1 t\r\nx\r\n",
        "ms a 1 {\r\nx\r\n",
        "ms a 1 O12345678901234567890123456789012\r\nx\r\n",
        "ms  1\r\nx\r\n",
        "mg a 1\r\nx\r\n",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(mss_in(others[i]) == 0, "%s", others[i]);
    }
    ck_assert_uint_eq(mss_in("ms a 01 T999999999999999999 F007 Ms O\r\nx\r\n"), 1);
    char line[300], key[252];
    memset(key, '\xff', sizeof(key));
    for (int len = 1; len <= 251; len++) {
        snprintf(line, sizeof(line), "ms %.*s 1\r\nx\r\n", len, key);
        ck_assert_uint_eq(mss_in(line), len <= 250);
    }
}
END_TEST

/* Any byte in any place of a line, against the parser. */
START_TEST(every_byte_in_every_place)
{
    static const char *const lines[] = {"get 0123456789abcdefghij\r\n",
                                        "get 0123456789 abcdefghij k\r\n",
                                        "set 0123456789abcdef 10 0 2\r\nxy\r\n",
                                        "mg 0123456789abcdef v k Oabc q\r\n",
                                        "mg QUJDQUJDQUJDQUJD b t k s\r\n",
                                        "ms 0123456789abcdef 2 T60 c F5 k MS O1\r\nxy\r\n",
                                        "ms QUJDQUJDQUJDQUJD 2 b q I s\r\nxy\r\n"};
    for (unsigned l = 0; l < sizeof(lines) / sizeof(lines[0]); l++) {
        for (size_t at = 0; at < strlen(lines[l]); at++) {
            for (int byte = 1; byte < 256; byte++) {
                struct span input = hold(lines[l]);
                held[at] = (char)byte;
                check_plain_lines(input);
            }
        }
    }
}
END_TEST

UNIT_MAIN("request_plain", gets_stand_one_behind_the_other, other_gets_are_not_plain,
          a_multiget_has_many_keys, a_plain_key_has_up_to_250_bytes, sets_come_with_their_values,
          other_sets_are_not_plain, mgs_have_flags, other_mgs_are_not_plain,
          a_plain_opaque_has_up_to_31_bytes, every_set_of_plain_flags,
          mss_come_with_values_and_flags, other_mss_are_not_plain, every_byte_in_every_place)
