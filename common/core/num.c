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

size_t
num_format_u64(uint64_t v, char *out)
{
    if (v < 10) { /* most flags */
        *out = (char)('0' + v);
        return 1;
    }
    char tmp[NUM_MAX_DIGITS];
    size_t n = 0;
    do {
        tmp[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = tmp[n - 1 - i];
    }
    return n;
}
