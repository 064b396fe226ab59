#include "common/fleet/continuum.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>
#include <string.h>

#define RADIX_BITS 11
#define RADIX_SIZE (1u << RADIX_BITS)

void
continuum_init(struct continuum *c, unsigned capacity)
{
    *c = (struct continuum){.unsorted = mem_alloc(capacity * sizeof(*c->unsorted))};
}

void
continuum_deinit(struct continuum *c)
{
    free(c->unsorted);
    free(c->points);
    free(c->servers);
    free(c->starts);
    *c = (struct continuum){0};
}

void
continuum_add(struct continuum *c, uint32_t point, uint32_t server)
{
    c->unsorted[c->count++] = (uint64_t)point << 32 | server;
}

/* One stable pass by the RADIX_BITS from bit `low` on. */
static void
radix_pass(const uint64_t *from, uint64_t *to, unsigned count, unsigned low)
{
    unsigned at[RADIX_SIZE] = {0};
    for (unsigned i = 0; i < count; i++) {
        at[from[i] >> low & (RADIX_SIZE - 1)]++;
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < RADIX_SIZE; i++) {
        unsigned n = at[i];
        at[i] = sum;
        sum += n;
    }
    for (unsigned i = 0; i < count; i++) {
        to[at[from[i] >> low & (RADIX_SIZE - 1)]++] = from[i];
    }
}

/* A radix sort, because a pool of ten thousand servers has 1.6 million points.
 * The sort is stable and servers add their points in the order of their
 * indexes, so that three passes over the point are enough for ties too. */
static void
sort_points(struct continuum *c)
{
    uint64_t *other = mem_alloc(c->count * sizeof(*other));
    radix_pass(c->unsorted, other, c->count, 32);
    radix_pass(other, c->unsorted, c->count, 32 + RADIX_BITS);
    radix_pass(c->unsorted, other, c->count, 32 + 2 * RADIX_BITS);
    free(c->unsorted);
    c->unsorted = other;
}

/* About one entry a point: a lookup then compares two or three points that
 * share a cache line, where a binary search would miss a dozen times. */
static void
index_points(struct continuum *c)
{
    unsigned bits = 1;
    while (bits < 24 && (1u << bits) < c->count) {
        bits++;
    }
    c->shift = 32 - bits;
    c->starts = mem_alloc(((1u << bits) + 1) * sizeof(*c->starts));
    unsigned at = 0;
    for (unsigned i = 0; i < 1u << bits; i++) {
        while (at < c->count && c->points[at] >> c->shift < i) {
            at++;
        }
        c->starts[i] = at;
    }
    c->starts[1u << bits] = c->count;
}

/* The first of equal points is the one that a lookup finds. */
static void
give_ties_to_last(struct continuum *c)
{
    for (unsigned i = c->count - 1; i-- > 0;) {
        if (c->points[i] == c->points[i + 1]) {
            c->servers[i] = c->servers[i + 1];
        }
    }
}

void
continuum_seal(struct continuum *c, enum continuum_ties ties)
{
    ASSERT(c->count > 0 && c->points == NULL);
    sort_points(c);
    c->points = mem_alloc(c->count * sizeof(*c->points));
    c->servers = mem_alloc(c->count * sizeof(*c->servers));
    for (unsigned i = 0; i < c->count; i++) {
        c->points[i] = (uint32_t)(c->unsorted[i] >> 32);
        c->servers[i] = (uint32_t)c->unsorted[i];
    }
    free(c->unsorted);
    c->unsorted = NULL;
    if (ties == CONTINUUM_TIES_TO_LAST) {
        give_ties_to_last(c);
    }
    index_points(c);
}

unsigned
continuum_at_or_before(const struct continuum *c, uint32_t hash)
{
    unsigned at = continuum_lower_bound(c, hash);
    if (at < c->count && c->points[at] == hash) {
        return at;
    }
    return at > 0 ? at - 1 : c->count - 1;
}
