#include "proxy/way.h"
#include "proxy/backend.h"
#include "proxy/leg_queue.h"
#include "proxy/owner_cache.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/route/route.h"

#define GUTTER_SLACK_S 2 /* nodes count time in whole seconds */

void
way_count_failure(struct worker *w, enum failure failure)
{
    static const enum proxy_metric metrics[] = {
        [FAILURE_DOWN] = METRIC_ID_FAILED_DOWN,
        [FAILURE_TIMEOUT] = METRIC_ID_FAILED_TIMEOUT,
        [FAILURE_OVERLOADED] = METRIC_ID_FAILED_OVERLOADED,
        [FAILURE_NO_ROUTE] = METRIC_ID_FAILED_NO_ROUTE,
        [FAILURE_STALE] = METRIC_ID_FAILED_STALE,
    };
    worker_count(w, metrics[failure], 1);
}

/* Counts nothing. */
static struct way
look_at(struct roster_pool *pool, unsigned node)
{
    struct backend *b = pool->backends[node];
    struct way way = {.pool = pool, .backend = b, .owner = b, .failure = FAILURE_DOWN};
    switch (backend_admit(b, pool->down, pool->nodes)) {
    case BACKEND_ADMITS: way.open = true; break;
    case BACKEND_REFUSES_DOWN: break;
    case BACKEND_REFUSES_OVERLOADED: way.failure = FAILURE_OVERLOADED; break;
    }
    return way;
}

struct way
way_to_node(struct worker *w, struct roster_pool *pool, unsigned node)
{
    struct way way = look_at(pool, node);
    if (!way.open) {
        way_count_failure(w, way.failure);
    }
    return way;
}

unsigned
way_owner_slowly(const struct roster *r, const struct lookup_key *key)
{
    uint32_t node = owner_cache_find(r->owners, key);
    if (node == OWNER_UNKNOWN) {
        node = route_owner(r->placement->table, key->pool, key->bytes);
        owner_cache_put(r->owners, key, node);
    }
    return node;
}

/* What a node has of a key in its journal is old. */
static struct way
look_for(struct worker *w, const struct lookup_key *key, unsigned node)
{
    struct way way = look_at(&w->roster->pools[key->pool], node);
    if (way.open && journal_blocks(way.backend->journal, key->bytes)) {
        way.open = false;
    }
    return way;
}

struct way
way_to_key_at(struct worker *w, const struct lookup_key *key, unsigned node)
{
    struct way way = look_for(w, key, node);
    if (!way.open) {
        way_count_failure(w, way.failure);
    }
    return way;
}

static struct way
look_in_gutter(struct worker *w, const struct roster_pool *pool, const struct lookup_key *key)
{
    struct lookup_key there = *key;
    there.pool = pool->gutter->index;
    return look_for(w, &there, way_owner(w->roster, &there));
}

static void
count_gutter(struct worker *w, const struct way *way, enum gutter_use use)
{
    struct node_stats *stats = way->owner->stats;
    atomic_fetch_add_explicit(&stats->gutter, 1, memory_order_relaxed);
    switch (use) {
    case GUTTER_NEVER: break;
    case GUTTER_READ: worker_count(w, METRIC_ID_GUTTER_READS, 1); break;
    case GUTTER_STORE:
        worker_count(w, METRIC_ID_GUTTER_STORES, 1);
        atomic_store_explicit(&stats->gutter_until_us,
                              worker_now_us(w) + (way->gutter_ttl_s + GUTTER_SLACK_S) * 1000000,
                              memory_order_relaxed);
        break;
    case GUTTER_DELETE: worker_count(w, METRIC_ID_GUTTER_DELETES, 1); break;
    }
}

static bool
queue_aside(struct worker *w, const struct way *gutter, struct span key)
{
    struct backend *b = gutter->backend;
    size_t mark = backend_mark(b);
    enum proto_command cmd;
    if (!gutter->open || !request_put_delete(&b->out, key, &cmd)) {
        backend_undo(b, mark);
        return false;
    }
    struct leg *leg = leg_create(w, NULL, LEG_ASIDE, cmd, w->roster);
    leg_queue_append(b, leg, mark, gutter->pool->request_timeout_us);
    leg_queue_set_duty(b, leg, DUTY_ALWAYS, key);
    return true;
}

/* What it may still have goes, at once or when it can be reached again. */
static void
clean(struct worker *w, const struct way *gutter, struct span key)
{
    worker_count(w, METRIC_ID_GUTTER_DELETES, 1);
    if (!queue_aside(w, gutter, key)) {
        rejoin_remember(gutter->backend, key);
    }
}

/* The gutter's own keys may be moving. Proxies go by two neighbouring steps at a time,
 * and a step may be taken back: then one of the key's owners is written, and read, and
 * the other may have what was there a step before. */
static void
clean_other_owner(struct worker *w, const struct roster_pool *pool, const struct lookup_key *key,
                  const struct way *gutter)
{
    struct roster_pool *to = pool->gutter;
    struct table_move move;
    if (!to->moves || !table_pool_moves(to->table, key->bytes, &move)) {
        return;
    }
    struct lookup_key there = *key;
    there.pool = to->index;
    struct way other =
        look_for(w, &there, to->backends[move.to] == gutter->backend ? move.from : move.to);
    clean(w, &other, key->bytes);
}

struct way
way_to_key(struct worker *w, const struct lookup_key *key, enum gutter_use use)
{
    return way_to_owned(w, key, way_owner(w->roster, key), use);
}

struct way
way_to_owned(struct worker *w, const struct lookup_key *key, unsigned node, enum gutter_use use)
{
    const struct roster_pool *pool = &w->roster->pools[key->pool];
    struct way way = look_for(w, key, node);
    if (way.open) {
        return way;
    }
    if (use != GUTTER_NEVER && way.failure == FAILURE_DOWN && pool->gutter != NULL) {
        struct way gutter = look_in_gutter(w, pool, key);
        if (gutter.open) {
            gutter.owner = way.backend;
            gutter.gutter_ttl_s = pool->gutter_ttl_s;
            count_gutter(w, &gutter, use);
            if (use != GUTTER_READ) {
                clean_other_owner(w, pool, key, &gutter);
            }
            return gutter;
        }
    }
    way_count_failure(w, way.failure);
    return way;
}

void
way_clean_gutter(struct worker *w, const struct way *way, const struct lookup_key *key)
{
    const struct roster_pool *pool = &w->roster->pools[key->pool];
    uint64_t until =
        atomic_load_explicit(&way->owner->stats->gutter_until_us, memory_order_relaxed);
    if (pool->gutter == NULL || worker_now_us(w) >= until) {
        return;
    }
    struct way gutter = look_in_gutter(w, pool, key);
    clean(w, &gutter, key->bytes);
    clean_other_owner(w, pool, key, &gutter);
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
    leg->repeatable = true;
    leg_queue_append(way->backend, leg, mark, timeout_us(way));
    return leg;
}
