/* continuum.h - points on a circle of 2^32, each owned by a server.
 *
 * Points are added in any order, sealed once, then only read: from any number
 * of threads. Equal points keep the order of their servers' indexes, as
 * libmemcached has it. */
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
/* At least one point was added. */
void continuum_seal(struct continuum *c);

/* Index of the first point that is not below `hash`; past the last it is 0. */
unsigned continuum_at_or_after(const struct continuum *c, uint32_t hash);
