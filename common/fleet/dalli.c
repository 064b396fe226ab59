#include "common/fleet/dalli.h"
#include "common/core/mem.h"

#include <sha1.h>
#include <stdlib.h>

#define POINTS 160 /* a server of average weight */

/* In whole numbers, unlike ketama's float32. */
static unsigned
points_of(uint32_t weight, uint64_t total_weight, unsigned count)
{
    return (unsigned)((uint64_t)count * POINTS * weight / total_weight);
}

/* The first 32 bits of SHA-1("label:i"). */
static uint32_t
point_of(const char *label, unsigned i)
{
    char *text = mem_printf("%s:%u", label, i);
    SHA1_CTX sha;
    uint8_t digest[SHA1_DIGEST_LENGTH];
    SHA1Init(&sha);
    SHA1Update(&sha, (const uint8_t *)text, strlen(text));
    SHA1Final(digest, &sha);
    free(text);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

void
dalli_build(struct continuum *c, const struct ring_server *servers, unsigned count)
{
    uint64_t total_weight = 0;
    unsigned total_points = 0;
    for (unsigned s = 0; s < count; s++) {
        total_weight += servers[s].weight;
    }
    for (unsigned s = 0; s < count; s++) {
        total_points += points_of(servers[s].weight, total_weight, count);
    }
    continuum_init(c, total_points);
    for (unsigned s = 0; s < count; s++) {
        char *label = ring_server_label(RING_DALLI, &servers[s]);
        unsigned points = points_of(servers[s].weight, total_weight, count);
        for (unsigned i = 0; i < points; i++) {
            continuum_add(c, point_of(label, i), s);
        }
        free(label);
    }
    continuum_seal(c, CONTINUUM_TIES_TO_FIRST);
}
