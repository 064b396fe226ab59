#include "proxy/way.h"
#include "proxy/backend.h"
#include "proxy/leg_queue.h"
#include "proxy/owner_cache.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/route/route.h"

void
way_count_failure(struct worker *w, enum failure failure)
{
    static const enum proxy_metric metrics[] = {
        [FAILURE_DOWN] = METRIC_ID_FAILED_DOWN,
        [FAILURE_TIMEOUT] = METRIC_ID_FAILED_TIMEOUT,
        [FAILURE_OVERLOADED] = METRIC_ID_FAILED_OVERLOADED,
        [FAILURE_NO_ROUTE] = METRIC_ID_FAILED_NO_ROUTE,
    };
    worker_count(w, metrics[failure], 1);
}

struct way
way_to_node(struct worker *w, struct roster_pool *pool, unsigned node)
{
    struct way way = {pool, pool->backends[node], false, FAILURE_DOWN};
    switch (backend_admit(way.backend, pool->down, pool->nodes)) {
    case BACKEND_ADMITS: way.open = true; return way;
    case BACKEND_REFUSES_DOWN: break;
    case BACKEND_REFUSES_OVERLOADED: way.failure = FAILURE_OVERLOADED; break;
    }
    way_count_failure(w, way.failure);
    return way;
}

static uint32_t
find_owner(const struct roster *r, const struct lookup_key *key)
{
    if (!r->pools[key->pool].slow_ring) {
        return route_owner(r->placement->table, key->pool, key->bytes);
    }
    uint32_t node = owner_cache_find(r->owners, key);
    if (node == OWNER_UNKNOWN) {
        node = route_owner(r->placement->table, key->pool, key->bytes);
        owner_cache_put(r->owners, key, node);
    }
    return node;
}

struct way
way_to_owner(struct worker *w, const struct lookup_key *key)
{
    uint32_t node = find_owner(w->roster, key);
    struct way way = way_to_node(w, &w->roster->pools[key->pool], node);
    if (way.open && journal_blocks(way.backend->journal, key->bytes)) {
        way.open = false; /* its value there is old */
        way_count_failure(w, way.failure);
    }
    return way;
}

bool
way_do_duty(const struct way *way, const struct request *r, enum failure failure)
{
    return failure_duty_applies(failure_duty(r), failure) && rejoin_remember(way->backend, r->key);
}

/* A node that is only asked because most of its pool looks DOWN gets less time:
 * the client has probably waited for its like before. */
static uint64_t
timeout_us(const struct way *way)
{
    uint64_t us = way->pool->request_timeout_us;
    return backend_is_down(way->backend) ? us / 2 : us;
}

struct leg *
way_queue(const struct way *way, struct pending *p, enum leg_kind kind, size_t mark)
{
    struct leg *leg = leg_create(p->worker, p, kind, p->request.cmd, p->worker->roster);
    leg_queue_append(way->backend, leg, mark, timeout_us(way));
    return leg;
}

struct leg *
way_queue_fetch(const struct way *way, struct worker *w, enum proto_command cmd, size_t mark)
{
    struct leg *leg = leg_create(w, NULL, LEG_FETCH, cmd, w->roster);
    leg_queue_append(way->backend, leg, mark, timeout_us(way));
    return leg;
}
