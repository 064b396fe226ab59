#include "control/pool_config.h"
#include "common/core/mem.h"
#include "common/fleet/table_build.h"

#include <stdio.h>
#include <stdlib.h>

struct pool_config *
pool_config_decode(const json_t *object, const char *name, char *error)
{
    struct table_pool settings;
    if (!table_pool_settings(object, name, &settings, error)) {
        return NULL;
    }
    json_int_t min_nodes = 1;
    int force = 0;
    const char *by = "", *reason = "";
    json_error_t why;
    if (json_unpack_ex((json_t *)object, &why, 0, "{s?I s?b s?s s?s}", "min_nodes", &min_nodes,
                       "force", &force, "by", &by, "reason", &reason) != 0) {
        snprintf(error, TABLE_ERROR_MAX, "%s", why.text);
        table_pool_deinit(&settings);
        return NULL;
    }
    if (min_nodes < 1 || min_nodes > TABLE_NODES_MAX) {
        snprintf(error, TABLE_ERROR_MAX, "min_nodes: expected 1 to %d", TABLE_NODES_MAX);
        table_pool_deinit(&settings);
        return NULL;
    }
    struct pool_config *config = mem_alloc(sizeof(*config));
    *config = (struct pool_config){settings, (uint64_t)min_nodes, force, mem_strdup(by),
                                   mem_strdup(reason)};
    return config;
}

void
pool_config_destroy(struct pool_config **config)
{
    struct pool_config *it = *config;
    if (it == NULL) {
        return;
    }
    table_pool_deinit(&it->settings);
    free(it->by);
    free(it->reason);
    free(it);
    *config = NULL;
}

bool
pool_config_differs(const struct pool_config *config, const struct table_pool *pool)
{
    const struct table_pool *want = &config->settings;
    return table_pool_places_otherwise(pool, want) ||
           want->connect_timeout_ms != pool->connect_timeout_ms ||
           want->request_timeout_ms != pool->request_timeout_ms ||
           want->flush_all != pool->flush_all || want->on_read_error != pool->on_read_error ||
           want->on_write_error != pool->on_write_error || want->meta_errors != pool->meta_errors ||
           want->coalesce != pool->coalesce || want->miss_lease_ms != pool->miss_lease_ms ||
           want->rejoin != pool->rejoin || strcmp(want->gutter, pool->gutter) != 0 ||
           want->gutter_ttl_s != pool->gutter_ttl_s || want->replicas != pool->replicas ||
           want->replica_ttl_ms != pool->replica_ttl_ms ||
           want->promote_percent != pool->promote_percent ||
           want->replica_ttl_local_ms != pool->replica_ttl_local_ms ||
           want->near_cache_bytes != pool->near_cache_bytes ||
           want->near_cache_ttl_ms != pool->near_cache_ttl_ms ||
           strcmp(want->shadow.name, pool->shadow.name) != 0 ||
           want->shadow.percent != pool->shadow.percent ||
           want->shadow.requests != pool->shadow.requests ||
           strcmp(want->config_cluster, pool->config_cluster) != 0 ||
           strcmp(want->hot_text, pool->hot_text) != 0 ||
           strcmp(want->limits_text, pool->limits_text) != 0;
}
