/* copy.h - memcpy() for keys and short values: so many are copied for each answer
 * that the call would cost as much as the copying. */
#pragma once
#include <stddef.h>
#include <string.h>

#define COPY_INLINE_MAX 128 /* beyond this the call is worth it */

/* Two pieces of a fixed size that overlap as far as is needed. The two ranges do
 * not. Returns the end of what was written. */
static inline char *
copy_bytes(char *to, const char *from, size_t n)
{
    if (n > COPY_INLINE_MAX || n < 4) {
        memcpy(to, from, n);
    } else if (n > 64) {
        memcpy(to, from, 64);
        memcpy(to + n - 64, from + n - 64, 64);
    } else if (n > 32) {
        memcpy(to, from, 32);
        memcpy(to + n - 32, from + n - 32, 32);
    } else if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    }
    return to + n;
}

/* The same where most are 16 to 32 bytes. */
static inline char *
copy_key(char *to, const char *from, size_t n)
{
    if (n - 16 > 32 - 16) {
        return copy_bytes(to, from, n);
    }
    memcpy(to, from, 16);
    memcpy(to + n - 16, from + n - 16, 16);
    return to + n;
}

/* copy_key() for where code must stay small to be inlined itself: any other length is a
 * call. */
static inline void
copy_key_or_call(char *to, const char *from, size_t n)
{
    if (n - 16 > 32 - 16) {
        memcpy(to, from, n);
        return;
    }
    memcpy(to, from, 16);
    memcpy(to + n - 16, from + n - 16, 16);
}
