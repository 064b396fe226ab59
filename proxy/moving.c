#include "proxy/moving.h"
#include "common/core/assert.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/fanout.h"
#include "proxy/move.h"
#include "proxy/moving_act.h"
#include "proxy/moving_build.h"
#include "proxy/moving_request.h"
#include "proxy/moving_tell.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/way.h"

#define CROSSED_MAX 10 /* times that a request begins anew */

void
moving_init(struct moving_set *set, struct worker *w)
{
    set->worker = w;
    objpool_init(&set->requests, sizeof(struct moving));
    list_init(&set->held);
}

void
moving_deinit(struct moving_set *set)
{
    ASSERT(list_empty(&set->held));
    objpool_deinit(&set->requests);
}

/* Where one owner has done the request, nobody may be told that nothing was sent;
 * and where none was sent it, that nobody knows. */
static enum failure
failure_to_tell(const struct moving *m)
{
    bool undone = m->failure == FAILURE_DOWN || m->failure == FAILURE_STALE;
    if (undone && m->reply.mem != NULL && m->op != MOVE_OP_DELETE) {
        return FAILURE_TIMEOUT;
    }
    if (m->failure == FAILURE_TIMEOUT && m->op == MOVE_OP_BUILD && !m->sent) {
        return FAILURE_DOWN;
    }
    return m->failure;
}

/* It has changed nothing, so the other owner need not know of it. */
static bool
has_done_nothing(const struct moving *m)
{
    switch (m->reply_kind) {
    case REPLY_NOT_STORED:
    case REPLY_EXISTS:
    case REPLY_NOT_FOUND:
    case REPLY_NS:
    case REPLY_EX:
    case REPLY_NF: return m->op == MOVE_OP_BUILD && m->reply.mem != NULL;
    default: return false;
    }
}

static void
finish(struct moving *m)
{
    struct worker *w = m->worker;
    moving_act_end(m);
    bool failed = m->failing && !has_done_nothing(m);
    if (m->pending != NULL) {
        m->pending->request.journaled = m->owes && !failed;
    }
    if (m->pending != NULL && (failed || m->reply.mem == NULL)) {
        moving_tell_failure(m, failed ? failure_to_tell(m) : FAILURE_DOWN);
    } else if (m->pending != NULL) {
        moving_tell_reply(m);
    }
    w->moving.bytes -= m->line.mem != NULL ? buf_len(&m->line) : 0;
    bufpool_give_back(&w->bufs, &m->line);
    bufpool_give_back(&w->bufs, &m->reply);
    bufpool_give_back(&w->bufs, &m->ask);
    struct roster *roster = m->roster;
    objpool_give_back(&w->moving.requests, m);
    roster_unref(&roster);
}

/* --- one act after another ------------------------------------------------------------------- */

/* Whoever has waited for as long as he may is told now; what remains to be done has
 * time of its own. */
static void
tell_in_time(struct moving *m)
{
    uint64_t now = worker_now_us(m->worker);
    if (m->pending != NULL && now + MOVING_LEAST_US >= m->deadline_us) {
        moving_tell_failure(m, failure_to_tell(m));
    }
    if (m->pending == NULL) {
        m->deadline_us = now + m->timeout_us;
    }
}

/* *m is gone afterwards, unless it waits. */
static void
go_on(struct moving *m, enum moving_outcome outcome)
{
    for (; outcome != MOVING_WAITS; outcome = moving_act_begin(m)) {
        enum move_op op = (enum move_op)m->op;
        if (outcome == MOVING_FAILED) {
            bool doubt = failure_duty_applies((enum failure_duty)m->duty, m->failure_now);
            m->act = move_after_failure(op, m->act, doubt);
        } else {
            m->act = m->failing ? MOVE_END : move_act((enum move_step)m->step, op, ++m->at);
        }
        if (m->act == MOVE_END || m->worker->ending) {
            finish(m);
            return;
        }
        if (m->failing) {
            tell_in_time(m);
        }
    }
    m->starting = false;
}

/* The worker's end: nothing is sent any more. */
static void
give_up(struct moving *m)
{
    (void)moving_fail(m, FAILURE_TIMEOUT);
    finish(m);
}

