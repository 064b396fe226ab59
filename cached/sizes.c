#include "cached/sizes.h"

#include <inttypes.h>
#include <stdlib.h>

#define FINE_BYTES    32u
#define FINE_COUNT    32768u /* up to a megabyte */
#define COARSE_BYTES  (1u << 20)
#define COARSE_COUNT  1026u /* the largest item, and its header */
#define BUCKETS_COUNT (FINE_COUNT + 1 + COARSE_COUNT)

struct sizes {
    uint64_t items[BUCKETS_COUNT];
};

struct sizes *
sizes_create(void)
{
    return calloc(1, sizeof(struct sizes));
}

void
sizes_destroy(struct sizes **s)
{
    free(*s);
    *s = NULL;
}

void
sizes_count(struct sizes *s, uint64_t bytes)
{
    uint64_t fine = (bytes + FINE_BYTES - 1) / FINE_BYTES;
    uint64_t coarse = (bytes + COARSE_BYTES - 1) / COARSE_BYTES;
    if (fine <= FINE_COUNT) {
        s->items[fine]++;
    } else {
        s->items[FINE_COUNT + (coarse < COARSE_COUNT ? coarse : COARSE_COUNT)]++;
    }
}

void
sizes_put(const struct sizes *s, struct buf *out)
{
    for (uint64_t i = 0; i < BUCKETS_COUNT; i++) {
        uint64_t bytes = i <= FINE_COUNT ? i * FINE_BYTES : (i - FINE_COUNT) * COARSE_BYTES;
        if (s->items[i] > 0) {
            buf_printf(out, "STAT %" PRIu64 " %" PRIu64 "\r\n", bytes, s->items[i]);
        }
    }
}
