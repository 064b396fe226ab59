/* request_plain.h - the lines that most input is made of, without the general
 * parser: "get <key>+", "set <key> <flags> <exptime> <bytes>", "mg <key> <flag>*"
 * and "ms <key> <bytes> <flag>*" as clients write them, with single blanks, CRLF, and nothing else.
 *
 * What is recognised here means just what request_parse() makes of it. Whatever
 * is not, good or bad, whole or cut, is left to request_parse(): these say only
 * "not such a line". Nothing is remembered between calls. Pure. */
#pragma once
#include "common/proto/request.h"
#include "common/proto/scan.h"

/* The key at `p`, or one of no bytes. */
static inline __attribute__((always_inline)) struct span
plain_scan_key(const char *p, const char *end)
{
#ifdef __SSE2__
    _Static_assert(KEY_MAX_BYTES >= 32, "what ends here is not too long");
    if (end - p >= 16) { /* as most do, and it takes no loop to see */
        size_t second = end - p >= 32 ? 16 : (size_t)(end - p) - 16;
        unsigned stops = scan_stops_16(p) | scan_stops_16(p + second) << second;
        if (stops != 0) {
            return (struct span){p, (unsigned)__builtin_ctz(stops)};
        }
    }
#endif
    /* A long line is scanned no further here, however often it is tried. */
    const char *limit = end - p > KEY_MAX_BYTES + 1 ? p + KEY_MAX_BYTES + 1 : end;
    size_t len = (size_t)(scan_key_bytes(p, limit) - p);
    return (struct span){p, len <= KEY_MAX_BYTES ? len : 0};
}

static inline bool
plain_is_crlf(const char *p, const char *end)
{
    return end - p >= 2 && memcmp(p, "\r\n", 2) == 0;
}

/* The key of the plain get with one key that stands at `p`. Returns the end of its
 * CRLF, or NULL. */
static inline __attribute__((always_inline)) const char *
request_plain_get(const char *p, const char *end, struct span *key)
{
    if (end - p < 4 || memcmp(p, "get ", 4) != 0) {
        return NULL;
    }
    *key = plain_scan_key(p + 4, end);
    p = key->ptr + key->len;
    return key->len > 0 && plain_is_crlf(p, end) ? p + 2 : NULL;
}

/* More keys in one line are not plain. */
#define PLAIN_KEYS_MAX 128

/* Gives each key of the line "get <key> <key> ..." that `input` begins with, with
 * single blanks and its CRLF right behind the last, to `take`, and returns how many
 * there are. 0 if there is no such line; that may turn out when some were taken. */
static inline __attribute__((always_inline)) unsigned
request_plain_multiget(struct span input, void (*take)(void *arg, unsigned i, struct span key),
                       void *arg)
{
    _Static_assert(4 + PLAIN_KEYS_MAX * (KEY_MAX_BYTES + 1) < REQUEST_LINE_MAX,
                   "no such line is too long");
    const char *p = input.ptr, *end = p + input.len;
    unsigned n = 0;
    if (end - p < 4 || memcmp(p, "get ", 4) != 0) {
        return 0;
    }
    p += 3;
    do {
        struct span key = plain_scan_key(p + 1, end);
        if (key.len == 0) {
            return 0;
        }
        take(arg, n++, key);
        p = key.ptr + key.len;
    } while (n < PLAIN_KEYS_MAX && p < end && *p == ' ');
    return plain_is_crlf(p, end) ? n : 0;
}

#define PLAIN_DIGITS_MAX 18 /* so that nothing overflows, in 64 bits with or without sign */

