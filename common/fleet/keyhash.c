#include "common/fleet/keyhash.h"
#include "common/core/assert.h"

#include <endian.h>
#include <md5.h>
#include <zlib.h>

static inline uint32_t
byte(struct span s, size_t i)
{
    return (uint8_t)s.ptr[i];
}

static inline uint32_t
little16(struct span s, size_t i)
{
    return byte(s, i) | byte(s, i + 1) << 8;
}

static inline uint32_t
little32(struct span s, size_t i)
{
    return little16(s, i) | little16(s, i + 2) << 16;
}

/* MD5 by whole blocks: keys are short, so one transform of a block on the stack
 * is all there is to do. libmd's transform leaves the words in the machine's own
 * order, which is what the digest's little-endian bytes mean. */
void
key_hash_md5(struct span key, uint32_t words[4])
{
    uint8_t block[MD5_BLOCK_LENGTH];
    uint64_t bits = (uint64_t)key.len * 8;
    words[0] = 0x67452301;
    words[1] = 0xefcdab89;
    words[2] = 0x98badcfe;
    words[3] = 0x10325476;
    for (; key.len >= sizeof(block); key = span_skip(key, sizeof(block))) {
        MD5Transform(words, (const uint8_t *)key.ptr);
    }
    memset(block, 0, sizeof(block));
    if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    block[key.len] = 0x80;
    if (key.len >= sizeof(block) - 8) {
        MD5Transform(words, block);
        memset(block, 0, sizeof(block));
    }
    uint64_t little = htole64(bits);
    memcpy(block + sizeof(block) - sizeof(little), &little, sizeof(little));
    MD5Transform(words, block);
}

static uint32_t
hash_one_at_a_time(struct span key)
{
    uint32_t h = 0;
    for (size_t i = 0; i < key.len; i++) {
        h += key_hash_byte(key, i);
        h += h << 10;
        h ^= h >> 6;
    }
    h += h << 3;
    h ^= h >> 11;
    return h + (h << 15);
}

/* CRC-16/CCITT by a register of 32 bits that is never cut to 16: what was
 * shifted out at the top stays in the result. The usual table of 256 is the
 * exclusive or of these two, one for each half of a byte. */
static uint32_t
hash_crc16(struct span key)
{
    static const uint16_t low[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    static const uint16_t high[16] = {
        0x0000, 0x1231, 0x2462, 0x3653, 0x48c4, 0x5af5, 0x6ca6, 0x7e97,
        0x9188, 0x83b9, 0xb5ea, 0xa7db, 0xd94c, 0xcb7d, 0xfd2e, 0xef1f,
    };
    uint32_t crc = 0;
    for (size_t i = 0; i < key.len; i++) {
        uint32_t at = crc >> 8 ^ byte(key, i);
        crc = crc << 8 ^ (uint32_t)(low[at & 0xf] ^ high[at >> 4 & 0xf]);
    }
    return crc;
}

static uint32_t
hash_crc32a(struct span key)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)key.ptr, key.len);
}

static uint32_t
hash_crc32(struct span key)
{
    return (hash_crc32a(key) >> 16) & 0x7fff;
}

#define FNV_32_INIT  2166136261u
#define FNV_32_PRIME 16777619u
#define FNV_64_INIT  0xcbf29ce484222325u
#define FNV_64_PRIME 0x100000001b3u

static uint32_t
hash_fnv1_64(struct span key)
{
    uint64_t h = FNV_64_INIT;
    for (size_t i = 0; i < key.len; i++) {
        h *= FNV_64_PRIME;
        h ^= (uint64_t)(int64_t)(int8_t)key.ptr[i];
    }
    return (uint32_t)h;
}

static uint32_t
hash_fnv1_32(struct span key)
{
    uint32_t h = FNV_32_INIT;
    for (size_t i = 0; i < key.len; i++) {
        h *= FNV_32_PRIME;
        h ^= key_hash_byte(key, i);
    }
    return h;
}

static uint32_t
hash_fnv1a_32(struct span key)
{
    uint32_t h = FNV_32_INIT;
    for (size_t i = 0; i < key.len; i++) {
        h ^= key_hash_byte(key, i);
        h *= FNV_32_PRIME;
    }
    return h;
}

/* P. Hsieh's SuperFastHash. Only the third of three trailing bytes is read as
 * signed. */
static uint32_t
hash_hsieh(struct span key)
{
    if (key.len == 0) {
        return 0;
    }
    uint32_t h = 0;
    size_t i = 0;
    for (; i + 4 <= key.len; i += 4) {
        h += little16(key, i);
        h = (h << 16) ^ ((little16(key, i + 2) << 11) ^ h);
        h += h >> 11;
    }
    switch (key.len & 3) {
    case 3:
        h += little16(key, i);
        h ^= h << 16;
        h ^= key_hash_byte(key, i + 2) << 18;
        h += h >> 11;
        break;
    case 2:
        h += little16(key, i);
        h ^= h << 11;
        h += h >> 17;
        break;
    case 1:
        h += byte(key, i);
        h ^= h << 10;
        h += h >> 1;
        break;
    }
    h ^= h << 3;
    h += h >> 5;
    h ^= h << 4;
    h += h >> 17;
    h ^= h << 25;
    return h + (h >> 6);
}

