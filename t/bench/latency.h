/* latency.h - how long things took: a histogram whose buckets are a sixteenth
 * of their octave wide, so a percentile is exact to 6 %. One thread. */
#pragma once
#include <stdint.h>

#define LATENCY_BUCKETS 640 /* 40 octaves: up to 18 minutes in ns */

struct latency {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, uint64_t ns);

/* At least `share` of all took no longer; 0 if there are none. */
uint64_t latency_percentile_ns(const struct latency *l, double share);
