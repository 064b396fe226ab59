#include "common/fleet/furc.h"

#define SHIFT     23 /* bits of one number lie so far apart */
#define TRIES_MAX 32
/* The farthest bit that is ever asked for, in words of 64. */
#define WORDS_MAX ((SHIFT + 1) * (SHIFT + 1) * TRIES_MAX / 64 + 1)

#define MURMUR_SEED 4193360111u
#define MURMUR_M    0xc6a4a7935bd1e995u
#define MURMUR_R    47

static inline uint64_t
scramble(uint64_t k)
{
    k *= MURMUR_M;
    return (k ^ k >> MURMUR_R) * MURMUR_M;
}

static inline uint64_t
finish(uint64_t h)
{
    h = (h ^ h >> MURMUR_R) * MURMUR_M;
    return h ^ h >> MURMUR_R;
}

static uint64_t
little64(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    }
    return v;
}

/* A. Appleby's MurmurHash64A. */
static uint64_t
murmur64(struct span key)
{
    uint64_t h = MURMUR_SEED ^ key.len * MURMUR_M;
    for (; key.len >= 8; key = span_skip(key, 8)) {
        h = (h ^ scramble(little64(key.ptr, 8))) * MURMUR_M;
    }
    if (key.len > 0) {
        h = (h ^ little64(key.ptr, key.len)) * MURMUR_M;
    }
    return finish(h);
}

static uint64_t
murmur64_again(uint64_t word)
{
    return finish((MURMUR_SEED ^ 8 * MURMUR_M ^ scramble(word)) * MURMUR_M);
}

/* An endless row of random bits that belong to the key: its hash, the hash of
 * that, and so on. */
struct bits {
    uint64_t words[WORDS_MAX];
    unsigned made;
};

static unsigned
bit_at(struct bits *b, struct span key, unsigned at)
{
    unsigned word = at / 64;
    for (; b->made <= word; b->made++) {
        b->words[b->made] = b->made == 0 ? murmur64(key) : murmur64_again(b->words[b->made - 1]);
    }
    return b->words[word] >> (at % 64) & 1;
}

static struct span
routing_part(struct span key)
{
    const char *end = key.ptr + key.len;
    if (key.len > 0 && key.ptr[0] == '/') {
        const char *cluster = memchr(key.ptr + 1, '/', key.len - 1);
        const char *rest =
            cluster != NULL ? memchr(cluster + 1, '/', (size_t)(end - cluster) - 1) : NULL;
        key = rest != NULL ? span_skip(key, (size_t)(rest - key.ptr) + 1) : key;
    }
    const char *stop = key.len > 0 ? memmem(key.ptr, key.len, "|#|", 3) : NULL;
    return stop != NULL ? span_make(key.ptr, (size_t)(stop - key.ptr)) : key;
}

uint32_t
furc_owner(struct span key, uint32_t count)
{
    struct bits bits;
    bits.made = 0;
    key = routing_part(key);
    unsigned depth = 0; /* bits that a server's number has */
    while ((uint64_t)1 << depth < count) {
        depth++;
    }
    unsigned at = depth;
    for (unsigned tries = 0; depth > 0 && tries < TRIES_MAX; tries++) {
        while (bit_at(&bits, key, at) == 0) {
            if (--depth == 0) {
                return 0;
            }
            at = depth;
        }
        at += SHIFT;
        uint32_t number = 1;
        for (unsigned i = 1; i < depth; i++) {
            number = number << 1 | bit_at(&bits, key, at);
            at += SHIFT;
        }
        if (number < count) {
            return number;
        }
    }
    return 0;
}
