#include "proxy/route/route.h"

size_t
route_stripped(const struct table *table, struct span key)
{
    return table->strips ? table_stripped(table, key) : 0;
}
