/* keyhash.h - the hashes with which legacy clients place keys, bit for bit.
 *
 * Some of these are not what their names say ("fnv1a_64" keeps 32 bits
 * of another prime; crc32 keeps 15 bits); the names are those of libmemcached
 * and twemproxy configuration. Bytes from 0x80 are sign-extended where the
 * original does `(uint32_t)key[x]` on x86-64's signed char. Pure. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

#define KEY_HASHES(X)                                                                              \
    X(MD5, "md5")                                                                                  \
    X(ONE_AT_A_TIME, "one_at_a_time")                                                              \
    X(CRC16, "crc16")                                                                              \
    X(CRC32, "crc32")                                                                              \
    X(CRC32A, "crc32a")                                                                            \
    X(FNV1_64, "fnv1_64")                                                                          \
    X(FNV1A_64, "fnv1a_64")                                                                        \
    X(FNV1_32, "fnv1_32")                                                                          \
    X(FNV1A_32, "fnv1a_32")                                                                        \
    X(HSIEH, "hsieh")                                                                              \
    X(MURMUR, "murmur")                                                                            \
    X(JENKINS, "jenkins")                                                                          \
    X(OWN, "own") /* the ring's own way, for rings that have one */

enum key_hash {
#define X(id, name) KEY_HASH_##id,
    KEY_HASHES(X)
#undef X
    KEY_HASH_COUNT,
};

/* All names as one literal, a blank before each, for help texts and errors. */
#define KEY_HASH_TEXT_(id, name) " " name
#define KEY_HASHES_TEXT          KEY_HASHES(KEY_HASH_TEXT_)

/* Any kind but OWN. */
uint32_t key_hash(enum key_hash kind, struct span key);

/* The originals index a `char *`, which is signed where they were compiled for
 * x86-64. The conversion is spelled out so that every machine agrees. */
static inline uint32_t
key_hash_byte(struct span s, size_t i)
{
    return (uint32_t)(int32_t)(int8_t)s.ptr[i];
}

/* twemproxy's own, which most pools have: for each request, without a call and with
 * few jumps. The original keeps 32 bits of start value, prime and state. */
static inline uint32_t
key_hash_fnv1a_64(struct span key)
{
    uint32_t h = 0x84222325u;
    for (; key.len >= 8; key = span_skip(key, 8)) {
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            h = (h ^ key_hash_byte(key, i)) * 0x1b3u;
        }
    }
    if (key.len & 4) {
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            h = (h ^ key_hash_byte(key, i)) * 0x1b3u;
        }
        key = span_skip(key, 4);
    }
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ key_hash_byte(key, i)) * 0x1b3u;
    }
    return h;
}

/* The four little-endian words of the key's MD5, from which ketama takes a ring
 * point each; `md5` above is the first. */
void key_hash_md5(struct span key, uint32_t words[4]);

const char *key_hash_name(enum key_hash kind);
/* KEY_HASH_COUNT if there is none of that name. */
enum key_hash key_hash_find(struct span name);
