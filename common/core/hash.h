/* hash.h - the hash of our own tables (XXH3, 64 bits). What legacy clients
 * hash keys with is in common/fleet/keyhash.h. */
#pragma once
#include "common/core/span.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t
hash_span(struct span s)
{
    return XXH3_64bits(s.ptr, s.len);
}

/* For tables whose keys strangers choose: with a secret seed nobody can prepare
 * keys that all fall into one bucket. */
static inline uint64_t
hash_span_seeded(struct span s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.ptr, s.len, seed);
}
