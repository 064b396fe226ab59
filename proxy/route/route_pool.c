#include "proxy/route/route.h"
#include "common/core/assert.h"

struct route_place
route_owner(const struct table *table, struct span key)
{
    ASSERT(key.len > 0);

    unsigned pool = table_pool_of(table, key);
    return (struct route_place){pool, table_pool_owner(&table->pools[pool], key)};
}
