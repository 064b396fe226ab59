#include "proxy/moving.h"
#include "common/core/assert.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/fanout.h"
#include "proxy/fill.h"
#include "proxy/leg_queue.h"
#include "proxy/move.h"
#include "proxy/moving_request.h"
#include "proxy/multiget.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/way.h"

#define LEAST_US 1000 /* of time that a leg has at least */

/* How an act went on. */
enum outcome { WAITS, IS_DONE, HAS_FAILED };

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

static struct span
key_of(const struct moving *m)
{
    return span_make(m->key, m->key_bytes);
}

/* --- the two owners, by the table in use now ---------------------------------------------- */

struct owners {
    struct lookup_key key;
    struct roster_pool *pool; /* NULL: the table has none of that name any more */
    struct table_move move;
    bool moves; /* else both are one */
};

static struct owners
owners_of(const struct moving *m)
{
    struct roster *r = m->worker->roster;
    struct owners o = {0};
    if (lookup_key_again(m->worker, key_of(m), m->pool_id, &o.key)) {
        o.pool = &r->pools[o.key.pool];
        o.moves = table_pool_moves(o.pool->table, o.key.bytes, &o.move);
    }
    return o;
}

static struct backend *
old_of(const struct owners *o)
{
    return o->pool == NULL ? NULL : o->pool->backends[o->move.from];
}

static struct backend *
new_of(const struct owners *o)
{
    return o->pool == NULL ? NULL : o->pool->backends[o->move.to];
}

/* --- empty items that may still stand ------------------------------------------------------ */

static void
hold_roster(struct worker *w, struct roster *r, uint64_t seconds)
{
    if (r->held_until_us == 0) {
        list_push_back(&w->moving.held, &r->held);
        roster_ref(r);
    }
    r->held_until_us = worker_now_us(w) + (seconds + 1) * 1000000; /* nodes' time is coarse */
}

static void
hold(struct moving *m)
{
    hold_roster(m->worker, m->roster, MOVING_CLAIM_S);
    m->claim = 0;
}

