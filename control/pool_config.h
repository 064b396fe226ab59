/* pool_config.h - an operator's intent for a pool, as kept under
 * config/pools/<name>: how keys are placed and served, and from how many nodes
 * on. Written by mfctl, read by the planner; one codec for both. Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

#define POOL_CONFIG_ERROR_MAX 256
#define POOL_TIMEOUT_MS_MAX   60000

struct pool_config {
    /* Name, ring, key hash, tags, time-outs and policies; no nodes. */
    struct table_pool settings;
    uint64_t min_nodes; /* the pool is first published with so many; from 1 */
    bool force;         /* what would be refused as too large a change is meant */
    char *by, *reason;
};

/* Absent members mean their defaults; unknown ones are ignored. NULL and a
 * sentence in `error` (POOL_CONFIG_ERROR_MAX bytes) that names the member and
 * what was expected. */
struct pool_config *pool_config_decode(const json_t *object, const char *name, char *error);
void pool_config_destroy(struct pool_config **config);

/* Would a pool with these settings place or serve keys otherwise? */
bool pool_config_differs(const struct pool_config *config, const struct table_pool *pool);
/* Does the difference move keys? */
bool pool_config_moves_keys(const struct pool_config *config, const struct table_pool *pool);
