#include "proxy/dispatch.h"
#include "common/core/mem.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/local_command.h"
#include "proxy/multiget.h"
#include "proxy/pending.h"
#include "proxy/roster.h"
#include "proxy/proxy_worker.h"

/* Old memcacheds cut a gat line longer than 2048 bytes as abuse; get lines they
 * take at any length. */
#define GAT_LINE_MAX 1900

enum action {
    ACTION_KEYS,  /* each key to its owner */
    ACTION_OWNER, /* the whole command to the key's owner */
    ACTION_ALL,   /* to all nodes of the pool, if the pool allows */
    ACTION_LOCAL, /* answered here */
};

/* clang-format off */
/*    command         action   counted as */
#define DISPATCH_POLICIES(X)                                                                       \
    X(GET,            KEYS,    GET)                                                                \
    X(GETS,           KEYS,    GET)                                                                \
    X(GAT,            KEYS,    GET)                                                                \
    X(GATS,           KEYS,    GET)                                                                \
    X(SET,            OWNER,   SET)                                                                \
    X(ADD,            OWNER,   SET)                                                                \
    X(REPLACE,        OWNER,   SET)                                                                \
    X(APPEND,         OWNER,   SET)                                                                \
    X(PREPEND,        OWNER,   SET)                                                                \
    X(CAS,            OWNER,   SET)                                                                \
    X(INCR,           OWNER,   ARITH)                                                              \
    X(DECR,           OWNER,   ARITH)                                                              \
    X(TOUCH,          OWNER,   TOUCH)                                                              \
    X(DELETE,         OWNER,   DELETE)                                                             \
    X(MG,             OWNER,   META)                                                               \
    X(MS,             OWNER,   META)                                                               \
    X(MD,             OWNER,   META)                                                               \
    X(MA,             OWNER,   META)                                                               \
    X(ME,             OWNER,   META)                                                               \
    X(MN,             LOCAL,   META)                                                               \
    X(FLUSH_ALL,      ALL,     FLUSH)                                                              \
    X(VERSION,        LOCAL,   OTHER)                                                              \
    X(VERBOSITY,      LOCAL,   OTHER)                                                              \
    X(STATS,          LOCAL,   OTHER)                                                              \
    X(QUIT,           LOCAL,   OTHER)                                                              \
    X(SHUTDOWN,       LOCAL,   OTHER)                                                              \
    X(CACHE_MEMLIMIT, LOCAL,   OTHER)                                                              \
    X(SLABS,          LOCAL,   OTHER)                                                              \
    X(LRU,            LOCAL,   OTHER)                                                              \
    X(LRU_CRAWLER,    LOCAL,   OTHER)                                                              \
    X(WATCH,          LOCAL,   OTHER)                                                              \
    X(REFRESH_CERTS,  LOCAL,   OTHER)                                                              \
    X(DEBUGTIME,      LOCAL,   OTHER)                                                              \
    X(CONFIG,         LOCAL,   OTHER)
/* clang-format on */

static const struct {
    uint8_t action;
    uint8_t metric;
} policies[CMD_COUNT] = {
#define X(command, action, metric) [CMD_##command] = {ACTION_##action, METRIC_ID_CMD_##metric},
    DISPATCH_POLICIES(X)
#undef X
};

static void
count_failure(struct worker *w, enum failure failure)
{
    static const enum proxy_metric metrics[] = {
        [FAILURE_DOWN] = METRIC_ID_FAILED_DOWN,
        [FAILURE_TIMEOUT] = METRIC_ID_FAILED_TIMEOUT,
        [FAILURE_OVERLOADED] = METRIC_ID_FAILED_OVERLOADED,
        [FAILURE_NO_ROUTE] = METRIC_ID_FAILED_NO_ROUTE,
    };
    worker_count(w, metrics[failure], 1);
}

static void
fail(struct pending *p, enum failure failure)
{
    count_failure(p->worker, failure);
    pending_fail(p, failure);
}

/* Where a key goes by the worker's current roster. */
struct way {
    struct roster_pool *pool;
    struct backend *backend;
    enum failure failure; /* when `open` is false */
    bool open;
};

static struct way
find_way(struct worker *w, struct span key)
{
    struct route_place place = route_owner(w->roster->placement->table, key);
    struct roster_pool *pool = &w->roster->pools[place.pool];
    struct way way = {pool, pool->backends[place.node], FAILURE_DOWN, false};
    switch (backend_admit(way.backend, pool->down, pool->nodes)) {
    case BACKEND_ADMITS: way.open = true; break;
    case BACKEND_REFUSES_DOWN: break;
    case BACKEND_REFUSES_OVERLOADED: way.failure = FAILURE_OVERLOADED; break;
    }
    return way;
}

/* A node that is only asked because most of its pool looks DOWN gets less time:
 * the client has probably waited for its like before. */
static uint64_t
timeout_us(const struct way *way)
{
    uint64_t us = way->pool->request_timeout_us;
    return backend_is_down(way->backend) ? us / 2 : us;
}

static struct leg *
queue_leg(struct pending *p, const struct way *way, enum leg_kind kind, size_t mark)
{
    struct leg *leg = leg_create(p->worker, p, kind, p->request.cmd, p->worker->roster);
    backend_queue(way->backend, leg, mark, timeout_us(way));
    return leg;
}

static bool
compose(struct buf *out, const struct request *r, struct span block)
{
    if (policies[r->cmd].action == ACTION_KEYS) {
        return request_put_get_begin(out, r) && request_put_get_key(out, r->wire_key) &&
               request_put_get_end(out);
    }
    return request_put_line(out, r) && buf_append_span(out, block);
}

