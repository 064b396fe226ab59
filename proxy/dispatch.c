#include "proxy/dispatch.h"
#include "common/core/clock.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/fanout.h"
#include "proxy/leg_queue.h"
#include "proxy/local_command.h"
#include "proxy/near.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/split.h"
#include "proxy/way.h"

enum action {
    ACTION_KEYS,  /* each key to its owner */
    ACTION_OWNER, /* the whole command to the key's owner */
    ACTION_ALL,   /* to all nodes of the pools that keys lead to, if they allow */
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
    X(HOTKEYS,        LOCAL,   OTHER)                                                              \
    X(DEBUGTIME,      LOCAL,   OTHER)                                                              \
    X(CONFIG,         LOCAL,   OTHER)                                                              \
    X(EPOCH,          LOCAL,   OTHER)
/* clang-format on */

#define X(command, action, metric) +1
_Static_assert(0 DISPATCH_POLICIES(X) == CMD_COUNT, "every command has a policy");
#undef X

static const struct {
    uint8_t action;
    uint8_t metric;
} policies[CMD_COUNT] = {
#define X(command, action, metric) [CMD_##command] = {ACTION_##action, METRIC_ID_CMD_##metric},
    DISPATCH_POLICIES(X)
#undef X
};

static bool
compose(const struct way *way, const struct request *r, struct span block)
{
    struct buf *out = &way->backend->out;
    if (way_is_gutter(way) && block.len > 0) {
        int64_t asked = r->cmd == CMD_MS ? r->meta.ttl : r->exptime;
        int64_t exptime = gutter_exptime(asked, way->gutter_ttl_s, clock_wall_ms() / 1000);
        return gutter_put_store(out, r, exptime) && buf_append_span(out, block);
    }
    if (policies[r->cmd].action == ACTION_KEYS) {
        return request_put_get_begin(out, r) && request_put_get_key(out, r->wire_key) &&
               request_put_get_end(out);
    }
    return request_put_line(out, r) && buf_append_span(out, block);
}

static void
fail_unsent(const struct way *way, struct pending *p, const struct request *r, enum failure failure)
{
    p->request.journaled = way_do_duty(way, r, failure);
    if (p->fan != NULL) {
        fanout_owner_failed(p, failure);
    } else {
        pending_fail(p, failure);
    }
}

/* What will be the whole answer, if it comes. */
static enum leg_plain
expected(const struct pending *p, enum proto_command cmd)
{
    if (p->request.noreply || p->fan != NULL || p->rename != NULL || p->gate != NULL) {
        return PLAIN_NOT;
    }
    switch (command_shape(cmd)) {
    case SHAPE_GET: return PLAIN_VALUE;
    case SHAPE_STORE: return PLAIN_STORED;
    default: return cmd == CMD_MG ? PLAIN_MG : PLAIN_NOT;
    }
}

/* One leg, whose reply passes through. NULL if there is none, and all is told. */
static struct leg *
send_to(const struct way *way, struct pending *p, const struct request *r, struct span block)
{
    if (!way->open) {
        fail_unsent(way, p, r, way->failure);
        return NULL;
    }
    size_t mark = backend_mark(way->backend);
    if (way_is_gutter(way) && failure_duty(r) != DUTY_NONE) {
        /* What the owner has of the key is old from now on. */
        p->request.journaled = rejoin_remember(way->owner, r->key);
    }
    if (!compose(way, r, block)) {
        backend_undo(way->backend, mark);
        way_count_failure(p->worker, FAILURE_OVERLOADED);
        fail_unsent(way, p, r, FAILURE_OVERLOADED);
        return NULL;
    }
    struct leg *leg = way_queue(way, p, LEG_ONE, mark);
    leg_queue_set_duty(way->backend, leg, failure_duty(r), r->key);
    leg->plain = (uint8_t)expected(p, r->cmd);
    return leg;
}

/* What a pending that waits has to remember of an mg: "<key> <flags>". */
static struct span
ask_of(const struct request *r)
{
    return r->cmd == CMD_MG ? span_skip(r->bare, (size_t)(r->wire_key.ptr - r->bare.ptr))
                            : SPAN_LIT("");
}

/* For the pool's shadow, if it has one. */
static inline void
copy(struct worker *w, const struct request *r, const struct lookup_key *key, struct span block)
{
    const struct roster_pool *pool = &w->roster->pools[key->pool];
    if (pool->shadow != NULL) {
        shadow_copy(w, pool, r, key, block);
    }
}

/* A read of one key that others may share, or that may share theirs. */
static void
read_shared(struct pending *p, const struct request *r, const struct coalesce_read *read,
            struct span ask)
{
    struct flight *found;
    const struct roster_pool *pool = &p->worker->roster->pools[read->key.pool];
    enum coalesce_verdict verdict =
        pool->coalesce ? coalesce_judge(p->client, read, &found) : COALESCE_ALONE;
    if (verdict == COALESCE_JOIN) {
        coalesce_wait(p, found, ask);
        return;
    }
    copy(p->worker, r, &read->key, SPAN_LIT(""));
    struct way_to_copy copy;
    if (pool->replicas > 1 && fanout_find_copy(p->client, read, &copy) &&
        coalesce_read_copy(p, read, &copy, ask, verdict == COALESCE_LEAD)) {
        return;
    }
    struct way way = way_to_key(p->worker, &read->key, gutter_use(r, read->form));
    struct leg *leg = send_to(&way, p, r, SPAN_LIT(""));
    if (leg == NULL) {
        return;
    }
    leg->repeatable = true;
    if (verdict == COALESCE_LEAD) {
        leg_lead(leg, read, way.backend, true);
    } else if (read->near_of != 0) {
        leg_lead(leg, read, way.backend, false);
    }
}

/* Reads that also touch an item leave its copies alone: those live by a time of
 * their own. */
static bool
is_hot_write(const struct worker *w, const struct request *r, const struct coalesce_read *read)
{
    bool reads = command_shape(r->cmd) == SHAPE_GET || r->cmd == CMD_MG || r->cmd == CMD_ME;
    const struct roster_pool *pool = &w->roster->pools[read->key.pool];
    return pool->replicas > 1 && !reads && fanout_is_hot(pool, read->key.bytes);
}

static bool
is_delete(const struct request *r)
{
    return r->cmd == CMD_DELETE || r->cmd == CMD_MD;
}

static void
send_alone(struct pending *p, const struct request *r, const struct coalesce_read *read,
           struct span block)
{
    struct worker *w = p->worker;
    bool hot_write = is_hot_write(w, r, read);
    copy(w, r, &read->key, block);
    if (hot_write) {
        client_begins_write(p, read->key.hash);
        fanout_begin_write(p, &read->key, is_delete(r));
    }
    struct way way = way_to_key(w, &read->key, gutter_use(r, read->form));
    struct leg *leg = send_to(&way, p, r, block);
    if (leg == NULL) {
        if (is_delete(r)) { /* the gutter may have gone, too, and be back before the owner */
            way_clean_gutter(w, &way, &read->key);
        }
        return;
    }
    leg->repeatable = read->form != FORM_NONE;
    if (form_changes_item(r)) {
        if (!hot_write) {
            client_begins_write(p, read->key.hash);
        }
        leg_is_write(w, leg, LEG_WRITES_KEY, read->key.hash);
        if (!way_is_gutter(&way)) {
            way_clean_gutter(w, &way, &read->key);
        }
    }
}

/* A route takes all of the key off. */
static void
refuse_key(struct client *c, const struct request *r)
{
    if (!r->noreply) {
        client_answer_error(c, PROTO_ERR_BAD_FORMAT);
    }
}

/* The request as the node shall have it, of whose key `key_bytes` are left. NULL when
 * the system has no memory. */
static const struct request *
renamed(struct pending *p, const struct request *r, size_t key_bytes)
{
    struct worker *w = p->worker;
    p->rename = objpool_borrow(&w->renames);
    rename_init(p->rename, r->key, r->key.len - key_bytes);
    return rename_request(p->rename, r, &w->renamed, &w->renamed_line) ? &w->renamed : NULL;
}

static void
to_one(struct client *c, const struct request *r, struct span block)
{
    struct worker *w = c->worker;
    struct coalesce_read read = {.key = lookup_key_of(c, r->key), .form = form_of(r)};
    if (read.key.bytes.len == 0) {
        refuse_key(c, r);
        return;
    }
    struct pending *p = pending_create(c, r);
    struct span ask = ask_of(r);
    const struct roster_pool *pool = &w->roster->pools[read.key.pool];
    p->policy = pool->policy;
    if (pool->admission != NULL && !pending_admit(p, pool->admission, r->key, block.len)) {
        pending_fail(p, FAILURE_OVERLOADED);
        return;
    }
    if (read.key.bytes.len != r->key.len && (r = renamed(p, r, read.key.bytes.len)) == NULL) {
        way_count_failure(w, FAILURE_OVERLOADED);
        pending_fail(p, FAILURE_OVERLOADED);
        return;
    }
    if (r->cmd == CMD_MG || command_shape(r->cmd) == SHAPE_GET) {
        worker_note_read(w, &read.key);
    }
    if (pool->moves && moving_takes(p, r, &read, ask, block)) {
        copy(w, r, &read.key, block);
        return;
    }
    if (read.form != FORM_NONE && pool->shares) {
        read.mark = write_marks_read(w->host->writes, read.key.hash);
        if (pool->near != NULL && near_serve(p, &read, ask)) {
            return;
        }
        read_shared(p, r, &read, ask);
    } else {
        send_alone(p, r, &read, block);
    }
}

/* A flush of some time to come is not remembered: whoever asks for one has time
 * to ask again. */
static void
flush_one(const struct way *way, struct pending *p, const struct request *r)
{
    enum failure_duty duty = r->exptime == 0 ? DUTY_ALWAYS : DUTY_NONE;
    size_t mark = backend_mark(way->backend);
    if (way->open && request_put_line(&way->backend->out, r)) {
        struct leg *leg = way_queue(way, p, LEG_BROADCAST, mark);
        leg_is_write(p->worker, leg, LEG_WRITES_ALL, 0);
        leg_queue_set_duty(way->backend, leg, duty, SPAN_LIT(""));
        return;
    }
    backend_undo(way->backend, mark);
    if (duty != DUTY_NONE) {
        rejoin_remember_flush(way->backend);
    }
    answer_part_failure(p, way->open ? FAILURE_OVERLOADED : way->failure);
}

/* One leg to each node of the pool. */
static void
broadcast(struct pending *p, const struct request *r, struct roster_pool *pool)
{
    p->policy = pool->policy;
    for (unsigned i = 0; i < pool->nodes; i++) {
        struct way way = way_to_node(p->worker, pool, i);
        flush_one(&way, p, r);
    }
}

/* May a key of this client lead to the pool? */
static bool
leads_to(const struct client *c, unsigned pool)
{
    const struct roster *roster = c->worker->roster;
    return c->bound ? roster->bound_pools[c->frontend] == pool
                    : roster->placement->table->pools[pool].routed;
}

/* What a client flushes, it does not expect to find under any key. While keys move,
 * what is flushed at the one owner could be filled again from the other. */
static bool
all_may_be_flushed(const struct client *c)
{
    const struct roster *roster = c->worker->roster;
    for (unsigned i = 0; i < roster->placement->table->pool_count; i++) {
        if (leads_to(c, i) && (!roster->pools[i].flush_all || roster->pools[i].moves)) {
            return false;
        }
    }
    return true;
}

/* Does it stand in for a pool that is flushed? Of a client that is not bound that
 * may be any. */
static bool
is_gutter_of(const struct client *c, unsigned pool)
{
    const struct roster *roster = c->worker->roster;
    if (!c->bound) {
        return roster->placement->table->pools[pool].is_gutter;
    }
    return roster->pools[roster->bound_pools[c->frontend]].gutter == &roster->pools[pool];
}

static void
to_all(struct client *c, const struct request *r)
{
    struct roster *roster = c->worker->roster;
    const struct table *table = roster->placement->table;
    struct pending *p = pending_create(c, r);
    if (!all_may_be_flushed(c)) {
        if (!r->noreply) {
            pending_emit(p, error_line(PROTO_ERR_FLUSH_DISABLED));
        }
        pending_done(p);
        return;
    }
    client_begins_write_of_all(p);
    for (unsigned i = 0; i < table->pool_count; i++) {
        if (leads_to(c, i) || is_gutter_of(c, i)) {
            broadcast(p, r, &roster->pools[i]);
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
    if (!lookup_has_route(c)) {
        way_count_failure(w, FAILURE_NO_ROUTE);
        pending_fail(pending_create(c, r), FAILURE_NO_ROUTE);
        return;
    }
    switch (action) {
    case ACTION_KEYS:
        if (r->keys.len == r->wire_key.len) {
            to_one(c, r, block);
        } else {
            split_get(c, r);
        }
        break;
    case ACTION_OWNER: to_one(c, r, block); break;
    case ACTION_ALL: to_all(c, r); break;
    case ACTION_LOCAL: break;
    }
}
