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
#if XXH_VERSION_NUMBER >= 800 && XXH_VERSION_NUMBER <= 803
    /* Most keys are so long, and then the call would cost as much as the rest. Only
     * these versions are known to have this part as a function; the hash is the same. */
    if (s.len - 9 <= 16 - 9) {
        return XXH3_len_9to16_64b((const xxh_u8 *)s.ptr, s.len, XXH3_kSecret, seed);
    }
#endif
    return XXH3_64bits_withSeed(s.ptr, s.len, seed);
}
