#include "t/bench/latency.h"

/* The octave's number and the four bits behind the first one. */
static unsigned
bucket_of(uint64_t ns)
{
    if (ns < 16) {
        return (unsigned)ns;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
    unsigned bucket = (octave - 3) * 16 + (unsigned)(ns >> (octave - 4) & 15);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static uint64_t
upper_end_ns(unsigned bucket)
{
    if (bucket < 16) {
        return bucket;
    }
    unsigned octave = bucket / 16 + 3;
    return (uint64_t)(16 + bucket % 16 + 1) << (octave - 4);
}

void
latency_add(struct latency *l, uint64_t ns)
{
    l->count++;
    l->max_ns = ns > l->max_ns ? ns : l->max_ns;
    l->buckets[bucket_of(ns)]++;
}

uint64_t
latency_percentile_ns(const struct latency *l, double share)
{
    uint64_t wanted = (uint64_t)((double)l->count * share), seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (l->buckets[i] > 0 && seen >= wanted) {
            uint64_t end = upper_end_ns(i);
            return end < l->max_ns ? end : l->max_ns;
        }
    }
    return l->max_ns;
}
