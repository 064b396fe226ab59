#include "common/proto/request_plain.h"

#define DIGITS_MAX 18 /* so that nothing overflows, in 64 bits with or without sign */

/* --- mg ----------------------------------------------------------------------- */

/* Of a letter that is a plain flag, else 0. */
static inline uint64_t
plain_mg_bit(char letter)
{
    switch (letter) {
#define X(plain) case plain:
        PLAIN_MG_FLAGS(X)
#undef X
        return meta_bit(letter);
    default: return 0;
    }
}

/* The end of the argument of O at `p`, or NULL if it is too long to be one. */
static const char *
scan_opaque(const char *p, const char *end)
{
    const char *limit = end - p > OPAQUE_MAX_BYTES + 1 ? p + OPAQUE_MAX_BYTES + 1 : end;
    const char *stop = scan_key_bytes(p, limit);
    return stop - p <= OPAQUE_MAX_BYTES ? stop : NULL;
}

/* The flags at `p`; where they end, or NULL. */
static inline const char *
scan_mg_flags(const char *p, const char *end, struct plain_mg *mg)
{
    const char *from = p;
    uint64_t present = 0;
    while (end - p >= 2 && *p == ' ') {
        uint64_t bit = plain_mg_bit(p[1]);
        if (bit == 0 || (present & bit) != 0) {
            return NULL;
        }
        present |= bit;
        p += 2;
        if (__builtin_expect(bit == meta_bit('O'), 0)) {
            const char *stop = scan_opaque(p, end);
            if (stop == NULL) {
                return NULL;
            }
            mg->opaque = (struct span){p, (size_t)(stop - p)};
            p = stop;
        }
    }
    mg->present = present;
    mg->flags = (struct span){from, (size_t)(p - from)};
    return p;
}

static inline bool
scan_mg(struct span input, struct plain_mg *mg)
{
    const char *p = input.ptr, *end = p + input.len;
    if (input.len < 4 || memcmp(p, "mg ", 3) != 0) {
        return false;
    }
    mg->wire_key = plain_scan_key(p + 3, end);
    if (mg->wire_key.len == 0 ||
        (p = scan_mg_flags(mg->wire_key.ptr + mg->wire_key.len, end, mg)) == NULL ||
        !plain_is_crlf(p, end)) {
        return false;
    }
    mg->bytes = (size_t)(p + 2 - input.ptr);
    return true;
}

unsigned
request_plain_mgs(struct span input, struct plain_mg *mgs, unsigned max)
{
    unsigned n = 0;
    while (n < max && scan_mg(input, &mgs[n])) {
        input = span_skip(input, mgs[n].bytes);
        n++;
    }
    return n;
}

/* --- set ---------------------------------------------------------------------- */

/* " <number>" at `p`, with something behind it; where it ends, or NULL. */
static inline const char *
scan_number(const char *p, const char *end, uint64_t *out)
{
    if (end - p < 3 || *p != ' ') {
        return NULL;
    }
    const char *limit = end - p > DIGITS_MAX + 1 ? p + DIGITS_MAX + 1 : end - 1;
    uint64_t n = (unsigned char)p[1] - (unsigned)'0';
    if (n > 9) {
        return NULL;
    }
    unsigned digit;
    for (p += 2; (digit = (unsigned char)*p - (unsigned)'0') <= 9; p++) {
        if (p == limit) {
            return NULL;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return p;
}

static bool
scan_set(struct span input, struct plain_set *set)
{
    const char *p = input.ptr, *end = p + input.len;
    if (input.len < 4 || memcmp(p, "set ", 4) != 0) {
        return false;
    }
    set->key = plain_scan_key(p + 4, end);
    uint64_t exptime, bytes;
    if (set->key.len == 0 ||
        (p = scan_number(set->key.ptr + set->key.len, end, &set->flags)) == NULL ||
        (p = scan_number(p, end, &exptime)) == NULL || (p = scan_number(p, end, &bytes)) == NULL ||
        !plain_is_crlf(p, end)) {
        return false;
    }
    p += 2;
    if ((uint64_t)(end - p) < bytes + 2 || bytes > REQUEST_VALUE_MAX ||
        memcmp(p + bytes, "\r\n", 2) != 0) {
        return false;
    }
    set->exptime = (int64_t)exptime;
    set->value = (struct span){p, (size_t)bytes};
    set->bytes = (size_t)(p + bytes + 2 - input.ptr);
    return true;
}

unsigned
request_plain_sets(struct span input, struct plain_set *sets, unsigned max)
{
    unsigned n = 0;
    while (n < max && scan_set(input, &sets[n])) {
        input = span_skip(input, sets[n].bytes);
        n++;
    }
    return n;
}