/* One leg, whose reply passes through. */
static void
to_owner(struct client *c, const struct request *r, struct span block)
{
    struct pending *p = pending_create(c, r);
    struct way way = find_way(c->worker, r->key);
    p->policy = way.pool->policy;
    if (!way.open) {
        fail(p, way.failure);
        return;
    }
    size_t mark = backend_mark(way.backend);
    if (!compose(&way.backend->out, r, block)) {
        backend_undo(way.backend, mark);
        fail(p, FAILURE_OVERLOADED);
        return;
    }
    queue_leg(p, &way, LEG_ONE, mark);
}

/* --- several keys ------------------------------------------------------------ */

/* The line that is being written to a backend is complete. */
static void
end_line(struct pending *p, const struct way *way)
{
    struct backend *b = way->backend;
    if (!request_put_get_end(&b->out)) {
        backend_undo(b, b->split_mark);
        answer_part_failure(p, FAILURE_OVERLOADED);
        return;
    }
    queue_leg(p, way, LEG_SHARD, b->split_mark)->shard = b->split_shard;
}

/* Backends that have an open line of this multiget, in the order of opening. */
struct split {
    struct way *ways;
    unsigned count, room;
};

static bool
begin_line(struct pending *p, const struct request *r, const struct way *way, struct split *split)
{
    struct backend *b = way->backend;
    size_t mark = backend_mark(b);
    if (!request_put_get_begin(&b->out, r)) {
        backend_undo(b, mark);
        return false;
    }
    b->split_round = p->worker->split_round;
    b->split_shard = multiget_add_shard(p->many);
    b->split_mark = mark;
    if (split->count == split->room) {
        split->room = split->room != 0 ? split->room * 2 : 16;
        split->ways = mem_realloc(split->ways, split->room * sizeof(split->ways[0]));
    }
    split->ways[split->count++] = *way;
    return true;
}

static void
split_key(struct pending *p, const struct request *r, struct span key, struct split *split)
{
    struct way way = find_way(p->worker, key);
    struct backend *b = way.backend;
    p->policy = way.pool->policy;
    if (!way.open) {
        count_failure(p->worker, way.failure);
        answer_part_failure(p, way.failure);
        return;
    }
    bool is_open = b->split_round == p->worker->split_round;
    bool is_gat = r->cmd == CMD_GAT || r->cmd == CMD_GATS;
    if (is_open && is_gat && backend_mark(b) - b->split_mark > GAT_LINE_MAX - KEY_MAX_BYTES) {
        end_line(p, &way);
        b->split_round = 0;
        is_open = false;
    }
    if ((!is_open && !begin_line(p, r, &way, split)) || !request_put_get_key(&b->out, key)) {
        count_failure(p->worker, FAILURE_OVERLOADED);
        answer_part_failure(p, FAILURE_OVERLOADED);
        return;
    }
    multiget_add_key(p->many, (uint32_t)(key.ptr - r->keys.ptr), (uint32_t)key.len, b->split_shard);
}

static void
to_owners(struct client *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct pending *p = pending_create(c, r);
    p->many = mem_alloc(sizeof(*p->many));
    if (!multiget_init(p->many, r->keys)) {
        c->doomed = true;
        return;
    }
    struct split split = {0};
    struct span keys = r->keys, key;
    w->split_round += w->split_round == UINT32_MAX ? 2 : 1; /* 0 marks no backend */
    while (request_next_key(&keys, &key)) {
        split_key(p, r, key, &split);
    }
    for (unsigned i = 0; i < split.count; i++) {
        if (split.ways[i].backend->split_round == w->split_round) {
            end_line(p, &split.ways[i]);
            split.ways[i].backend->split_round = 0;
        }
    }
    free(split.ways);
    worker_count(w, METRIC_ID_CMD_GET, p->many->key_count > 0 ? p->many->key_count - 1 : 0);
    answer_complete(p);
}

/* --- all nodes ---------------------------------------------------------------- */

static void
to_all(struct client *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct pending *p = pending_create(c, r);
    struct roster_pool *pool = &w->roster->pools[w->roster->placement->table->default_pool];
    p->policy = pool->policy;
    if (!pool->flush_all) {
        if (!r->noreply) {
            pending_emit(p, error_line(PROTO_ERR_FLUSH_DISABLED));
        }
        pending_done(p);
        return;
    }
    for (unsigned i = 0; i < pool->nodes; i++) {
        struct way way = {pool, pool->backends[i], FAILURE_DOWN, true};
        struct backend *b = way.backend;
        size_t mark = backend_mark(b);
        if (backend_admit(b, pool->down, pool->nodes) == BACKEND_ADMITS &&
            request_put_line(&b->out, r)) {
            queue_leg(p, &way, LEG_BROADCAST, mark);
        } else {
            backend_undo(b, mark);
            count_failure(w, FAILURE_DOWN);
            answer_part_failure(p, FAILURE_DOWN);
        }
    }
    answer_complete(p);
}

void
dispatch(struct client *c, const struct request *r, struct span block)
{
    struct worker *w = c->worker;
    enum action action = (enum action)policies[r->cmd].action;
    worker_count(w, policies[r->cmd].metric, 1);
    if (action == ACTION_LOCAL) {
        local_command(c, r);
        return;
    }
    if (w->roster == NULL) {
        fail(pending_create(c, r), FAILURE_NO_ROUTE);
        return;
    }
    switch (action) {
    case ACTION_KEYS:
        if (r->keys.len == r->wire_key.len) {
            to_owner(c, r, block);
        } else {
            to_owners(c, r);
        }
        break;
    case ACTION_OWNER: to_owner(c, r, block); break;
    case ACTION_ALL: to_all(c, r); break;
    case ACTION_LOCAL: break;
    }
}
