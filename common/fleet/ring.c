#include "common/fleet/ring.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/fleet/dalli.h"
#include "common/fleet/furc.h"
#include "common/fleet/ketama.h"
#include "common/fleet/modula.h"
#include "common/fleet/rendezvous.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PORT 11211 /* some clients leave it out of the name that is hashed */

/* Only what the kind needs is filled, and nothing with one server. */
struct ring {
    struct ring_front front;
    unsigned server_count;
    struct modula modula;
    struct rendezvous rendezvous;
};

static const struct ring_kind_row {
    const char *name;
    enum key_hash hash;
} kinds[] = {
#define X(id, name, hash) {name, KEY_HASH_##hash},
    RING_KINDS(X)
#undef X
};

const char *
ring_kind_name(enum ring_kind kind)
{
    ASSERT(kind < RING_KIND_COUNT);
    return kinds[kind].name;
}

enum ring_kind
ring_kind_find(struct span name)
{
    enum ring_kind kind = 0;
    while (kind < RING_KIND_COUNT && !span_eq_cstr(name, kinds[kind].name)) {
        kind++;
    }
    return kind;
}

enum key_hash
ring_kind_default_hash(enum ring_kind kind)
{
    ASSERT(kind < RING_KIND_COUNT);
    return kinds[kind].hash;
}

static char *
host_and_port(const struct ring_server *server)
{
    return server->port == 0 ? mem_strdup(server->host)
                             : mem_printf("%s:%u", server->host, server->port);
}

char *
ring_server_label(enum ring_kind kind, const struct ring_server *server)
{
    if (server->name != NULL) {
        return mem_strdup(server->name);
    }
    switch (kind) {
    case RING_LIBMEMCACHED:
    case RING_LIBMEMCACHED_KETAMA:
        return server->port == DEFAULT_PORT ? mem_strdup(server->host)
                                            : mem_printf("%s:%u", server->host, server->port);
    case RING_TWEMPROXY:
    case RING_TWEMPROXY_MODULA:
        if (server->port == DEFAULT_PORT) {
            return mem_strdup(server->host);
        }
        return server->port == 0 ? mem_printf("%s:", server->host) : host_and_port(server);
    case RING_EVCACHE:
        /* Host name, address and a port that is the same for all; with an address
         * for a host the first two are one. */
        return mem_printf("%s/%s:%u", server->host, server->host, DEFAULT_PORT);
    case RING_SPYMEMCACHED:
    case RING_DALLI:
    case RING_MODULA:
    case RING_CRC32_MOD:
    case RING_RENDEZVOUS:
    case RING_MCROUTER_CH3: return host_and_port(server);
    case RING_KIND_COUNT: break;
    }
    UNREACHABLE();
}

const char *
ring_config_fault(const struct ring_config *config)
{
    ASSERT(config->kind < RING_KIND_COUNT && config->hash < KEY_HASH_COUNT);
    bool own = ring_kind_default_hash(config->kind) == KEY_HASH_OWN;
    if (own && config->hash != KEY_HASH_OWN) {
        return "this ring hashes keys in its own way and no other";
    }
    if (!own && config->hash == KEY_HASH_OWN) {
        return "this ring has no way of its own to hash keys";
    }
    return NULL;
}

static const char *
list_fault(const struct ring_server *servers, unsigned count)
{
    if (count == 0) {
        return "a ring needs a server";
    }
    if (count > RING_SERVERS_MAX) {
        return "too many servers for a ring";
    }
    for (unsigned i = 0; i < count; i++) {
        if (servers[i].weight == 0 || servers[i].weight > RING_WEIGHT_MAX) {
            return "a server's weight is out of range";
        }
    }
    return NULL;
}

