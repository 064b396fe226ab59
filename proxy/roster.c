#include "proxy/roster.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "proxy/backend.h"
#include "proxy/copies.h"
#include "proxy/near.h"
#include "proxy/owner_cache.h"
#include "proxy/promoter.h"
#include "proxy/proxy_worker.h"
#include "proxy/shadow_counts.h"

#include <stdlib.h>

static void
take_backends(struct roster *r, struct roster *previous)
{
    const struct placement *p = r->placement;
    for (unsigned i = 0; i < placement_all(p); i++) {
        const struct place_node *node = &p->nodes[i];
        if (node->same_as != PLACE_NEW && previous != NULL) {
            r->backends[i] = previous->backends[node->same_as];
            previous->backends[node->same_as] = NULL;
        } else {
            r->backends[i] = backend_create(r->worker, node);
        }
        backend_assign(r->backends[i], node, i);
    }
}

static void
retire_rest(struct roster *previous)
{
    for (unsigned i = 0; i < placement_all(previous->placement); i++) {
        if (previous->backends[i] != NULL) {
            backend_retire(&previous->backends[i]);
        }
    }
}

static bool
is_slow(const struct table_pool *pool)
{
    enum key_hash hash = pool->ring_config.hash;
    return pool->node_count > 1 && (hash == KEY_HASH_MD5 || hash == KEY_HASH_OWN);
}

static void
fill_shadow(const struct roster *r, struct roster_pool *pool, const struct place_pool *place)
{
    unsigned nodes = r->placement->table->pools[place->pool->shadow.pool].node_count;
    pool->shadow = mem_zalloc(nodes * sizeof(struct backend *));
    for (unsigned i = 0; i < nodes; i++) {
        unsigned at = place->shadow_nodes[i];
        pool->shadow[i] = at != PLACE_NONE ? r->backends[at] : NULL;
    }
}

static void
fill_pool(struct roster *r, unsigned index)
{
    const struct place_pool *place = &r->placement->pools[index];
    struct roster_pool *pool = &r->pools[index];
    *pool = (struct roster_pool){
        .backends = mem_zalloc(place->pool->node_count * sizeof(struct backend *)),
        .nodes = place->pool->node_count,
        .request_timeout_us = place->pool->request_timeout_ms * 1000,
        .policy = {place->pool->on_read_error, place->pool->on_write_error,
                   place->pool->meta_errors},
        .flush_all = place->pool->flush_all,
        .coalesce = place->pool->coalesce,
        .moves = table_pool_is_moving(place->pool),
        .miss_lease_us = place->pool->miss_lease_ms * 1000,
        .slow_ring = is_slow(place->pool),
        .gutter_ttl_s = place->pool->gutter_ttl_s,
        .index = index,
        .id = worker_key_hash(r->worker, span_cstr(place->pool->name)),
        .replicas = place->pool->replicas < place->pool->node_count ? place->pool->replicas
                                                                    : place->pool->node_count,
        .replica_ttl_us = place->pool->replica_ttl_ms * 1000,
        .local_ttl_us = place->pool->replica_ttl_local_ms * 1000,
        .admission = place->admission,
        .promoter = place->promoter,
        .table = place->pool,
    };
    if (pool->promoter != NULL) {
        pool->promoted = mem_zalloc(sizeof(*pool->promoted));
    }
    pool->near = near_create(r->worker, place->pool);
    pool->shares = pool->coalesce || pool->replicas > 1 || pool->near != NULL;
    pool->plain = pool->replicas <= 1 && pool->near == NULL && pool->admission == NULL &&
                  !pool->moves && place->pool->gutter_pool == TABLE_NO_POOL &&
                  place->shadow_nodes == NULL;
    if (place->pool->gutter_pool != TABLE_NO_POOL) {
        pool->gutter = &r->pools[place->pool->gutter_pool];
    }
    for (unsigned i = 0; i < pool->nodes; i++) {
        pool->backends[i] = r->backends[place->nodes[i]];
        pool->down += backend_is_down(pool->backends[i]);
    }
    if (place->shadow_nodes != NULL) {
        fill_shadow(r, pool, place);
        pool->copied = &place->copied->cells[r->worker->index];
    }
}

struct roster *
roster_create(struct worker *worker, struct placement *placement, struct roster *previous)
{
    struct roster *r = mem_zalloc(sizeof(*r));
    r->worker = worker;
    r->serial = ++worker->roster_serial != 0 ? worker->roster_serial : ++worker->roster_serial;
    r->placement = placement_ref(placement);
    r->refs = 1;
    list_init(&r->held);
    r->owners = owner_cache_create();
    r->backends = mem_zalloc(placement_all(placement) * sizeof(r->backends[0]));
    take_backends(r, previous);
    r->pools = mem_zalloc(placement->table->pool_count * sizeof(r->pools[0]));
    for (unsigned i = 0; i < placement->table->pool_count; i++) {
        fill_pool(r, i);
        if (r->pools[i].replicas > 1 && r->copies == NULL) {
            r->copies = copies_create();
        }
    }
    roster_know_frontends(r);
    if (previous != NULL) {
        retire_rest(previous);
    }
    return r;
}

void
roster_know_frontends(struct roster *r)
{
    const struct frontends *f = r->worker->host->frontends;
    for (unsigned count = frontends_count(f); r->frontends_known < count; r->frontends_known++) {
        const char *pool = f->rows[r->frontends_known].pool;
        r->bound_pools[r->frontends_known] = route_bound(r->placement->table, pool);
    }
}

/* Nobody holds it any more. */
void
roster_end(struct roster *r)
{
    struct worker *worker = r->worker;
    for (unsigned i = 0; i < r->placement->table->pool_count; i++) {
        free(r->pools[i].backends);
        free(r->pools[i].shadow);
        free(r->pools[i].promoted);
        near_destroy(worker, &r->pools[i].near);
    }
    owner_cache_destroy(&r->owners);
    copies_destroy(&r->copies);
    free(r->pools);
    free(r->backends);
    placement_unref(&r->placement);
    free(r);
    worker_roster_gone(worker);
}

void
roster_count_down(struct roster *r, unsigned node, int change)
{
    const struct place_node *place = &r->placement->nodes[node];
    if (!place->shared) {
        r->pools[place->pool_index].down += (unsigned)change;
        return;
    }
    for (unsigned i = 0; i < r->placement->table->pool_count; i++) {
        struct roster_pool *pool = &r->pools[i];
        for (unsigned j = 0; j < pool->nodes; j++) {
            if (pool->backends[j] == r->backends[node]) {
                pool->down += (unsigned)change;
            }
        }
    }
}
