/* num.h - decimal numbers from and to bytes, strict and without locale. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

/* Room for any 64-bit number with its sign; no terminator is written. */
#define NUM_MAX_DIGITS 20

/* The whole span is one decimal number that fits; no sign (u64) or an
 * optional '-' (i64), no blanks. *out is untouched on false. */
bool num_parse_u64(struct span s, uint64_t *out);
bool num_parse_i64(struct span s, int64_t *out);

/* A size as operators write it: digits and one optional suffix k, m or g
 * (powers of 1024, either case). */
bool num_parse_size(struct span s, uint64_t *out);

/* The rest of num_format_u64(). */
size_t num_format_long(uint64_t v, char *out);

/* Numbers below 1000 as they are written. */
struct num_short {
    char digits[3];
    uint8_t count;
};
extern const struct num_short num_shorts[1000];

/* Writes the digits of `v` to `out` (NUM_MAX_DIGITS bytes of room, of which those
 * behind the digits may be written to as well) and returns how many. Lengths and
 * flags, which stand in every reply, mostly have up to three. */
static inline size_t
num_format_u64(uint64_t v, char *out)
{
    if (v >= 1000) {
        return num_format_long(v, out);
    }
    memcpy(out, &num_shorts[v], sizeof(num_shorts[v]));
    return num_shorts[v].count;
}