static void
build(struct ring *ring, const struct ring_server *servers, unsigned count)
{
    switch (ring->front.config.kind) {
    case RING_LIBMEMCACHED:
    case RING_LIBMEMCACHED_KETAMA:
    case RING_TWEMPROXY:
    case RING_SPYMEMCACHED:
    case RING_EVCACHE:
        ketama_build(&ring->front.continuum, &ring->front.config, servers, count);
        ring->front.rises = true;
        return;
    case RING_DALLI: dalli_build(&ring->front.continuum, servers, count); return;
    case RING_MODULA:
    case RING_TWEMPROXY_MODULA:
    case RING_CRC32_MOD:
        modula_init(&ring->modula, ring->front.config.kind, servers, count);
        return;
    case RING_RENDEZVOUS: rendezvous_init(&ring->rendezvous, servers, count); return;
    case RING_MCROUTER_CH3: return; /* needs no more than the count */
    case RING_KIND_COUNT: break;
    }
    UNREACHABLE();
}

struct ring *
ring_create(const struct ring_config *config, const struct ring_server *servers, unsigned count,
            const char **error)
{
    const char *fault = ring_config_fault(config);
    if (fault == NULL) {
        fault = list_fault(servers, count);
    }
    if (fault != NULL) {
        *error = fault;
        return NULL;
    }
    struct ring *ring = mem_zalloc(sizeof(*ring));
    ring->front.config = *config;
    ring->server_count = count;
    if (count > 1) {
        build(ring, servers, count);
    }
    return ring;
}

void
ring_destroy(struct ring **ring)
{
    if (*ring == NULL) {
        return;
    }
    continuum_deinit(&(*ring)->front.continuum);
    modula_deinit(&(*ring)->modula);
    rendezvous_deinit(&(*ring)->rendezvous);
    free(*ring);
    *ring = NULL;
}

/* --- lookup ------------------------------------------------------------------- */

static struct ring_hit
hit_point(const struct ring *ring, uint32_t hash, unsigned at)
{
    return (struct ring_hit){ring->front.continuum.servers[at], hash,
                             ring->front.continuum.points[at]};
}

static struct ring_hit
hit_slot(const struct ring *ring, uint32_t hash)
{
    struct ring_hit hit = {.hash = hash};
    hit.server = modula_owner(&ring->modula, hash, &hit.point);
    return hit;
}

/* python-memcached and its kin never use the hash 0. */
static uint32_t
at_least_one(uint32_t hash)
{
    return hash == 0 ? 1 : hash;
}

struct ring_hit
ring_locate(const struct ring *ring, struct span key)
{
    struct ring_hit hit = {0};
    if (ring->server_count == 1) {
        return hit;
    }
    enum key_hash kind = ring->front.config.hash;
    uint32_t hash = kind == KEY_HASH_OWN ? 0 : key_hash(kind, key);
    switch (ring->front.config.kind) {
    case RING_LIBMEMCACHED:
    case RING_LIBMEMCACHED_KETAMA:
    case RING_TWEMPROXY:
    case RING_SPYMEMCACHED:
    case RING_EVCACHE:
        return hit_point(ring, hash, continuum_at_or_after(&ring->front.continuum, hash));
    case RING_DALLI:
        return hit_point(ring, hash, continuum_at_or_before(&ring->front.continuum, hash));
    case RING_MODULA:
    case RING_TWEMPROXY_MODULA: return hit_slot(ring, hash);
    case RING_CRC32_MOD: return hit_slot(ring, at_least_one(hash));
    case RING_RENDEZVOUS:
        hit.server = rendezvous_owner(&ring->rendezvous, key, &hit.hash);
        return hit;
    case RING_MCROUTER_CH3: hit.server = furc_owner(key, ring->server_count); return hit;
    case RING_KIND_COUNT: break;
    }
    UNREACHABLE();
}

