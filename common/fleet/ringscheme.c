#include "common/fleet/ringscheme.h"

/* clang-format off */
/*    scheme                                          ring                 key hash       weights prefix */
#define RING_SCHEMES(X)                                                                                  \
    X("libmemcached-ketama_weighted",                 LIBMEMCACHED,        MD5,           true,  "")      \
    X("libmemcached-ketama_weighted-after",           LIBMEMCACHED,        MD5,           true,  "")      \
    X("libmemcached-ketama_weighted-sorted",          LIBMEMCACHED,        MD5,           true,  "")      \
    X("libmemcached-ketama_weighted-fnv1a_64",        LIBMEMCACHED,        FNV1A_64,      true,  "")      \
    X("libmemcached-ketama_weighted-crc32",           LIBMEMCACHED,        CRC32,         true,  "")      \
    X("libmemcached-ketama_weighted-ns",              LIBMEMCACHED,        MD5,           true,  "app1:") \
    X("libmemcached-ketama_weighted-ns-hashwithprefix", LIBMEMCACHED,      MD5,           true,  "")      \
    X("php-memcached-libketama",                      LIBMEMCACHED,        MD5,           true,  "")      \
    X("pylibmc-ketama_weighted",                      LIBMEMCACHED,        MD5,           true,  "")      \
    X("spymemcached-ketama-libmemcachedfmt-weighted", LIBMEMCACHED,        MD5,           true,  "")      \
    X("libmemcached-ketama",                          LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, true,  "")      \
    X("libmemcached-ketama-after",                    LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, false, "")      \
    X("libmemcached-ketama-md5",                      LIBMEMCACHED_KETAMA, MD5,           true,  "")      \
    X("libmemcached-ketama-fnv1a_64",                 LIBMEMCACHED_KETAMA, FNV1A_64,      true,  "")      \
    X("php-memcached-consistent",                     LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, true,  "")      \
    X("pylibmc-ketama",                               LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, true,  "")      \
    X("twemproxy-ketama-one_at_a_time",               TWEMPROXY,           ONE_AT_A_TIME, true,  "")      \
    X("twemproxy-ketama-md5",                         TWEMPROXY,           MD5,           true,  "")      \
    X("twemproxy-ketama-crc16",                       TWEMPROXY,           CRC16,         true,  "")      \
    X("twemproxy-ketama-crc32",                       TWEMPROXY,           CRC32,         true,  "")      \
    X("twemproxy-ketama-crc32a",                      TWEMPROXY,           CRC32A,        true,  "")      \
    X("twemproxy-ketama-fnv1_64",                     TWEMPROXY,           FNV1_64,       true,  "")      \
    X("twemproxy-ketama-fnv1a_64",                    TWEMPROXY,           FNV1A_64,      true,  "")      \
    X("twemproxy-ketama-fnv1_32",                     TWEMPROXY,           FNV1_32,       true,  "")      \
    X("twemproxy-ketama-fnv1a_32",                    TWEMPROXY,           FNV1A_32,      true,  "")      \
    X("twemproxy-ketama-hsieh",                       TWEMPROXY,           HSIEH,         true,  "")      \
    X("twemproxy-ketama-murmur",                      TWEMPROXY,           MURMUR,        true,  "")      \
    X("twemproxy-ketama-jenkins",                     TWEMPROXY,           JENKINS,       true,  "")
/* clang-format on */

static const struct ring_scheme schemes[] = {
#define X(name, ring, hash, weights, prefix)                                                       \
    {name, {RING_##ring, KEY_HASH_##hash}, weights, prefix},
    RING_SCHEMES(X)
#undef X
};

const struct ring_scheme *
ring_scheme_find(struct span name)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (span_eq_cstr(name, schemes[i].name)) {
            return &schemes[i];
        }
    }
    return NULL;
}
