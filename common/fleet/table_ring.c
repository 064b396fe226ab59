#include "common/fleet/table_ring.h"
#include "common/core/addrname.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

/* `name` must live as long as the server is used. */
static bool
server_of(const struct table_node *node, enum table_side side, struct addr_name *name,
          struct ring_server *server)
{
    bool otherwise = side == TABLE_BEFORE && node->weight_before != 0;
    if (node->addr == NULL || !addr_parse(span_cstr(node->addr), 0, name)) {
        return false;
    }
    *server = (struct ring_server){.host = name->host,
                                   .port = name->port,
                                   .weight = otherwise ? node->weight_before : node->weight,
                                   .name = node->ring_name};
    return true;
}

static unsigned *
members_of(const struct table_pool *pool, enum table_side side, unsigned *count)
{
    unsigned *members = mem_alloc((pool->node_count + 1) * sizeof(*members));
    *count = 0;
    for (unsigned i = 0; i < pool->node_count; i++) {
        if (table_node_is_on(&pool->nodes[i], side)) {
            members[(*count)++] = i;
        }
    }
    return members;
}

struct ring *
table_ring_create(const struct table_pool *pool, enum table_side side, unsigned **members,
                  const char **error)
{
    unsigned count;
    *members = members_of(pool, side, &count);
    struct addr_name *names = mem_alloc((count + 1) * sizeof(*names));
    struct ring_server *servers = mem_alloc((count + 1) * sizeof(*servers));
    bool ok = true;
    for (unsigned i = 0; i < count && ok; i++) {
        ok = server_of(&pool->nodes[(*members)[i]], side, &names[i], &servers[i]);
    }
    struct ring *ring = NULL;
    if (ok) {
        ring = ring_create(&pool->ring_config, servers, count, error);
    } else {
        *error = "a node's address cannot be read";
    }
    free(servers);
    free(names);
    if (ring == NULL || count == pool->node_count) {
        free(*members);
        *members = NULL;
    }
    return ring;
}

char *
table_ring_label(const struct table_pool *pool, const struct table_node *node)
{
    struct addr_name name;
    struct ring_server server;
    ASSERT(server_of(node, TABLE_AFTER, &name, &server));
    return ring_server_label(pool->ring_config.kind, &server);
}
