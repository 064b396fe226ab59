#include "proxy/route/route.h"

unsigned
route_bound(const struct table *table, const char *pool)
{
    const struct table_pool *found = table_pool_find(table, span_cstr(pool));
    return found != NULL ? (unsigned)(found - table->pools) : TABLE_NO_POOL;
}
