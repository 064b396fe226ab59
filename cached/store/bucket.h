/* bucket.h - one cache line of the hash table: twelve items, each with eight
 * bits of its key's hash and a locator.
 *
 *     | 12 tags of 1 byte | next, 4 bytes | 12 locators of 4 bytes |
 *
 * Tag 0 is an empty place. The tags are compared all at once, so that looking
 * for a key touches the bucket and, nearly always, the one item.
 *
 * Written under the shard's lock, read by anybody: every word is atomic. */
#pragma once
#include "cached/store/segments.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BUCKET_PLACES 12u

struct bucket {
    _Atomic uint64_t tags_low; /* of places 0 to 7 */
    _Atomic uint32_t tags_high;
    _Atomic uint32_t next; /* number of the bucket that goes on, plus one; or 0 */
    _Atomic locator at[BUCKET_PLACES];
} __attribute__((aligned(64)));

static inline uint8_t
bucket_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag + (tag == 0);
}

#ifndef __SSE2__
/* A byte of 0x80 for each byte of `word` that equals `byte`. A byte above an
 * equal one may be reported too; callers look at what they find. */
static inline uint64_t
bucket_equal_bytes(uint64_t word, uint8_t byte)
{
    uint64_t x = word ^ (0x0101010101010101u * byte);
    return (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
}
#endif

/* The places that may have this tag, as bits 0 to 11. */
static inline unsigned
bucket_match(const struct bucket *b, uint8_t tag)
{
    uint64_t low = atomic_load_explicit(&b->tags_low, memory_order_acquire);
    uint64_t high = atomic_load_explicit(&b->tags_high, memory_order_acquire);
#ifdef __SSE2__
    __m128i tags = _mm_set_epi64x((long long)high, (long long)low);
    __m128i equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));
    return (unsigned)_mm_movemask_epi8(equal) & ((1u << BUCKET_PLACES) - 1);
#else
    low = bucket_equal_bytes(low, tag);
    high = bucket_equal_bytes(high, tag) & 0x80808080u;
    /* Gathers the eight high bits into a byte. */
    unsigned places = (unsigned)(((low >> 7) * 0x0102040810204080u) >> 56);
    return places | (unsigned)(((high >> 7) * 0x0102040810204080u) >> 56) << 8;
#endif
}

static inline uint8_t
bucket_tag_at(const struct bucket *b, unsigned place)
{
    return place < 8
               ? (uint8_t)(atomic_load_explicit(&b->tags_low, memory_order_relaxed) >> place * 8)
               : (uint8_t)(atomic_load_explicit(&b->tags_high, memory_order_relaxed) >>
                           (place - 8) * 8);
}

static inline locator
bucket_at(const struct bucket *b, unsigned place)
{
    return atomic_load_explicit(&b->at[place], memory_order_acquire);
}

/* Under the lock. Tag 0 and locator 0 empty the place. */
static inline void
bucket_set(struct bucket *b, unsigned place, uint8_t tag, locator at)
{
    atomic_store_explicit(&b->at[place], at, memory_order_release);
    if (place < 8) {
        uint64_t tags = atomic_load_explicit(&b->tags_low, memory_order_relaxed);
        tags = (tags & ~((uint64_t)0xff << place * 8)) | (uint64_t)tag << place * 8;
        atomic_store_explicit(&b->tags_low, tags, memory_order_release);
    } else {
        unsigned shift = (place - 8) * 8;
        uint32_t tags = atomic_load_explicit(&b->tags_high, memory_order_relaxed);
        tags = (tags & ~((uint32_t)0xff << shift)) | (uint32_t)tag << shift;
        atomic_store_explicit(&b->tags_high, tags, memory_order_release);
    }
}

/* The same for a place whose tag stays. */
static inline void
bucket_relocate(struct bucket *b, unsigned place, locator at)
{
    atomic_store_explicit(&b->at[place], at, memory_order_release);
}

/* An empty place, or BUCKET_PLACES. */
static inline unsigned
bucket_free_place(const struct bucket *b)
{
    unsigned places = bucket_match(b, 0);
    return places != 0 ? (unsigned)__builtin_ctz(places) : BUCKET_PLACES;
}

static inline bool
bucket_is_empty(const struct bucket *b)
{
    return atomic_load_explicit(&b->tags_low, memory_order_relaxed) == 0 &&
           atomic_load_explicit(&b->tags_high, memory_order_relaxed) == 0;
}
