#include "proxy/route/route.h"

unsigned
route_replicas(const struct table *table, unsigned pool, struct span key, unsigned *out)
{
    return table_pool_replicas(&table->pools[pool], key, out);
}

static unsigned
add(unsigned *out, unsigned count, unsigned node, const struct table_move *move)
{
    for (unsigned i = 0; i < count; i++) {
        if (out[i] == node) {
            return count;
        }
    }
    if (node != move->from && node != move->to) {
        out[count++] = node;
    }
    return count;
}

unsigned
route_copies(const struct table *table, unsigned pool, struct span key, unsigned *out)
{
    const struct table_pool *p = &table->pools[pool];
    unsigned nodes[ROUTE_COPIES_MAX], count = 0;
    struct table_move move;
    unsigned n = table_pool_replicas(p, key, nodes);
    (void)table_pool_moves(p, key, &move);
    n += table_pool_other_replicas(p, key, nodes + n);
    for (unsigned i = 0; i < n; i++) {
        count = add(out, count, nodes[i], &move);
    }
    return count;
}
