#include "common/fleet/ringscheme.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#define DEFAULT_PORT 11211

/* Weights count, servers are called as the ring does it, nothing is stripped. */
#define USUAL(name, ring, hash) ODD(name, ring, hash, true, OWN, "")
#define ODD(name, ring, hash, weights, label, prefix)                                              \
    {                                                                                              \
        name, {RING_##ring, KEY_HASH_##hash}, weights, RING_LABEL_##label, prefix                  \
    }

/* clang-format off */
static const struct ring_scheme schemes[] = {
    USUAL("libmemcached-ketama_weighted",                  LIBMEMCACHED,        MD5),
    USUAL("libmemcached-ketama_weighted-after",            LIBMEMCACHED,        MD5),
    USUAL("libmemcached-ketama_weighted-sorted",           LIBMEMCACHED,        MD5),
    USUAL("libmemcached-ketama_weighted-fnv1a_64",         LIBMEMCACHED,        FNV1A_64),
    USUAL("libmemcached-ketama_weighted-crc32",            LIBMEMCACHED,        CRC32),
    ODD("libmemcached-ketama_weighted-ns", LIBMEMCACHED, MD5, true, OWN, "app1:"),
    USUAL("libmemcached-ketama_weighted-ns-hashwithprefix",LIBMEMCACHED,        MD5),
    USUAL("php-memcached-libketama",                       LIBMEMCACHED,        MD5),
    USUAL("pylibmc-ketama_weighted",                       LIBMEMCACHED,        MD5),
    USUAL("spymemcached-ketama-libmemcachedfmt-weighted",  LIBMEMCACHED,        MD5),
    USUAL("libmemcached-ketama",                           LIBMEMCACHED_KETAMA, ONE_AT_A_TIME),
    ODD("libmemcached-ketama-after", LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, false, OWN, ""),
    USUAL("libmemcached-ketama-md5",                       LIBMEMCACHED_KETAMA, MD5),
    USUAL("libmemcached-ketama-fnv1a_64",                  LIBMEMCACHED_KETAMA, FNV1A_64),
    USUAL("php-memcached-consistent",                      LIBMEMCACHED_KETAMA, ONE_AT_A_TIME),
    USUAL("pylibmc-ketama",                                LIBMEMCACHED_KETAMA, ONE_AT_A_TIME),
    ODD("libmemcached-spy", LIBMEMCACHED_KETAMA, ONE_AT_A_TIME, true, SLASH, ""),
    ODD("libmemcached-spy-weighted", LIBMEMCACHED, MD5, true, SLASH, ""),
    USUAL("twemproxy-ketama-one_at_a_time",                TWEMPROXY,           ONE_AT_A_TIME),
    USUAL("twemproxy-ketama-md5",                          TWEMPROXY,           MD5),
    USUAL("twemproxy-ketama-crc16",                        TWEMPROXY,           CRC16),
    USUAL("twemproxy-ketama-crc32",                        TWEMPROXY,           CRC32),
    USUAL("twemproxy-ketama-crc32a",                       TWEMPROXY,           CRC32A),
    USUAL("twemproxy-ketama-fnv1_64",                      TWEMPROXY,           FNV1_64),
    USUAL("twemproxy-ketama-fnv1a_64",                     TWEMPROXY,           FNV1A_64),
    USUAL("twemproxy-ketama-fnv1_32",                      TWEMPROXY,           FNV1_32),
    USUAL("twemproxy-ketama-fnv1a_32",                     TWEMPROXY,           FNV1A_32),
    USUAL("twemproxy-ketama-hsieh",                        TWEMPROXY,           HSIEH),
    USUAL("twemproxy-ketama-murmur",                       TWEMPROXY,           MURMUR),
    USUAL("twemproxy-ketama-jenkins",                      TWEMPROXY,           JENKINS),
    USUAL("spymemcached-ketama",                           SPYMEMCACHED,        MD5),
    USUAL("memcachedproxy-ketama",                         SPYMEMCACHED,        MD5),
    ODD("spymemcached-ketama-libmemcachedfmt", SPYMEMCACHED, MD5, true, LIBMEMCACHED, ""),
    ODD("memcachedproxy-twemproxy", SPYMEMCACHED, MD5, true, LIBMEMCACHED, ""),
    ODD("memcachedproxy-evcache", EVCACHE, MD5, true, TWICE, ""),
    USUAL("dalli",                                         DALLI,               CRC32A),
    USUAL("libmemcached-modula",                           MODULA,              ONE_AT_A_TIME),
    USUAL("php-memcached-default",                         MODULA,              ONE_AT_A_TIME),
    USUAL("gomemcache",                                    MODULA,              CRC32A),
    USUAL("twemproxy-modula-one_at_a_time",                TWEMPROXY_MODULA,    ONE_AT_A_TIME),
    USUAL("twemproxy-modula-md5",                          TWEMPROXY_MODULA,    MD5),
    USUAL("twemproxy-modula-crc32a",                       TWEMPROXY_MODULA,    CRC32A),
    USUAL("twemproxy-modula-fnv1a_64",                     TWEMPROXY_MODULA,    FNV1A_64),
    USUAL("python-memcached-default",                      CRC32_MOD,           CRC32),
    USUAL("perl-cache-memcached-fast-default",             CRC32_MOD,           CRC32),
    USUAL("pymemcache-rendezvous",                         RENDEZVOUS,          OWN),
    USUAL("mcrouter-ch3",                                  MCROUTER_CH3,        OWN),
};
/* clang-format on */

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

char *
ring_scheme_label(const struct ring_scheme *scheme, const char *host, uint16_t port)
{
    switch (scheme->label) {
    case RING_LABEL_OWN: return NULL;
    case RING_LABEL_LIBMEMCACHED:
        return port == DEFAULT_PORT ? mem_strdup(host) : mem_printf("%s:%u", host, port);
    case RING_LABEL_SLASH: return mem_printf("/%s:%u", host, port);
    case RING_LABEL_TWICE: return mem_printf("%s/%s:%u", host, host, port);
    }
    UNREACHABLE();
}
