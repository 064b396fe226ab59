#include "common/fleet/ring.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/fleet/ketama.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PORT 11211 /* left out of the name that is hashed */

struct ring {
    struct ring_config config;
    unsigned server_count;
    struct continuum continuum; /* empty with one server */
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

char *
ring_server_label(enum ring_kind kind, const struct ring_server *server)
{
    if (server->name != NULL) {
        return mem_strdup(server->name);
    }
    if (server->port == DEFAULT_PORT) {
        return mem_strdup(server->host);
    }
    if (server->port == 0 && kind == RING_TWEMPROXY) {
        return mem_printf("%s:", server->host);
    }
    return mem_printf("%s:%u", server->host, server->port);
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

struct ring *
ring_create(const struct ring_config *config, const struct ring_server *servers, unsigned count,
            const char **error)
{
    ASSERT(config->kind < RING_KIND_COUNT && config->hash < KEY_HASH_COUNT);
    const char *fault = list_fault(servers, count);
    if (fault != NULL) {
        *error = fault;
        return NULL;
    }
    struct ring *ring = mem_zalloc(sizeof(*ring));
    ring->config = *config;
    ring->server_count = count;
    if (count > 1) {
        ketama_build(&ring->continuum, config, servers, count);
    }
    return ring;
}

void
ring_destroy(struct ring **ring)
{
    if (*ring == NULL) {
        return;
    }
    continuum_deinit(&(*ring)->continuum);
    free(*ring);
    *ring = NULL;
}

unsigned
ring_lookup(const struct ring *ring, struct span key)
{
    uint32_t point;
    return ring_lookup_hash(ring, ring_hash(ring, key), &point);
}

uint32_t
ring_hash(const struct ring *ring, struct span key)
{
    return ring->server_count == 1 ? 0 : key_hash(ring->config.hash, key);
}

unsigned
ring_lookup_hash(const struct ring *ring, uint32_t hash, uint32_t *point)
{
    if (ring->server_count == 1) {
        *point = 0;
        return 0;
    }
    unsigned at = continuum_at_or_after(&ring->continuum, hash);
    *point = ring->continuum.points[at];
    return ring->continuum.servers[at];
}

unsigned
ring_points(const struct ring *ring)
{
    return ring->continuum.count;
}

unsigned
ring_points_of(const struct ring *ring, unsigned server)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ring->continuum.count; i++) {
        n += ring->continuum.servers[i] == server;
    }
    return n;
}

static void
put_big32(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

void
ring_sha(const struct ring *ring, char out[RING_SHA_CHARS + 1])
{
    SHA2_CTX sha;
    SHA256Init(&sha);
    char head[128];
    int n = snprintf(head, sizeof(head), "memfleet-ring 1 %s %s %u\n",
                     ring_kind_name(ring->config.kind), key_hash_name(ring->config.hash),
                     ring->server_count);
    SHA256Update(&sha, (const uint8_t *)head, (size_t)n);
    for (unsigned i = 0; i < ring->continuum.count; i++) {
        uint8_t pair[8];
        put_big32(pair, ring->continuum.points[i]);
        put_big32(pair + 4, ring->continuum.servers[i]);
        SHA256Update(&sha, pair, sizeof(pair));
    }
    SHA256End(&sha, out);
}
