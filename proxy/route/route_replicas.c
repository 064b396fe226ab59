#include "proxy/route/route.h"

unsigned
route_replicas(const struct table *table, unsigned pool, struct span key, unsigned *out)
{
    return table_pool_replicas(&table->pools[pool], key, out);
}

static unsigned
add(struct route_copy *out, unsigned count, struct route_copy copy)
{
    for (unsigned i = 0; i < count; i++) {
        if (out[i].node == copy.node && out[i].owner == copy.owner) {
            return count;
        }
    }
    out[count] = copy;
    return count + 1;
}

/* The first of them is the owner. */
static unsigned
add_all(struct route_copy *out, unsigned count, const unsigned *nodes, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        count = add(out, count, (struct route_copy){nodes[i], nodes[0]});
    }
    return count;
}

unsigned
route_copies(const struct table *table, unsigned pool, struct span key, struct route_copy *out)
{
    const struct table_pool *p = &table->pools[pool];
    unsigned nodes[TABLE_REPLICAS_MAX];
    unsigned count = add_all(out, 0, nodes, table_pool_replicas(p, key, nodes));
    return add_all(out, count, nodes, table_pool_other_replicas(p, key, nodes));
}
