/* bands.h - items by size, counted in the classes that memcached would have put
 * them in.
 *
 * This engine has no slab classes: an item takes what it takes. But people know
 * their data by the classes of `stats slabs`, and panels and scripts go by their
 * numbers. So items are counted by band: band N is slab class N of a memcached
 * with default options, by the size that an item has there (BAND_OVERHEAD).
 *
 * Threads: a struct band_counts has one writer; anybody may read it. */
#pragma once
#include "cached/store/store.h"

#include <stdatomic.h>

#define BAND_OVERHEAD 59 /* header, CAS value, NUL and CRLF of an item in memcached */

/* The largest item of a band in memcached's bytes; the last has no limit. */
extern const uint32_t band_limits[STORE_BANDS];
/* The band of the smallest size with these three leading bits: four sizes to a
 * doubling, of which none spans more than one limit. */
extern const uint8_t band_first[128];

static inline unsigned
band_of(uint64_t key_bytes, uint64_t value_bytes)
{
    uint64_t size = key_bytes + value_bytes + BAND_OVERHEAD;
    unsigned whole = 63 - (unsigned)__builtin_clzll(size);
    unsigned band = band_first[whole * 4 + ((size >> (whole - 2)) & 3)];
    return band + (size > band_limits[band] && band < STORE_BANDS - 1);
}

struct band_counts {
#define X(field) _Atomic uint64_t field;
    STORE_BAND_COUNTS(X)
#undef X
};

static inline void
band_add(_Atomic uint64_t *count, uint64_t n)
{
    metric_bump(count, n);
}

static inline void
band_enter(struct band_counts *counts, unsigned band, uint64_t bytes)
{
    band_add(&counts[band].items, 1);
    band_add(&counts[band].item_bytes, bytes);
}

static inline void
band_leave(struct band_counts *counts, unsigned band, uint64_t bytes)
{
    band_add(&counts[band].items, (uint64_t)0 - 1);
    band_add(&counts[band].item_bytes, (uint64_t)0 - bytes);
}