/* Something has changed the value meanwhile, and this was not done. */
static void
begin_anew(struct moving *m)
{
    uint64_t now = worker_now_us(m->worker);
    if (++m->crossed > CROSSED_MAX || now + MOVING_LEAST_US >= m->deadline_us) {
        (void)moving_fail(m, FAILURE_OVERLOADED);
        finish(m);
        return;
    }
    m->sent = false;
    m->at = 0;
    m->act = move_act((enum move_step)m->step, (enum move_op)m->op, 0);
    go_on(m, moving_act_begin(m));
}

static void
keep_piece(struct moving *m, const struct reply_piece *piece)
{
    char room[FORM_HEAD_MAX];
    if (moving_build_is_read(m, piece)) {
        struct fetched f;
        fetched_read(piece, &f);
        if (m->pending != NULL) {
            moving_tell_read(m, &f);
        }
        return;
    }
    struct reply_piece told = moving_build_tell(m, piece, room);
    if (!moving_keep_reply(m, &told)) {
        (void)moving_fail(m, FAILURE_OVERLOADED);
    }
}

void
moving_piece(struct leg *leg, const struct reply_piece *piece)
{
    struct moving *m = leg->moving;
    if (m == NULL) {
        return;
    }
    bool crossed = m->asks == ASKS_REQUEST && moving_build_was_crossed(m, piece);
    if (m->asks == ASKS_REQUEST && !crossed) {
        keep_piece(m, piece);
    }
    if (!piece->final) {
        return;
    }
    leg->moving = NULL;
    if (m->worker->ending) {
        give_up(m);
    } else if (crossed) {
        begin_anew(m);
    } else {
        go_on(m, moving_act_answered(m, piece));
    }
}

/* If it had a duty, that is done. */
void
moving_failed(struct leg *leg, enum failure failure)
{
    struct moving *m = leg->moving;
    leg->moving = NULL;
    if (m == NULL) {
        return;
    }
    if (m->worker->ending) {
        give_up(m);
    } else {
        go_on(m, moving_act_failed(m, failure));
    }
}

/* --- taking requests ---------------------------------------------------------------------------
 */

static void
begin_write(struct moving *m, struct pending *p, const struct moving_owners *o)
{
    struct worker *w = m->worker;
    if (m->part == MOVING_WHOLE) {
        client_begins_write(p, m->hash);
        if (o->pool->replicas > 1 && fanout_is_hot(o->pool, o->key.bytes)) {
            fanout_begin_write(p, &o->key, m->op == MOVE_OP_DELETE);
        }
    }
    write_marks_move(w->host->writes, m->hash);
    struct backend *owners[] = {moving_old(o), moving_new(o)};
    for (unsigned i = 0; i < 2; i++) {
        struct way way = {.pool = o->pool, .backend = owners[i], .owner = owners[i]};
        way_clean_gutter(w, &way, &o->key);
    }
    p->client->moving++;
    m->stalls = true;
}

/* What the nodes will be sent, since it may not be their turn yet. */
static bool
keep_request(struct moving *m, const struct request *r, struct span block)
{
    struct moving_set *set = &m->worker->moving;
    if (set->bytes + block.len > m->worker->limits->buffer_bytes) {
        return false;
    }
    m->line = bufpool_borrow(&m->worker->bufs);
    bool ok = false, whole = m->part == MOVING_WHOLE;
    if (m->step == MOVE_PREPARE || !moving_build_put(m, r, &ok)) {
        ok = moving_put_request(&m->line, r, moving_key(m), whole);
    }
    ok = ok && buf_append_span(&m->line, block);
    set->bytes += buf_len(&m->line);
    return ok;
}

