#include "t/unit/unit.h"

#include "common/core/num.h"

#include <inttypes.h>
#include <stdio.h>

static bool
u64(const char *s, uint64_t *out)
{
    return num_parse_u64(span_cstr(s), out);
}

START_TEST(u64_is_digits_that_fit)
{
    uint64_t v = 7;
    ck_assert(u64("0", &v));
    ck_assert_uint_eq(v, 0);
    ck_assert(u64("18446744073709551615", &v));
    ck_assert_uint_eq(v, UINT64_MAX);
    ck_assert(u64("00000000000000000000000000000042", &v));
    ck_assert_uint_eq(v, 42);
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "0x1",
        "1.0",
        "1:",
        "1/",
        "18446744073709551616",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!u64(bad[i], &v), "%s", bad[i]);
    }
    ck_assert_uint_eq(v, 42);
    ck_assert(!num_parse_u64(span_make("1\0", 2), &v));
}
END_TEST

START_TEST(i64_may_be_negative)
{
    int64_t v = 7;
    ck_assert(num_parse_i64(SPAN_LIT("-9223372036854775808"), &v));
    ck_assert_int_eq(v, INT64_MIN);
    ck_assert(num_parse_i64(SPAN_LIT("9223372036854775807"), &v));
    ck_assert_int_eq(v, INT64_MAX);
    ck_assert(num_parse_i64(SPAN_LIT("-0"), &v));
    ck_assert_int_eq(v, 0);
    static const char *const bad[] = {
        "", "-", "--1", "- 1", "-9223372036854775809", "9223372036854775808",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!num_parse_i64(span_cstr(bad[i]), &v), "%s", bad[i]);
    }
    ck_assert_int_eq(v, 0);
}
END_TEST

START_TEST(sizes_have_one_suffix)
{
    uint64_t v = 7;
    ck_assert(num_parse_size(SPAN_LIT("1k"), &v));
    ck_assert_uint_eq(v, 1024);
    ck_assert(num_parse_size(SPAN_LIT("3M"), &v));
    ck_assert_uint_eq(v, 3 << 20);
    ck_assert(num_parse_size(SPAN_LIT("17179869183g"), &v));
    ck_assert_uint_eq(v, 17179869183ull << 30);
    static const char *const bad[] = {"", "k", "1kk", "1t", "-1k", "17179869184g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!num_parse_size(span_cstr(bad[i]), &v), "%s", bad[i]);
    }
}
END_TEST

START_TEST(formatted_numbers_parse_again)
{
    static const uint64_t numbers[] = {0, 9, 10, 99, 100, 12345678901234567890u, UINT64_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char out[NUM_MAX_DIGITS], expected[32];
        size_t len = num_format_u64(numbers[i], out);
        snprintf(expected, sizeof(expected), "%" PRIu64, numbers[i]);
        ck_assert(span_eq_cstr(span_make(out, len), expected));
    }
}
END_TEST

START_TEST(every_short_number)
{
    for (unsigned n = 0; n < 1100; n++) {
        char out[NUM_MAX_DIGITS], expected[32];
        size_t len = num_format_u64(n, out);
        snprintf(expected, sizeof(expected), "%u", n);
        ck_assert(span_eq_cstr(span_make(out, len), expected));
    }
}
END_TEST

UNIT_MAIN("num", u64_is_digits_that_fit, i64_may_be_negative, sizes_have_one_suffix,
          formatted_numbers_parse_again, every_short_number)
