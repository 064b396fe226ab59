/* continuum.h - points on a circle of 2^32, each owned by a server.
 *
 * Points are added in the order of their servers' indexes, sealed once, then
 * only read: from any number of threads. */
#pragma once
#include <stdint.h>

struct continuum {
    uint64_t *unsorted; /* point << 32 | server, until sealed */
    uint32_t *points;   /* ascending */
    uint32_t *servers;  /* of the point at the same place */
    uint32_t *starts;   /* by a hash's upper bits: the first point not below them */
    unsigned count;
    unsigned shift; /* hash >> shift indexes `starts` */
};

/* Room for at most `capacity` points. */
void continuum_init(struct continuum *c, unsigned capacity);
void continuum_deinit(struct continuum *c);

void continuum_add(struct continuum *c, uint32_t point, uint32_t server);
/* Which server owns a point that several have: the one added first, as in
 * libmemcached, or last, as where a Java map's entry is overwritten. */
enum continuum_ties { CONTINUUM_TIES_TO_FIRST, CONTINUUM_TIES_TO_LAST };

/* At least one point was added. */
void continuum_seal(struct continuum *c, enum continuum_ties ties);

/* Index of the first point that is not below `hash`, or `count`. */
static inline unsigned
continuum_lower_bound(const struct continuum *c, uint32_t hash)
{
    unsigned low = c->starts[hash >> c->shift];
    unsigned high = c->starts[(hash >> c->shift) + 1];
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (c->points[middle] < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Index of the first point that is not below `hash`; past the last it is 0. */
static inline unsigned
continuum_at_or_after(const struct continuum *c, uint32_t hash)
{
    unsigned at = continuum_lower_bound(c, hash);
    return at < c->count ? at : 0;
}

/* Index of the last point that is not above `hash`; before the first it is the
 * last of all. */
unsigned continuum_at_or_before(const struct continuum *c, uint32_t hash);