void
moving_begins(struct worker *w, struct roster *previous)
{
    for (unsigned i = 0; i < w->roster->placement->table->pool_count; i++) {
        const struct roster_pool *pool = &w->roster->pools[i];
        if (pool->table->move == MOVE_PREPARE && pool->promoter != NULL) {
            hold_roster(w, previous, FILL_LOCAL_TTL_S);
        }
    }
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

/* --- telling -------------------------------------------------------------------------------- */

/* The pending is the caller's to answer. */
static struct pending *
release(struct moving *m)
{
    struct pending *p = m->pending;
    m->pending = NULL;
    p->legs--;
    if (m->stalls && p->client != NULL) {
        p->client->moving--;
        client_busy(p->client);
    }
    return p;
}

static void
end_part(const struct moving *m, struct pending *p)
{
    if (!m->starting) {
        answer_complete(p);
    }
}

/* What has been read. What remains to be done nobody waits for. */
static void
tell_read(struct moving *m, const struct fetched *f)
{
    struct worker *w = m->worker;
    m->deadline_us = worker_now_us(w) + m->timeout_us;
    moving_tell(m, f);
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (whole) {
        pending_done(p);
    } else {
        end_part(m, p);
    }
}

static void
tell_miss(struct moving *m)
{
    static const struct fetched text = {.kind = REPLY_END, .line = {"END", 3}};
    static const struct fetched meta = {.kind = REPLY_EN, .line = {"EN", 2}};
    tell_read(m, m->form & FORM_META ? &meta : &text);
}

static void
tell_failure(struct moving *m, enum failure failure)
{
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (!whole) {
        answer_part_failure(p, failure);
        end_part(m, p);
    } else if (p->fan != NULL) {
        fanout_owner_failed(p, failure);
    } else {
        pending_fail(p, failure);
    }
}

static void
tell_reply(struct moving *m)
{
    struct span reply = buf_span(&m->reply);
    worker_count(m->worker, METRIC_ID_GET_HITS, m->reply_kind == REPLY_VALUE);
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (!whole) {
        if (reply.len > 0 && p->client != NULL) {
            answer_part_raw(p, m->part, m->key_bytes, reply);
        }
        end_part(m, p);
        return;
    }
    if (answer_is_hidden(p, m->reply_kind)) {
        reply.len = 0;
    }
    if (p->fan != NULL) {
        p->worst = m->reply;
        m->reply = BUF_EMPTY;
        buf_consume(&p->worst, buf_len(&p->worst) - reply.len);
        fanout_owner_answered(p);
        return;
    }
    pending_emit(p, reply);
    pending_done(p);
}

static void
finish(struct moving *m)
{
    struct worker *w = m->worker;
    if (m->pending != NULL && (m->failing || m->reply.mem == NULL)) {
        tell_failure(m, m->failing ? m->failure : FAILURE_DOWN);
    } else if (m->pending != NULL) {
        tell_reply(m);
    }
    w->moving.bytes -= m->line.mem != NULL ? buf_len(&m->line) : 0;
    bufpool_give_back(&w->bufs, &m->line);
    bufpool_give_back(&w->bufs, &m->reply);
    bufpool_give_back(&w->bufs, &m->ask);
    struct roster *roster = m->roster;
    objpool_give_back(&w->moving.requests, m);
    roster_unref(&roster);
}

/* --- asking --------------------------------------------------------------------------------- */

static enum outcome
fail_with(struct moving *m, enum failure failure)
{
    if (!m->failing) {
        m->failing = true;
        m->failure = failure;
    }
    m->failure_now = failure;
    return HAS_FAILED;
}

static struct leg *
queue(struct moving *m, struct backend *b, enum moving_asks asks, enum proto_command cmd,
      size_t mark)
{
    uint64_t now = worker_now_us(m->worker);
    uint64_t left = m->deadline_us > now + LEAST_US ? m->deadline_us - now : LEAST_US;
    struct leg *leg = leg_create(m->worker, NULL, LEG_MOVE, cmd, m->roster);
    leg->moving = m;
    leg->repeatable = asks == ASKS_LOOK || asks == ASKS_FETCH;
    m->asks = asks;
    leg_queue_append(b, leg, mark, left);
    return leg;
}

static enum outcome
ask(struct moving *m, struct backend *b, enum moving_asks asks, const char *verb, const char *rest)
{
    size_t mark = backend_mark(b);
    if (!form_put_meta_line(&b->out, verb, key_of(m), rest)) {
        backend_undo(b, mark);
        return fail_with(m, FAILURE_OVERLOADED);
    }
    queue(m, b, asks, verb[1] == 'd' ? CMD_MD : CMD_MG, mark);
    return WAITS;
}

/* Takes the empty item away, if there is one and it is still the one we know, and
 * goes on with `then`. */
static enum outcome
drop(struct moving *m, enum outcome then)
{
    if (m->claim == 0) {
        return then;
    }
    struct owners o = owners_of(m);
    char rest[MOVING_REST_MAX];
    m->then = (uint8_t)then;
    if (!o.moves || !fanout_is_open(new_of(&o)) ||
        ask(m, new_of(&o), ASKS_DROP, "md", moving_put_cas(rest, m->claim)) != WAITS) {
        hold(m);
        return then;
    }
    return WAITS;
}

/* Whoever reads a stale item first is told to refill it. That was us, and it shall
 * be a client. */
static void
give_win_back(struct moving *m, struct backend *b, const struct fetched *f)
{
    bool tells = m->act == MOVE_READ_BOTH || m->act == MOVE_READ_NEW;
    if (b != NULL && f->won && f->stale && !(tells && (m->form & FORM_META))) {
        moving_give_win_back(m, b, f);
    }
}

/* --- acts that read -------------------------------------------------------------------------- */

static bool
reads(const struct moving *m)
{
    return m->act == MOVE_READ_BOTH || m->act == MOVE_READ_NEW;
}

/* Nothing is at the old owner, or all that there is has been copied. */
static enum outcome
end_read(struct moving *m)
{
    if (reads(m) && m->pending != NULL) {
        tell_miss(m);
    }
    return drop(m, IS_DONE);
}

static enum outcome
fail_read(struct moving *m, enum failure failure)
{
    if (!reads(m)) {
        (void)fail_with(m, failure);
        return drop(m, HAS_FAILED);
    }
    if (m->pending != NULL) {
        tell_failure(m, failure);
    }
    m->deadline_us = worker_now_us(m->worker) + m->timeout_us;
    return drop(m, IS_DONE);
}

static enum outcome
fetch(struct moving *m)
{
    struct owners o = owners_of(m);
    if (!o.moves || old_of(&o)->masked) {
        return end_read(m);
    }
    struct way way = way_to_key_at(m->worker, &o.key, o.move.from);
    if (!way.open) {
        return fail_read(m, way.failure);
    }
    return ask(m, way.backend, ASKS_FETCH, "mg", "v f c t s");
}

static bool
claims(const struct moving *m)
{
    return m->act == MOVE_READ_BOTH || m->act == MOVE_FILL;
}

/* While the old owner has missed a delete, others may copy what it has. */
static enum outcome
look(struct moving *m)
{
    struct owners o = owners_of(m);
    if (o.pool == NULL) {
        way_count_failure(m->worker, FAILURE_NO_ROUTE);
        return fail_read(m, FAILURE_NO_ROUTE);
    }
    if (!o.moves && !reads(m)) {
        return IS_DONE;
    }
    if (o.moves && !old_of(&o)->masked && journal_blocks(old_of(&o)->journal, o.key.bytes)) {
        way_count_failure(m->worker, FAILURE_DOWN);
        return fail_read(m, FAILURE_DOWN);
    }
    struct way way = way_to_key_at(m->worker, &o.key, o.move.to);
    if (!way.open) {
        return m->act == MOVE_READ_BOTH && o.moves ? fetch(m) : fail_read(m, way.failure);
    }
    char rest[MOVING_REST_MAX];
    bool with_claim = claims(m) && o.moves;
    return ask(m, way.backend, ASKS_LOOK, "mg",
               moving_put_look(rest, reads(m) ? "v f c t s" : "s c", with_claim));
}

static enum outcome
looked(struct moving *m, const struct reply_piece *piece)
{
    struct fetched f;
    struct owners o = owners_of(m);
    fetched_read(piece, &f);
    m->claim = moving_claim_of(&f);
    bool hit = fetched_is_hit(&f) && m->claim == 0;
    if (hit) {
        give_win_back(m, new_of(&o), &f);
    }
    if (m->act == MOVE_CLEAR) {
        return drop(m, IS_DONE);
    }
    if (m->act == MOVE_READ_NEW && m->claim != 0) {
        m->claim = 0; /* of somebody who is a step behind */
        tell_miss(m);
        return IS_DONE;
    }
    if (hit || m->act == MOVE_READ_NEW) {
        if (reads(m)) {
            tell_read(m, &f);
        }
        return IS_DONE;
    }
    return fetch(m);
}

/* An item that is stale, or is to be refilled by somebody, stays where it is. */
static enum outcome
fetched(struct moving *m, const struct reply_piece *piece)
{
    struct fetched f;
    struct owners o = owners_of(m);
    int64_t ttl = 0;
    fetched_read(piece, &f);
    bool hit = f.kind == REPLY_VA && fetched_number(&f, FORM_WORD_TTL, &ttl);
    if (!hit && f.kind != REPLY_EN && !reads(m)) {
        return fail_read(m, FAILURE_TIMEOUT);
    }
    worker_count(m->worker, METRIC_ID_MOVE_SOURCE_READS, hit);
    give_win_back(m, old_of(&o), &f);
    if (reads(m)) {
        tell_read(m, &f);
    }
    struct backend *b = new_of(&o);
    bool may = hit && o.moves && !f.won && !f.stale && !f.taken && ttl != 0 && m->claim != 0;
    if (!may || !fanout_is_open(b)) {
        return drop(m, IS_DONE);
    }
    size_t mark = backend_mark(b);
    bool knows_cas = o.pool->table->nodes[o.move.to].kind == NODE_KIND_MFCACHED;
    if (!moving_put_store(&b->out, m, &f, ttl, knows_cas)) {
        backend_undo(b, mark);
        return drop(m, IS_DONE);
    }
    queue(m, b, ASKS_STORE, CMD_MS, mark);
    return WAITS;
}

static enum outcome
stored(struct moving *m, enum reply_kind kind)
{
    worker_count(m->worker, kind == REPLY_HD ? METRIC_ID_MOVE_FILLS : METRIC_ID_MOVE_FILLS_LOST, 1);
    if (reply_is_error(kind)) {
        return drop(m, IS_DONE);
    }
    m->claim = 0;
    return IS_DONE;
}

/* --- acts that write -------------------------------------------------------------------------- */

/* A node that the table calls down is asked by nobody, so it can be told later. */
static enum outcome
tell_later(struct moving *m, struct backend *b)
{
    (void)rejoin_remember(b, key_of(m));
    return IS_DONE;
}

static enum outcome
send_delete(struct moving *m, bool to_old)
{
    struct owners o = owners_of(m);
    struct backend *b = to_old ? old_of(&o) : new_of(&o);
    if (!o.moves) {
        return IS_DONE;
    }
    if (b->masked) {
        return tell_later(m, b);
    }
    struct way way = way_to_key_at(m->worker, &o.key, to_old ? o.move.from : o.move.to);
    size_t mark = backend_mark(b);
    enum proto_command cmd;
    if (!way.open || !request_put_delete(&b->out, o.key.bytes, &cmd)) {
        backend_undo(b, mark);
        (void)rejoin_remember(b, o.key.bytes);
        return fail_with(m, way.open ? FAILURE_OVERLOADED : way.failure);
    }
    struct leg *leg = queue(m, b, ASKS_DELETE, cmd, mark);
    leg_queue_set_duty(b, leg, DUTY_ALWAYS, o.key.bytes);
    return WAITS;
}

static enum outcome
deleted(struct moving *m, enum reply_kind kind)
{
    if (kind == REPLY_DELETED || kind == REPLY_NOT_FOUND || kind == REPLY_HD || kind == REPLY_NF) {
        return IS_DONE;
    }
    struct owners o = owners_of(m);
    bool at_old = m->act == MOVE_DELETE_OLD;
    if (o.pool != NULL) {
        (void)rejoin_remember(at_old ? old_of(&o) : new_of(&o), key_of(m));
    }
    return fail_with(m, FAILURE_TIMEOUT);
}

static enum outcome
send_request(struct moving *m, bool to_old)
{
    struct owners o = owners_of(m);
    struct backend *b = to_old ? old_of(&o) : new_of(&o);
    if (o.pool == NULL) {
        way_count_failure(m->worker, FAILURE_NO_ROUTE);
        return fail_with(m, FAILURE_NO_ROUTE);
    }
    if (b->masked && m->op == MOVE_OP_DELETE) {
        return tell_later(m, b);
    }
    struct way way = way_to_key_at(m->worker, &o.key, to_old ? o.move.from : o.move.to);
    enum failure failure = way.open ? FAILURE_OVERLOADED : way.failure;
    size_t mark = backend_mark(b);
    if (!way.open || !buf_append_span(&b->out, buf_span(&m->line))) {
        backend_undo(b, mark);
        if (failure_duty_applies((enum failure_duty)m->duty, failure)) {
            (void)rejoin_remember(b, o.key.bytes);
        }
        return fail_with(m, failure);
    }
    struct leg *leg = queue(m, b, ASKS_REQUEST, (enum proto_command)m->cmd, mark);
    leg_queue_set_duty(b, leg, (enum failure_duty)m->duty, o.key.bytes);
    if (move_op_writes((enum move_op)m->op)) {
        leg_is_write(m->worker, leg, LEG_WRITES_KEY, m->hash);
    }
    m->answered = false;
    return WAITS;
}

/* --- one act after another ------------------------------------------------------------------- */

static enum outcome
begin_act(struct moving *m)
{
    switch (m->act) {
    case MOVE_READ_BOTH:
    case MOVE_READ_NEW:
    case MOVE_FILL:
    case MOVE_CLEAR: return look(m);
    case MOVE_AT_OLD: return send_request(m, true);
    case MOVE_AT_NEW: return send_request(m, false);
    case MOVE_DELETE_OLD: return send_delete(m, true);
    case MOVE_DELETE_NEW: return send_delete(m, false);
    case MOVE_END: break;
    }
    UNREACHABLE();
}

/* Whoever has waited for as long as he may is told now; what remains to be done has
 * time of its own. */
static void
tell_in_time(struct moving *m)
{
    uint64_t now = worker_now_us(m->worker);
    if (m->pending != NULL && now + LEAST_US >= m->deadline_us) {
        tell_failure(m, m->failure);
    }
    if (m->pending == NULL) {
        m->deadline_us = now + m->timeout_us;
    }
}

/* *m is gone afterwards, unless it waits. */
static void
go_on(struct moving *m, enum outcome outcome)
{
    for (; outcome != WAITS; outcome = begin_act(m)) {
        enum move_op op = (enum move_op)m->op;
        if (outcome == HAS_FAILED) {
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
    (void)fail_with(m, FAILURE_TIMEOUT);
    finish(m);
}

static enum outcome
after_piece(struct moving *m, const struct reply_piece *piece)
{
    switch ((enum moving_asks)m->asks) {
    case ASKS_LOOK: return looked(m, piece);
    case ASKS_FETCH: return fetched(m, piece);
    case ASKS_STORE: return stored(m, piece->kind);
    case ASKS_DROP: m->claim = 0; return (enum outcome)m->then;
    case ASKS_DELETE: return deleted(m, piece->kind);
    case ASKS_REQUEST: break;
    }
    return IS_DONE;
}

void
moving_piece(struct leg *leg, const struct reply_piece *piece)
{
    struct moving *m = leg->moving;
    if (m == NULL) {
        return;
    }
    if (m->asks == ASKS_REQUEST && !moving_keep_reply(m, piece)) {
        (void)fail_with(m, FAILURE_OVERLOADED);
    }
    if (!piece->final) {
        return;
    }
    leg->moving = NULL;
    if (m->worker->ending) {
        give_up(m);
    } else {
        go_on(m, after_piece(m, piece));
    }
}

static enum outcome
after_failure(struct moving *m, enum failure failure)
{
    bool in_time = worker_now_us(m->worker) + LEAST_US < m->deadline_us;
    switch ((enum moving_asks)m->asks) {
    case ASKS_LOOK:
        if (claims(m) && failure == FAILURE_TIMEOUT) {
            hold(m);
        }
        return m->act == MOVE_READ_BOTH && in_time ? fetch(m) : fail_read(m, failure);
    case ASKS_FETCH: return fail_read(m, failure);
    case ASKS_STORE: hold(m); return reads(m) ? IS_DONE : fail_with(m, failure);
    case ASKS_DROP: hold(m); return (enum outcome)m->then;
    case ASKS_DELETE:
    case ASKS_REQUEST: break;
    }
    return fail_with(m, failure);
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
        go_on(m, after_failure(m, failure));
    }
}

/* --- taking requests ---------------------------------------------------------------------------
 */

static void
begin_write(struct moving *m, struct pending *p, const struct owners *o)
{
    struct worker *w = m->worker;
    if (m->part == MOVING_WHOLE) {
        client_begins_write(p, m->hash);
        if (o->pool->replicas > 1 && fanout_is_hot(o->pool, o->key.bytes)) {
            fanout_begin_write(p, &o->key, m->op == MOVE_OP_DELETE);
        }
    }
    write_marks_move(w->host->writes, m->hash);
    struct backend *owners[] = {old_of(o), new_of(o)};
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
    bool ok = moving_put_request(&m->line, r, key_of(m), m->part == MOVING_WHOLE) &&
              buf_append_span(&m->line, block);
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
    m->cmd = r->cmd;
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
start(struct moving *m, const struct request *r, const struct owners *o, struct span block)
{
    if (move_op_writes((enum move_op)m->op)) {
        begin_write(m, m->pending, o);
    }
    if (m->op != MOVE_OP_READ && !keep_request(m, r, block)) {
        way_count_failure(m->worker, FAILURE_OVERLOADED);
        (void)fail_with(m, FAILURE_OVERLOADED);
        finish(m);
        return;
    }
    go_on(m, begin_act(m));
}

static bool
moves(const struct worker *w, const struct lookup_key *key, enum move_op op, struct owners *o)
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
    struct owners o;
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
    struct owners o;
    return moves(w, key, move_op_of(r, form), &o);
}

void
moving_take_part(struct pending *p, const struct request *r, const struct lookup_key *key,
                 uint8_t form, uint32_t part)
{
    struct owners o;
    enum move_op op = move_op_of(r, form);
    ASSERT(moves(p->worker, key, op, &o));
    struct moving *m = create(p, r, key, form, op);
    m->part = part;
    start(m, r, &o, SPAN_LIT(""));
}

bool
moving_reads_apart(const struct worker *w, const struct lookup_key *key)
{
    struct owners o;
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
