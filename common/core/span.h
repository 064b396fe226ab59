/* span.h - a stretch of bytes that somebody else owns.
 *
 * Passed by value. Not terminated; may hold any byte. Valid as long as the
 * buffer behind it is neither freed, grown nor consumed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct span {
    const char *ptr;
    size_t len;
};

#define SPAN_LIT(s) ((struct span){(s), sizeof(s) - 1})

/* For "%.*s". */
#define SPAN_FMT(s) (int)(s).len, (s).ptr

static inline struct span
span_make(const void *ptr, size_t len)
{
    return (struct span){ptr, len};
}

static inline struct span
span_cstr(const char *s)
{
    return (struct span){s, strlen(s)};
}

static inline bool
span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#ifdef __SSE2__
static inline bool
sixteen_equal(const char *a, const char *b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) == 0xffff;
}
#endif

/* memcmp() == 0 for keys, which are short: many bytes at a time without a call. */
static inline bool
bytes_equal(const char *a, const char *b, size_t n)
{
#ifdef __SSE2__
    if (n >= 16) {
        size_t last = n - 16;
        for (size_t i = 0; i < last; i += 16) {
            if (!sixteen_equal(a + i, b + i)) {
                return false;
            }
        }
        return sixteen_equal(a + last, b + last);
    }
#endif
    if (n < 8) {
        return memcmp(a, b, n) == 0;
    }
    uint64_t x, y;
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y) {
            return false;
        }
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return x == y;
}

/* The same where most are 16 to 32 bytes. */
static inline bool
key_bytes_equal(const char *a, const char *b, size_t n)
{
#ifdef __SSE2__
    if (n - 16 <= 32 - 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(a + n - 16));
        __m128i w = _mm_loadu_si128((const __m128i *)(const void *)(b + n - 16));
        __m128i both = _mm_and_si128(_mm_cmpeq_epi8(x, y), _mm_cmpeq_epi8(v, w));
        return _mm_movemask_epi8(both) == 0xffff;
    }
#endif
    return bytes_equal(a, b, n);
}

static inline bool
span_eq_cstr(struct span a, const char *s)
{
    return span_eq(a, span_cstr(s));
}

static inline bool
span_starts_with(struct span s, struct span prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* `s` without its first `n` bytes; n may not be past the end. */
static inline struct span
span_skip(struct span s, size_t n)
{
    return (struct span){s.ptr + n, s.len - n};
}
