#include "common/core/hash.h"
#include "proxy/route/route.h"

bool
route_is_shadowed(const struct table_pool *pool, struct span key)
{
    uint64_t percentile = (hash_span(key) >> 32) * 100 >> 32;
    return percentile < pool->shadow.percent;
}