static struct moving *
create(struct pending *p, const struct request *r, const struct lookup_key *key, uint8_t form,
       enum move_op op)
{
    struct worker *w = p->worker;
    const struct roster_pool *pool = &w->roster->pools[key->pool];
    struct moving *m = objpool_borrow(&w->moving.requests);
    m->worker = w;
    m->pending = p;
    m->part = MOVING_WHOLE;
    m->roster = roster_ref(w->roster);
    m->pool_id = pool->id;
    m->step = pool->table->move;
    m->op = op;
    m->cmd = m->asked = r->cmd;
    m->form = form;
    m->binary_key = r->binary_key;
    m->duty = failure_duty(r);
    m->timeout_us = pool->request_timeout_us;
    m->deadline_us = worker_now_us(w) + m->timeout_us;
    m->hash = key->hash;
    m->key_bytes = (uint8_t)key->bytes.len;
    memcpy(m->key, key->bytes.ptr, key->bytes.len);
    m->act = move_act(m->step, op, 0);
    m->starting = true;
    p->legs++;
    worker_count(w, METRIC_ID_MOVE_REQUESTS, 1);
    return m;
}

static void
start(struct moving *m, const struct request *r, const struct moving_owners *o, struct span block)
{
    if (move_op_writes((enum move_op)m->op)) {
        begin_write(m, m->pending, o);
    }
    if (m->op != MOVE_OP_READ && !keep_request(m, r, block)) {
        way_count_failure(m->worker, FAILURE_OVERLOADED);
        (void)moving_fail(m, FAILURE_OVERLOADED);
        finish(m);
        return;
    }
    go_on(m, moving_act_begin(m));
}

static bool
moves(const struct worker *w, const struct lookup_key *key, enum move_op op,
      struct moving_owners *o)
{
    o->key = *key;
    o->pool = &w->roster->pools[key->pool];
    return move_act(o->pool->table->move, op, 0) != MOVE_END &&
           (o->moves = table_pool_moves(o->pool->table, key->bytes, &o->move));
}

bool
moving_takes(struct pending *p, const struct request *r, const struct coalesce_read *read,
             struct span ask, struct span block)
{
    struct moving_owners o;
    enum move_op op = move_op_of(r, read->form);
    if (!moves(p->worker, &read->key, op, &o)) {
        return false;
    }
    struct moving *m = create(p, r, &read->key, read->form, op);
    if (ask.len > 0) {
        m->ask = bufpool_borrow(&p->worker->bufs);
        p->client->doomed |= !buf_append_span(&m->ask, ask);
    }
    start(m, r, &o, block);
    return true;
}

bool
moving_takes_key(const struct worker *w, const struct request *r, const struct lookup_key *key,
                 uint8_t form)
{
    struct moving_owners o;
    return moves(w, key, move_op_of(r, form), &o);
}

void
moving_take_part(struct pending *p, const struct request *r, const struct lookup_key *key,
                 uint8_t form, uint32_t part)
{
    struct moving_owners o;
    enum move_op op = move_op_of(r, form);
    ASSERT(moves(p->worker, key, op, &o));
    struct moving *m = create(p, r, key, form, op);
    m->part = part;
    start(m, r, &o, SPAN_LIT(""));
}

bool
moving_reads_apart(const struct worker *w, const struct lookup_key *key)
{
    struct moving_owners o;
    return moves(w, key, MOVE_OP_READ, &o);
}

/* A journal does not say by which pool its node was asked; several may have it. */
void
moving_source_caught_up(struct backend *b, struct span key)
{
    const struct roster *r = b->worker->roster;
    for (unsigned i = 0; r != NULL && i < r->placement->table->pool_count; i++) {
        const struct roster_pool *pool = &r->pools[i];
        struct table_move move;
        if (pool->moves && table_pool_moves(pool->table, key, &move) &&
            pool->backends[move.from] == b) {
            (void)rejoin_remember(pool->backends[move.to], key);
        }
    }
}

/* --- what is not to be acknowledged yet ------------------------------------------------------ */

void
moving_hold(struct worker *w, struct roster *r, uint64_t seconds)
{
    if (r->held_until_us == 0) {
        list_push_back(&w->moving.held, &r->held);
        roster_ref(r);
    }
    r->held_until_us = worker_now_us(w) + (seconds + 1) * 1000000; /* nodes' time is coarse */
}

void
moving_tick(struct worker *w)
{
    LIST_EACH_SAFE (link, &w->moving.held) {
        struct roster *r = LIST_ENTRY(link, struct roster, held);
        if (w->ending || r->held_until_us <= worker_now_us(w)) {
            list_remove(&r->held);
            r->held_until_us = 0;
            roster_unref(&r);
        }
    }
}