/* A number at `p`, with something behind it; where it ends, or NULL. */
static inline const char *
plain_scan_digits(const char *p, const char *end, uint64_t *out)
{
    if (end - p < 2) {
        return NULL;
    }
    const char *limit = end - p > PLAIN_DIGITS_MAX ? p + PLAIN_DIGITS_MAX : end - 1;
    uint64_t n = (unsigned char)*p - (unsigned)'0';
    if (n > 9) {
        return NULL;
    }
    unsigned digit;
    for (p++; (digit = (unsigned char)*p - (unsigned)'0') <= 9; p++) {
        if (p == limit) {
            return NULL;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return p;
}

/* The same with a blank before it. Flags and exptimes are mostly 0. */
static inline __attribute__((always_inline)) const char *
plain_scan_number(const char *p, const char *end, uint64_t *out)
{
    if (end - p < 3 || *p != ' ') {
        return NULL;
    }
    unsigned digit = (unsigned char)p[1] - (unsigned)'0',
             next = (unsigned char)p[2] - (unsigned)'0';
    if (digit <= 9 && next > 9) {
        *out = digit;
        return p + 2;
    }
    return plain_scan_digits(p + 1, end, out);
}

/* A value of so many bytes at `p`, CRLF included. */
static inline __attribute__((always_inline)) bool
plain_scan_value(const char *p, const char *end, uint64_t bytes, struct span *value)
{
    *value = (struct span){p, (size_t)bytes};
    return (uint64_t)(end - p) >= bytes + 2 && bytes <= REQUEST_VALUE_MAX &&
           memcmp(p + bytes, "\r\n", 2) == 0;
}

struct plain_set {
    struct span key;
    struct span value;
    uint64_t flags;
    int64_t exptime;
    size_t bytes; /* line and value block */
};

/* The plain set that stands at `p`, with its whole value. Returns the end of the value's
 * CRLF, or NULL. */
static inline __attribute__((always_inline)) const char *
request_plain_set(const char *p, const char *end, struct plain_set *set)
{
    const char *from = p;
    if (end - p < 4 || memcmp(p, "set ", 4) != 0) {
        return NULL;
    }
    set->key = plain_scan_key(p + 4, end);
    uint64_t exptime, bytes;
    if (set->key.len == 0 ||
        (p = plain_scan_number(set->key.ptr + set->key.len, end, &set->flags)) == NULL ||
        (p = plain_scan_number(p, end, &exptime)) == NULL ||
        (p = plain_scan_number(p, end, &bytes)) == NULL || !plain_is_crlf(p, end) ||
        !plain_scan_value(p + 2, end, bytes, &set->value)) {
        return NULL;
    }
    set->exptime = (int64_t)exptime;
    p = set->value.ptr + bytes + 2;
    set->bytes = (size_t)(p - from);
    return p;
}

/* The plain sets that `input` begins with, one behind the other; at most `max`. Returns
 * how many. */
unsigned request_plain_sets(struct span input, struct plain_set *sets, unsigned max);

/* Flags with which an mg changes nothing and tells nothing of the past. Only O has
 * an argument. */
#define PLAIN_MG_FLAGS(X) X('b') X('c') X('f') X('k') X('q') X('s') X('t') X('v') X('O')

struct plain_mg {
    struct span wire_key; /* base64 if the flag b is there */
    struct span flags;    /* " v k Oabc", maybe of no bytes: each is a blank and a letter, */
    struct span opaque;   /* and what follows O, if that is there, is this */
    uint64_t present;     /* meta_bit(letter) of every flag given */
    size_t bytes;
};

/* The same for mg. Whether a base64 key is one is not looked at. */
unsigned request_plain_mgs(struct span input, struct plain_mg *mgs, unsigned max);

#define PLAIN_MS_ECHOES 4

/* An ms is plain with flags with which it stores whatever is there: b, c, k, q, s, O, T
 * and F that are no less than 0, M with the mode S, and I, which means nothing without
 * C. */
struct plain_ms {
    struct span wire_key; /* base64 if the flag b is there */
    struct span value;
    struct span opaque;    /* O */
    int64_t ttl;           /* T, or 0 */
    uint64_t client_flags; /* F, or 0 */
    uint64_t present;      /* as above */
    size_t bytes;          /* line and value block */
    unsigned echo_count;
    char echoes[PLAIN_MS_ECHOES]; /* the flags among O, k, c and s, in the order given */
};

/* The same for ms, each with its whole value, CRLF included. */
unsigned request_plain_mss(struct span input, struct plain_ms *mss, unsigned max);
