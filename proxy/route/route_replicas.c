#include "proxy/route/route.h"

unsigned
route_replicas(const struct table *table, unsigned pool, struct span key, unsigned *out)
{
    return table_pool_replicas(&table->pools[pool], key, out);
}
