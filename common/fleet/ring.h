/* ring.h - which server a key belongs to, exactly as a legacy client would say.
 * docs/routing-table.md has the list of clients and their rings.
 *
 * A ring is immutable once built and may be read by any number of threads. It
 * knows nothing of health: a dead server keeps its points. */
#pragma once
#include "common/fleet/continuum.h"
#include "common/fleet/keyhash.h"

#include <stdbool.h>

/* clang-format off */
/*    id                   name in options and tables, default key hash, like whom */
#define RING_KINDS(X)                                                                         \
    X(LIBMEMCACHED,        "libmemcached",         MD5)           /* weighted ketama */       \
    X(LIBMEMCACHED_KETAMA, "libmemcached-ketama",  ONE_AT_A_TIME) /* plain ketama */          \
    X(TWEMPROXY,           "twemproxy",            FNV1A_64)      /* its ketama */            \
    X(SPYMEMCACHED,        "spymemcached",         MD5)           /* KetamaNodeLocator */     \
    X(EVCACHE,             "evcache",              MD5)           /* Java, too */             \
    X(DALLI,               "dalli",                CRC32A)        /* Dalli, for Ruby */       \
    X(MODULA,              "modula",               ONE_AT_A_TIME) /* libmemcached, Go */      \
    X(TWEMPROXY_MODULA,    "twemproxy-modula",     FNV1A_64)      /* weighted, sorted */      \
    X(CRC32_MOD,           "crc32-mod",            CRC32)         /* python-memcached */      \
    X(RENDEZVOUS,          "rendezvous",           OWN)           /* pymemcache HashClient */ \
    X(MCROUTER_CH3,        "mcrouter-ch3",         OWN)           /* furc hash */
/* clang-format on */

enum ring_kind {
#define X(id, name, hash) RING_##id,
    RING_KINDS(X)
#undef X
    RING_KIND_COUNT,
};

/* All names as one literal, a blank before each, for help texts and errors. */
#define RING_KIND_TEXT_(id, name, hash) " " name
#define RING_KINDS_TEXT                 RING_KINDS(RING_KIND_TEXT_)

const char *ring_kind_name(enum ring_kind kind);
/* RING_KIND_COUNT if there is none of that name. */
enum ring_kind ring_kind_find(struct span name);
enum key_hash ring_kind_default_hash(enum ring_kind kind);

#define RING_SERVERS_MAX 20000
#define RING_WEIGHT_MAX  1000

/* What the legacy client was configured with: the string it hashes. */
struct ring_server {
    const char *host; /* host name or IP as configured, or the path of a unix socket */
    uint16_t port;    /* 0 for a unix socket */
    uint32_t weight;  /* 1..RING_WEIGHT_MAX */
    const char *name; /* replaces host:port in the hashed string (twemproxy's
                         `name`, our ring_name); NULL: made from host and port */
};

/* The string whose numbered hashes are the server's points: its name, else what
 * legacy clients make of host and port. Naming a server so keeps its keys when
 * it moves to another address. The caller's to free. */
char *ring_server_label(enum ring_kind kind, const struct ring_server *server);

struct ring;

struct ring_config {
    enum ring_kind kind;
    enum key_hash hash; /* of keys; for libmemcached-ketama of points too */
};

/* NULL, or why this ring and this key hash do not go together. */
const char *ring_config_fault(const struct ring_config *config);

/* Copies what it needs. NULL and *error (static text) if the list is empty, too
 * long, a weight is out of range, or the config has a fault. */
struct ring *ring_create(const struct ring_config *config, const struct ring_server *servers,
                         unsigned count, const char **error);
void ring_destroy(struct ring **ring);

/* Which server owns `key` (already stripped of prefix, cut to its tag; see
 * keytag.h), and why, for `ring explain`. With one server nothing is hashed and
 * all is 0. */
struct ring_hit {
    unsigned server; /* its index */
    uint32_t hash;   /* of the key; rendezvous: the winner's score; mcrouter-ch3: 0 */
    uint32_t point;  /* the ring point, or modula's slot, that was hit; else 0 */
};
struct ring_hit ring_locate(const struct ring *ring, struct span key);

/* What a ring begins with: all that a lookup needs in most. */
struct ring_front {
    struct ring_config config;
    bool rises; /* the owner is at the first point not below the key's hash */
    struct continuum continuum;
};

/* The server alone. Asked for every request, so what nearly every pool has is found
 * without a call. */
static inline unsigned
ring_lookup(const struct ring *ring, struct span key)
{
    const struct ring_front *front = (const struct ring_front *)(const void *)ring;
    if (!front->rises) {
        return ring_locate(ring, key).server;
    }
    enum key_hash kind = front->config.hash;
    uint32_t hash = kind == KEY_HASH_FNV1A_64 ? key_hash_fnv1a_64(key) : key_hash(kind, key);
    return front->continuum.servers[continuum_at_or_after(&front->continuum, hash)];
}

/* The same for `count` keys at once. */
void ring_lookup_many(const struct ring *ring, const struct span *keys, unsigned count,
                      unsigned *servers);

/* The owner of `key` and up to `max` - 1 further servers that may have copies of
 * what it has, all different, into `out`; returns how many. Points of a ring are
 * gone through in the direction in which that ring looks up, so a server that is
 * taken off it leaves a key to the next of these. Rendezvous: in the order of
 * their scores. Rings that have no order (the modulas, mcrouter-ch3): the servers
 * that follow the owner in the table. */
unsigned ring_successors(const struct ring *ring, struct span key, unsigned *out, unsigned max);

/* Points on the ring, or slots of a modula; 0 for rings that have neither. */
unsigned ring_points(const struct ring *ring);
/* Those that belong to one server. */
unsigned ring_points_of(const struct ring *ring, unsigned server);

#define RING_SHA_CHARS 64
/* SHA-256, in hex and terminated, over what placement depends on: kind, hash,
 * and every (point, server) in order, or what such a ring has instead. Equal on
 * every build and machine for equal placement. */
void ring_sha(const struct ring *ring, char out[RING_SHA_CHARS + 1]);
