/* scan.h - walks over the words of one line, for common/proto and those who take
 * its lines apart further.
 *
 * A line is words between spaces. Key bytes are what may stand in a key: all
 * but space, the control characters and DEL; bytes from 0x80 are key bytes. Most
 * of a request is key bytes, so they are looked at 16 or eight at a time. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct cursor {
    const char *at;
    const char *end;
};

enum word_status {
    WORD_OK,
    WORD_NONE, /* the line ends here */
    WORD_BAD,  /* there is a word, but not such a one; the cursor is undefined */
};

#define SCAN_ONES  0x0101010101010101ull
#define SCAN_HIGHS 0x8080808080808080ull

static inline bool
scan_is_key_byte(unsigned char c)
{
    return c > ' ' && c != 0x7f;
}

/* A set high bit for each of the eight bytes at `p` that is no key byte; only
 * the lowest is reliable.
 *
 * (v - ONES*n) & ~v has a byte's high bit set if that byte is below n; a borrow
 * can set wrong bits only above the lowest right one, and the lowest is the one
 * that we take (S. E. Anderson, "Bit Twiddling Hacks", hasless). */
static inline uint64_t
scan_stops(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    uint64_t del = v ^ SCAN_ONES * 0x7f;
    uint64_t low = (v - SCAN_ONES * 0x21) & ~v;
    return (low | ((del - SCAN_ONES) & ~del)) & SCAN_HIGHS;
}

#ifdef __SSE2__
/* A set bit for each of the sixteen bytes at `p` that is no key byte. */
static inline unsigned
scan_stops_16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x20)), v);
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(del, low));
}
#endif

/* The first byte at or behind `p` that is no key byte, or `end`. What is left in
 * the end is looked at together with bytes before it, which are known to be good. */
static inline const char *
scan_key_bytes(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 16) {
        do {
            unsigned stops = scan_stops_16(p);
            if (stops != 0) {
                return p + __builtin_ctz(stops);
            }
            p += 16;
        } while (end - p >= 16);
        unsigned stops = p < end ? scan_stops_16(end - 16) : 0;
        return stops != 0 ? end - 16 + __builtin_ctz(stops) : end;
    }
#endif
    if (end - p >= 8) {
        do {
            uint64_t stops = scan_stops(p);
            if (stops != 0) {
                return p + (__builtin_ctzll(stops) >> 3);
            }
            p += 8;
        } while (end - p >= 8);
        uint64_t stops = p < end ? scan_stops(end - 8) : 0;
        return stops != 0 ? end - 8 + (__builtin_ctzll(stops) >> 3) : end;
    }
    while (p < end && scan_is_key_byte((unsigned char)*p)) {
        p++;
    }
    return p;
}

static inline void
scan_skip_spaces(struct cursor *c)
{
    while (c->at < c->end && *c->at == ' ') {
        c->at++;
    }
}

/* A word of key bytes, of any length. */
static inline enum word_status
scan_word(struct cursor *c, struct span *word)
{
    scan_skip_spaces(c);
    if (c->at == c->end) {
        return WORD_NONE;
    }
    const char *stop = scan_key_bytes(c->at, c->end);
    if (stop != c->end && *stop != ' ') {
        return WORD_BAD;
    }
    *word = (struct span){c->at, (size_t)(stop - c->at)};
    c->at = stop;
    return WORD_OK;
}

/* A word of any bytes, for lines that are refused anyway. */
static inline bool
scan_any_word(struct cursor *c, struct span *word)
{
    scan_skip_spaces(c);
    if (c->at == c->end) {
        return false;
    }
    const char *stop = memchr(c->at, ' ', (size_t)(c->end - c->at));
    if (stop == NULL) {
        stop = c->end;
    }
    *word = (struct span){c->at, (size_t)(stop - c->at)};
    c->at = stop;
    return true;
}

/* A word that is a decimal number of 64 bits without a sign. */
static inline enum word_status
scan_u64(struct cursor *c, uint64_t *out)
{
    scan_skip_spaces(c);
    if (c->at == c->end) {
        return WORD_NONE;
    }
    const char *p = c->at;
    uint64_t v = 0;
    for (; p < c->end; p++) {
        unsigned digit = (unsigned char)*p - (unsigned)'0';
        if (digit > 9) {
            break;
        }
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v)) {
            return WORD_BAD;
        }
    }
    if (p == c->at || (p != c->end && *p != ' ')) {
        return WORD_BAD;
    }
    *out = v;
    c->at = p;
    return WORD_OK;
}

/* The same with an optional '-'. */
static inline enum word_status
scan_i64(struct cursor *c, int64_t *out)
{
    scan_skip_spaces(c);
    bool negative = c->at < c->end && *c->at == '-';
    if (negative) {
        c->at++;
        if (c->at == c->end || *c->at == ' ') {
            return WORD_BAD;
        }
    }
    uint64_t v = 0;
    enum word_status status = scan_u64(c, &v);
    if (status == WORD_OK && v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return WORD_BAD;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return status;
}
