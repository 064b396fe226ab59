/* pool_config.h - an operator's intent for a pool, as kept under
 * config/pools/<name>: the members that the pool has in a routing table, all but
 * its nodes, and from how many nodes on it is served. Written by mfctl, read by
 * the planner. Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

struct pool_config {
    struct table_pool settings; /* without nodes */
    uint64_t min_nodes;         /* the pool is first published with so many; from 1 */
    bool force;                 /* what would be refused as too large a change is meant */
    char *by, *reason;
};

/* Absent members mean their defaults; unknown ones are ignored. NULL and a
 * sentence in `error` (TABLE_ERROR_MAX bytes) that names the member and
 * what was expected. */
struct pool_config *pool_config_decode(const json_t *object, const char *name, char *error);
void pool_config_destroy(struct pool_config **config);

/* Would a pool with these settings place or serve keys otherwise? */
bool pool_config_differs(const struct pool_config *config, const struct table_pool *pool);