/* Hashes of several keys are computed at a time by the CPU if nothing else is between. */
static void
lookup_many_fnv1a_64(struct continuum c, const struct span *keys, unsigned count, unsigned *servers)
{
    for (unsigned i = 0; i < count; i++) {
        servers[i] = key_hash_fnv1a_64(keys[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        servers[i] = c.servers[continuum_at_or_after(&c, servers[i])];
    }
}

void
ring_lookup_many(const struct ring *ring, const struct span *keys, unsigned count,
                 unsigned *servers)
{
    if (ring->front.rises && ring->front.config.hash == KEY_HASH_FNV1A_64) {
        lookup_many_fnv1a_64(ring->front.continuum, keys, count, servers);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        servers[i] = ring_lookup(ring, keys[i]);
    }
}

/* --- the servers that follow ----------------------------------------------------- */

static bool
has_server(const unsigned *servers, unsigned count, unsigned server)
{
    for (unsigned i = 0; i < count; i++) {
        if (servers[i] == server) {
            return true;
        }
    }
    return false;
}

/* A step of count - 1 is one backwards. */
static unsigned
walk_points(const struct continuum *c, unsigned at, unsigned step, unsigned *out, unsigned max)
{
    unsigned n = 0;
    for (unsigned left = c->count; left > 0 && n < max; left--) {
        if (!has_server(out, n, c->servers[at])) {
            out[n++] = c->servers[at];
        }
        at = (unsigned)(((uint64_t)at + step) % c->count);
    }
    return n;
}

static unsigned
walk_list(unsigned owner, unsigned servers, unsigned *out, unsigned max)
{
    unsigned n = servers < max ? servers : max;
    for (unsigned i = 0; i < n; i++) {
        out[i] = (owner + i) % servers;
    }
    return n;
}

unsigned
ring_successors(const struct ring *ring, struct span key, unsigned *out, unsigned max)
{
    const struct continuum *c = &ring->front.continuum;
    if (ring->server_count == 1 || max <= 1) {
        out[0] = ring_lookup(ring, key);
        return 1;
    }
    switch (ring->front.config.kind) {
    case RING_LIBMEMCACHED:
    case RING_LIBMEMCACHED_KETAMA:
    case RING_TWEMPROXY:
    case RING_SPYMEMCACHED:
    case RING_EVCACHE:
        return walk_points(c, continuum_at_or_after(c, key_hash(ring->front.config.hash, key)), 1,
                           out, max);
    case RING_DALLI:
        return walk_points(c, continuum_at_or_before(c, key_hash(ring->front.config.hash, key)),
                           c->count - 1, out, max);
    case RING_RENDEZVOUS: return rendezvous_best(&ring->rendezvous, key, out, max);
    case RING_MODULA:
    case RING_TWEMPROXY_MODULA:
    case RING_CRC32_MOD:
    case RING_MCROUTER_CH3: return walk_list(ring_lookup(ring, key), ring->server_count, out, max);
    case RING_KIND_COUNT: break;
    }
    UNREACHABLE();
}

unsigned
ring_points(const struct ring *ring)
{
    const struct modula *m = &ring->modula;
    return m->count > 0 ? m->ends[m->count - 1] : ring->front.continuum.count;
}

unsigned
ring_points_of(const struct ring *ring, unsigned server)
{
    unsigned n = modula_slots_of(&ring->modula, server);
    for (unsigned i = 0; i < ring->front.continuum.count; i++) {
        n += ring->front.continuum.servers[i] == server;
    }
    return n;
}

/* --- identity ------------------------------------------------------------------ */

static void
put_big32(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

static void
add_pair(SHA2_CTX *sha, uint32_t a, uint32_t b)
{
    uint8_t pair[8];
    put_big32(pair, a);
    put_big32(pair + 4, b);
    SHA256Update(sha, pair, sizeof(pair));
}

void
ring_sha(const struct ring *ring, char out[RING_SHA_CHARS + 1])
{
    SHA2_CTX sha;
    SHA256Init(&sha);
    char head[128];
    int n = snprintf(head, sizeof(head), "memfleet-ring 1 %s %s %u\n",
                     ring_kind_name(ring->front.config.kind),
                     key_hash_name(ring->front.config.hash), ring->server_count);
    SHA256Update(&sha, (const uint8_t *)head, (size_t)n);
    for (unsigned i = 0; i < ring->front.continuum.count; i++) {
        add_pair(&sha, ring->front.continuum.points[i], ring->front.continuum.servers[i]);
    }
    for (unsigned i = 0; i < ring->modula.count; i++) {
        add_pair(&sha, ring->modula.ends[i], ring->modula.servers[i]);
    }
    for (unsigned i = 0; i < ring->rendezvous.count; i++) {
        const char *label = rendezvous_label(&ring->rendezvous, i);
        SHA256Update(&sha, (const uint8_t *)label, strlen(label) + 1);
    }
    SHA256End(&sha, out);
}
