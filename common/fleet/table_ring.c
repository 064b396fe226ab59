#include "common/fleet/table_ring.h"
#include "common/core/addrname.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

/* `name` must live as long as the server is used. */
static bool
server_of(const struct table_node *node, struct addr_name *name, struct ring_server *server)
{
    if (node->addr == NULL || !addr_parse(span_cstr(node->addr), 0, name)) {
        return false;
    }
    *server = (struct ring_server){
        .host = name->host, .port = name->port, .weight = node->weight, .name = node->ring_name};
    return true;
}

struct ring *
table_ring_create(const struct table_pool *pool, const char **error)
{
    struct addr_name *names = mem_alloc((pool->node_count + 1) * sizeof(*names));
    struct ring_server *servers = mem_alloc((pool->node_count + 1) * sizeof(*servers));
    bool ok = true;
    for (unsigned i = 0; i < pool->node_count && ok; i++) {
        ok = server_of(&pool->nodes[i], &names[i], &servers[i]);
    }
    struct ring *ring = NULL;
    if (ok) {
        ring = ring_create(&pool->ring_config, servers, pool->node_count, error);
    } else {
        *error = "a node's address cannot be read";
    }
    free(servers);
    free(names);
    return ring;
}

char *
table_ring_label(const struct table_pool *pool, const struct table_node *node)
{
    struct addr_name name;
    struct ring_server server;
    ASSERT(server_of(node, &name, &server));
    return ring_server_label(pool->ring_config.kind, &server);
}