/* A. Appleby's MurmurHash2, seeded by the length. */
static uint32_t
hash_murmur(struct span key)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0xdeadbeefu * (uint32_t)key.len ^ (uint32_t)key.len;
    size_t i = 0;
    for (; i + 4 <= key.len; i += 4) {
        uint32_t k = little32(key, i) * m;
        h = (h * m) ^ ((k ^ k >> 24) * m);
    }
    switch (key.len & 3) {
    case 3: h ^= byte(key, i + 2) << 16; /* fall through */
    case 2: h ^= byte(key, i + 1) << 8;  /* fall through */
    case 1: h = (h ^ byte(key, i)) * m; break;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

static inline uint32_t
rotate(uint32_t x, unsigned k)
{
    return x << k | x >> (32 - k);
}

struct jenkins {
    uint32_t a, b, c;
};

static inline void
jenkins_mix(struct jenkins *j)
{
    j->a = (j->a - j->c) ^ rotate(j->c, 4);
    j->c += j->b;
    j->b = (j->b - j->a) ^ rotate(j->a, 6);
    j->a += j->c;
    j->c = (j->c - j->b) ^ rotate(j->b, 8);
    j->b += j->a;
    j->a = (j->a - j->c) ^ rotate(j->c, 16);
    j->c += j->b;
    j->b = (j->b - j->a) ^ rotate(j->a, 19);
    j->a += j->c;
    j->c = (j->c - j->b) ^ rotate(j->b, 4);
    j->b += j->a;
}

static inline uint32_t
jenkins_final(struct jenkins *j)
{
    j->c = (j->c ^ j->b) - rotate(j->b, 14);
    j->a = (j->a ^ j->c) - rotate(j->c, 11);
    j->b = (j->b ^ j->a) - rotate(j->a, 25);
    j->c = (j->c ^ j->b) - rotate(j->b, 16);
    j->a = (j->a ^ j->c) - rotate(j->c, 4);
    j->b = (j->b ^ j->a) - rotate(j->a, 14);
    return (j->c ^ j->b) - rotate(j->b, 24);
}

/* B. Jenkins' lookup3, hashlittle() with 13 as its initial value. */
static uint32_t
hash_jenkins(struct span key)
{
    uint32_t start = 0xdeadbeefu + (uint32_t)key.len + 13;
    struct jenkins j = {start, start, start};
    for (; key.len > 12; key = span_skip(key, 12)) {
        j.a += little32(key, 0);
        j.b += little32(key, 4);
        j.c += little32(key, 8);
        jenkins_mix(&j);
    }
    if (key.len == 0) {
        return j.c;
    }
    char last[12] = {0};
    memcpy(last, key.ptr, key.len);
    struct span padded = span_make(last, sizeof(last));
    j.a += little32(padded, 0);
    j.b += little32(padded, 4);
    j.c += little32(padded, 8);
    return jenkins_final(&j);
}

static uint32_t
hash_md5(struct span key)
{
    uint32_t words[4];
    key_hash_md5(key, words);
    return words[0];
}

uint32_t
key_hash(enum key_hash kind, struct span key)
{
    switch (kind) {
    case KEY_HASH_MD5: return hash_md5(key);
    case KEY_HASH_ONE_AT_A_TIME: return hash_one_at_a_time(key);
    case KEY_HASH_CRC16: return hash_crc16(key);
    case KEY_HASH_CRC32: return hash_crc32(key);
    case KEY_HASH_CRC32A: return hash_crc32a(key);
    case KEY_HASH_FNV1_64: return hash_fnv1_64(key);
    case KEY_HASH_FNV1A_64: return key_hash_fnv1a_64(key);
    case KEY_HASH_FNV1_32: return hash_fnv1_32(key);
    case KEY_HASH_FNV1A_32: return hash_fnv1a_32(key);
    case KEY_HASH_HSIEH: return hash_hsieh(key);
    case KEY_HASH_MURMUR: return hash_murmur(key);
    case KEY_HASH_JENKINS: return hash_jenkins(key);
    case KEY_HASH_OWN: break;
    case KEY_HASH_COUNT: break;
    }
    UNREACHABLE();
}

static const char *const names[] = {
#define X(id, name) name,
    KEY_HASHES(X)
#undef X
};

const char *
key_hash_name(enum key_hash kind)
{
    ASSERT(kind < KEY_HASH_COUNT);
    return names[kind];
}

enum key_hash
key_hash_find(struct span name)
{
    enum key_hash kind = 0;
    while (kind < KEY_HASH_COUNT && !span_eq_cstr(name, names[kind])) {
        kind++;
    }
    return kind;
}
