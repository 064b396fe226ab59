#include "common/core/num.h"

bool
num_parse_u64(struct span s, uint64_t *out)
{
    if (s.len == 0 || s.len > NUM_MAX_DIGITS * 2) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, digit, &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool
num_parse_i64(struct span s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t v;
    if (!num_parse_u64(negative ? span_skip(s, 1) : s, &v)) {
        return false;
    }
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static unsigned
suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    default: return 0;
    }
}

bool
num_parse_size(struct span s, uint64_t *out)
{
    unsigned shift = s.len > 0 ? suffix_shift(s.ptr[s.len - 1]) : 0;
    if (shift != 0) {
        s.len--;
    }
    uint64_t v;
    if (!num_parse_u64(s, &v) || v > UINT64_MAX >> shift) {
        return false;
    }
    *out = v << shift;
    return true;
}

/* The digits of n from the left. */
#define FIRST(n)  (char)('0' + ((n) < 10 ? (n) : (n) < 100 ? (n) / 10 : (n) / 100))
#define SECOND(n) (char)((n) < 10 ? 0 : '0' + ((n) < 100 ? (n) % 10 : (n) / 10 % 10))
#define THIRD(n)  (char)((n) < 100 ? 0 : '0' + (n) % 10)

#define ROW(n) {{FIRST(n), SECOND(n), THIRD(n)}, (n) < 10 ? 1 : (n) < 100 ? 2 : 3},
#define TEN_ROWS(n)                                                                                \
    ROW(n) ROW(n + 1) ROW(n + 2) ROW(n + 3) ROW(n + 4)                                             \
    ROW(n + 5) ROW(n + 6) ROW(n + 7) ROW(n + 8) ROW(n + 9)
#define HUNDRED_ROWS(n)                                                                            \
    TEN_ROWS(n) TEN_ROWS(n + 10) TEN_ROWS(n + 20) TEN_ROWS(n + 30) TEN_ROWS(n + 40)                \
    TEN_ROWS(n + 50) TEN_ROWS(n + 60) TEN_ROWS(n + 70) TEN_ROWS(n + 80) TEN_ROWS(n + 90)

const struct num_short num_shorts[1000] = {
    HUNDRED_ROWS(0) HUNDRED_ROWS(100) HUNDRED_ROWS(200) HUNDRED_ROWS(300) HUNDRED_ROWS(400)
    HUNDRED_ROWS(500) HUNDRED_ROWS(600) HUNDRED_ROWS(700) HUNDRED_ROWS(800) HUNDRED_ROWS(900)
};

static void
put_pair(char *out, unsigned below_100)
{
    static const char pairs[] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";
    memcpy(out, pairs + 2 * below_100, 2);
}

static size_t
count_digits(uint64_t v)
{
    size_t n = 1;
    for (; v >= 10000; v /= 10000) {
        n += 4;
    }
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

size_t
num_format_long(uint64_t v, char *out)
{
    size_t n = count_digits(v);
    char *p = out + n;
    for (; v >= 100; v /= 100) {
        p -= 2;
        put_pair(p, (unsigned)(v % 100));
    }
    if (v >= 10) {
        put_pair(out, (unsigned)v);
    } else {
        *out = (char)('0' + v);
    }
    return n;
}
