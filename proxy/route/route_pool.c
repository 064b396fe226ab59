#include "proxy/route/route.h"
#include "common/core/assert.h"

unsigned
route_pool(const struct table *table, struct span key)
{
    ASSERT(key.len > 0);

    return table_pool_of(table, key);
}

unsigned
route_owner(const struct table *table, unsigned pool, struct span key)
{
    return table_pool_owner(&table->pools[pool], key);
}
