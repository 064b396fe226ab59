/* reply_plain.h - the reply that most reads have, recognised without taking it
 * apart: a VALUE of the key that was asked for, or what an mg is told, whole, with single
 * blanks and CRLF.
 *
 * What is recognised here means just what reply_parse() makes of it. Whatever is
 * not, good or bad, whole or cut, is left to reply_parse(). Pure. */
#pragma once
#include "common/proto/reply.h"
#include "common/proto/scan.h"

#include <stdint.h>

#define REPLY_PLAIN_DIGITS_MAX 18 /* no such number exceeds 64 bits */

/* Behind the digits at `p`, of which there are some but not too many, and before
 * `end`; else NULL. */
static inline const char *
reply_plain_number(const char *p, const char *end, uint64_t *out)
{
    const char *from = p;
    uint64_t v = 0;
    unsigned digit;
    while (p < end && (digit = (unsigned char)*p - (unsigned)'0') <= 9) {
        v = v * 10 + digit;
        p++;
    }
    *out = v;
    return p > from && p - from <= REPLY_PLAIN_DIGITS_MAX && p < end ? p : NULL;
}

static inline bool
reply_plain_begins(const char *p, const char *end, struct span key)
{
    return (size_t)(end - p) > 6 + key.len && memcmp(p, "VALUE ", 6) == 0 &&
           p[6 + key.len] == ' ' && bytes_equal(p + 6, key.ptr, key.len);
}

/* The end of the block whose line goes on at `p`, with the flags, mostly 0. */
static inline const char *
reply_plain_rest(const char *p, const char *end)
{
    uint64_t ignored, bytes;
    p = end - p > 2 && p[0] == '0' && p[1] == ' ' ? p + 1 : reply_plain_number(p, end, &ignored);
    if (p == NULL || *p != ' ' || (p = reply_plain_number(p + 1, end, &bytes)) == NULL) {
        return NULL;
    }
    if (*p == ' ' && (p = reply_plain_number(p + 1, end, &ignored)) == NULL) { /* of gets */
        return NULL;
    }
    size_t left = (size_t)(end - p);
    if (left < 4 || bytes > left - 4 || memcmp(p, "\r\n", 2) != 0 ||
        memcmp(p + 2 + bytes, "\r\n", 2) != 0) {
        return NULL;
    }
    return p + 2 + bytes + 2;
}

/* The end of the VALUE of this key at `p`, or NULL if there is none such. */
static inline const char *
reply_plain_value(const char *p, const char *end, struct span key)
{
    return reply_plain_begins(p, end, key) ? reply_plain_rest(p + 6 + key.len + 1, end) : NULL;
}

/* The end of the VA with its value, of the HD or of the EN at `p`, or NULL if there is
 * none such. */
static inline const char *
reply_plain_mg(const char *p, const char *end, bool *miss)
{
    const char *from = p;
    uint64_t bytes = 0;
    if (end - p < 4) {
        return NULL;
    }
    bool value = memcmp(p, "VA ", 3) == 0;
    *miss = memcmp(p, "EN", 2) == 0;
    if (value) {
        p = reply_plain_number(p + 3, end, &bytes);
    } else {
        p = *miss || memcmp(p, "HD", 2) == 0 ? p + 2 : NULL;
    }
    while (p != NULL && p < end && *p == ' ') {
        p = scan_key_bytes(p + 1, end);
    }
    if (p == NULL || end - p < 2 || memcmp(p, "\r\n", 2) != 0 || p - from > REPLY_LINE_MAX) {
        return NULL;
    }
    p += 2;
    if (!value) {
        return p;
    }
    size_t left = (size_t)(end - p);
    return left >= 2 && bytes <= left - 2 && memcmp(p + bytes, "\r\n", 2) == 0 ? p + bytes + 2
                                                                               : NULL;
}
