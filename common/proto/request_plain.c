#include "common/proto/request_plain.h"

/* --- mg ----------------------------------------------------------------------- */

/* Of a letter that is a plain flag of mg, else 0. */
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

unsigned
request_plain_sets(struct span input, struct plain_set *sets, unsigned max)
{
    const char *p = input.ptr, *end = p + input.len;
    unsigned n = 0;
    while (n < max && (p = request_plain_set(p, end, &sets[n])) != NULL) {
        n++;
    }
    return n;
}

/* --- ms ----------------------------------------------------------------------- */

/* The flag at `p` with its argument; where it ends, or NULL if it is not plain. */
static inline const char *
scan_ms_flag(const char *p, const char *end, struct plain_ms *ms)
{
    uint64_t number = 0;
    char letter = *p++;
    switch (letter) {
    case 'b':
    case 'q':
    case 'I': return p;
    case 'c':
    case 'k':
    case 's': break;
    case 'O':
        ms->opaque.ptr = p;
        p = scan_opaque(p, end);
        if (p == NULL) {
            return NULL;
        }
        ms->opaque.len = (size_t)(p - ms->opaque.ptr);
        break;
    case 'T':
        p = plain_scan_digits(p, end, &number);
        ms->ttl = (int64_t)number;
        return p;
    case 'F': return plain_scan_digits(p, end, &ms->client_flags);
    case 'M': return p < end && (*p == 'S' || *p == 's') ? p + 1 : NULL;
    default: return NULL;
    }
    ms->echoes[ms->echo_count++] = letter; /* none is given twice */
    return p;
}

static inline const char *
scan_ms_flags(const char *p, const char *end, struct plain_ms *ms)
{
    ms->present = 0;
    ms->echo_count = 0;
    ms->ttl = 0;
    ms->client_flags = 0;
    while (p != NULL && end - p >= 2 && *p == ' ') {
        uint64_t bit = meta_bit(p[1]);
        p = (ms->present & bit) == 0 ? scan_ms_flag(p + 1, end, ms) : NULL;
        ms->present |= bit;
    }
    return p;
}

static bool
scan_ms(struct span input, struct plain_ms *ms)
{
    const char *p = input.ptr, *end = p + input.len;
    if (input.len < 4 || memcmp(p, "ms ", 3) != 0) {
        return false;
    }
    ms->wire_key = plain_scan_key(p + 3, end);
    uint64_t bytes;
    if (ms->wire_key.len == 0 ||
        (p = plain_scan_number(ms->wire_key.ptr + ms->wire_key.len, end, &bytes)) == NULL ||
        (p = scan_ms_flags(p, end, ms)) == NULL || !plain_is_crlf(p, end) ||
        !plain_scan_value(p + 2, end, bytes, &ms->value)) {
        return false;
    }
    ms->bytes = (size_t)(ms->value.ptr + bytes + 2 - input.ptr);
    return true;
}

unsigned
request_plain_mss(struct span input, struct plain_ms *mss, unsigned max)
{
    unsigned n = 0;
    while (n < max && scan_ms(input, &mss[n])) {
        input = span_skip(input, mss[n].bytes);
        n++;
    }
    return n;
}
