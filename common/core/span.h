/* span.h - a stretch of bytes that somebody else owns.
 *
 * Passed by value. Not terminated; may hold any byte. Valid as long as the
 * buffer behind it is neither freed, grown nor consumed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

#define SPAN_LIT(s)                                                                                \
    ((struct span){(s), sizeof(s) - 1})

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
