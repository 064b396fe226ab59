#include "proxy/moving_act.h"
#include "common/core/assert.h"
#include "proxy/backend.h"
#include "proxy/fanout.h"
#include "proxy/leg_queue.h"
#include "proxy/moving.h"
#include "proxy/moving_build.h"
#include "proxy/moving_request.h"
#include "proxy/moving_tell.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/way.h"

enum moving_outcome
moving_fail(struct moving *m, enum failure failure)
{
    if (!m->failing) {
        m->failing = true;
        m->failure = failure;
    }
    m->failure_now = failure;
    return MOVING_FAILED;
}

/* By the table in use now. */
static struct moving_owners
owners_of(const struct moving *m)
{
    struct roster *r = m->worker->roster;
    struct moving_owners o = {0};
    if (lookup_key_again(m->worker, moving_key(m), m->pool_id, &o.key)) {
        o.pool = &r->pools[o.key.pool];
        o.moves = table_pool_moves(o.pool->table, o.key.bytes, &o.move);
    }
    return o;
}

/* --- empty items that may still stand ------------------------------------------------------ */

static void
hold(struct moving *m)
{
    moving_hold(m->worker, m->roster, MOVING_CLAIM_S);
    m->claim = 0;
}

/* --- asking --------------------------------------------------------------------------------- */

static struct leg *
queue(struct moving *m, struct backend *b, enum moving_asks asks, enum proto_command cmd,
      size_t mark)
{
    uint64_t now = worker_now_us(m->worker);
    uint64_t left = m->deadline_us > now + MOVING_LEAST_US ? m->deadline_us - now : MOVING_LEAST_US;
    struct leg *leg = leg_create(m->worker, NULL, LEG_MOVE, cmd, m->roster);
    leg->moving = m;
    leg->repeatable = asks == ASKS_LOOK || asks == ASKS_FETCH;
    m->asks = asks;
    leg_queue_append(b, leg, mark, left);
    return leg;
}

static enum moving_outcome
ask(struct moving *m, struct backend *b, enum moving_asks asks, const char *verb, const char *rest)
{
    size_t mark = backend_mark(b);
    if (!form_put_meta_line(&b->out, verb, moving_key(m), rest)) {
        backend_undo(b, mark);
        return moving_fail(m, FAILURE_OVERLOADED);
    }
    queue(m, b, asks, verb[1] == 'd' ? CMD_MD : CMD_MG, mark);
    return MOVING_WAITS;
}

/* Takes the empty item away, if there is one and it is still the one we know, and
 * goes on with `then`. */
static enum moving_outcome
drop(struct moving *m, enum moving_outcome then)
{
    if (m->claim == 0) {
        return then;
    }
    struct moving_owners o = owners_of(m);
    char rest[MOVING_REST_MAX];
    m->then = (uint8_t)then;
    if (!o.moves || !fanout_is_open(moving_new(&o)) ||
        ask(m, moving_new(&o), ASKS_DROP, "md", moving_put_cas(rest, m->claim)) != MOVING_WAITS) {
        hold(m);
        return then;
    }
    return MOVING_WAITS;
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
static enum moving_outcome
end_read(struct moving *m)
{
    if (reads(m) && m->pending != NULL) {
        moving_tell_miss(m);
    }
    return drop(m, MOVING_DONE);
}

static enum moving_outcome
fail_read(struct moving *m, enum failure failure)
{
    if (!reads(m)) {
        (void)moving_fail(m, failure);
        return drop(m, MOVING_FAILED);
    }
    if (m->pending != NULL) {
        moving_tell_failure(m, failure);
    }
    m->deadline_us = worker_now_us(m->worker) + m->timeout_us;
    return drop(m, MOVING_DONE);
}

static enum moving_outcome
fetch(struct moving *m)
{
    struct moving_owners o = owners_of(m);
    if (!o.moves || moving_old(&o)->masked) {
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
static enum moving_outcome
look(struct moving *m)
{
    struct moving_owners o = owners_of(m);
    if (o.pool == NULL) {
        way_count_failure(m->worker, FAILURE_NO_ROUTE);
        return fail_read(m, FAILURE_NO_ROUTE);
    }
    if (!o.moves && !reads(m)) {
        return MOVING_DONE;
    }
    if (o.moves && !moving_old(&o)->masked &&
        journal_blocks(moving_old(&o)->journal, o.key.bytes)) {
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

static enum moving_outcome
looked(struct moving *m, const struct reply_piece *piece)
{
    struct fetched f;
    struct moving_owners o = owners_of(m);
    fetched_read(piece, &f);
    m->claim = moving_claim_of(&f);
    m->stretched &= m->claim != 0 || !(fetched_is_hit(&f) || f.kind == REPLY_EN);
    bool hit = fetched_is_hit(&f) && m->claim == 0;
    int64_t base = 0;
    m->base = hit && fetched_number(&f, FORM_WORD_CAS, &base) ? (uint64_t)base : 0;
    if (hit) {
        give_win_back(m, moving_new(&o), &f);
    }
    if (m->act == MOVE_CLEAR) {
        return drop(m, MOVING_DONE);
    }
    if (m->act == MOVE_READ_NEW && m->claim != 0) {
        m->claim = 0; /* of somebody who is a step behind */
        moving_tell_miss(m);
        return MOVING_DONE;
    }
    if (hit || m->act == MOVE_READ_NEW) {
        if (reads(m)) {
            moving_tell_read(m, &f);
        }
        return MOVING_DONE;
    }
    return fetch(m);
}

/* An item that is stale, or is to be refilled by somebody, stays where it is. */
static enum moving_outcome
fetched(struct moving *m, const struct reply_piece *piece)
{
    struct fetched f;
    struct moving_owners o = owners_of(m);
    int64_t ttl = 0;
    fetched_read(piece, &f);
    bool hit = f.kind == REPLY_VA && fetched_number(&f, FORM_WORD_TTL, &ttl);
    if (!hit && f.kind != REPLY_EN && !reads(m)) {
        return fail_read(m, FAILURE_TIMEOUT);
    }
    worker_count(m->worker, METRIC_ID_MOVE_SOURCE_READS, hit);
    give_win_back(m, moving_old(&o), &f);
    if (reads(m)) {
        moving_tell_read(m, &f);
    }
    struct backend *b = moving_new(&o);
    bool may = hit && o.moves && !f.won && !f.stale && !f.taken && ttl != 0 && m->claim != 0;
    if (!may || !fanout_is_open(b)) {
        return drop(m, MOVING_DONE);
    }
    size_t mark = backend_mark(b);
    bool knows_cas = o.pool->table->nodes[o.move.to].kind == NODE_KIND_MFCACHED;
    if (!moving_put_store(&b->out, m, &f, ttl, knows_cas)) {
        backend_undo(b, mark);
        return drop(m, MOVING_DONE);
    }
    int64_t base = 0;
    m->base = knows_cas && fetched_number(&f, FORM_WORD_CAS, &base) ? (uint64_t)base : 0;
    queue(m, b, ASKS_STORE, CMD_MS, mark);
    return MOVING_WAITS;
}

static enum moving_outcome
stored(struct moving *m, enum reply_kind kind)
{
    worker_count(m->worker, kind == REPLY_HD ? METRIC_ID_MOVE_FILLS : METRIC_ID_MOVE_FILLS_LOST, 1);
    if (reply_is_error(kind)) {
        return drop(m, MOVING_DONE);
    }
    m->claim = 0;
    m->stretched = false;
    return MOVING_DONE;
}

/* --- acts that write -------------------------------------------------------------------------- */

/* A node that the table calls down is asked by nobody, so it can be told later. */
static enum moving_outcome
tell_later(struct moving *m, struct backend *b)
{
    (void)rejoin_remember(b, moving_key(m));
    return MOVING_DONE;
}

/* The client's own delete, or mark, could not be given to this owner. If the node has
 * it in its journal that is as good as done where nobody copies from the node: it is
 * the new owner, or the table calls it down. Of the old owner others may copy what they
 * read there, until it has the delete. */
static enum moving_outcome
owe(struct moving *m, const struct moving_owners *o, enum failure failure)
{
    bool kept = o->pool != NULL && o->pool->table->rejoin != REJOIN_TRUST &&
                failure_duty_applies((enum failure_duty)m->duty, failure);
    bool at_old = m->act == MOVE_AT_OLD || m->act == MOVE_DELETE_OLD;
    bool copied = at_old && !(o->moves && moving_old(o)->masked);
    if (m->duty != DUTY_ALWAYS || !kept || copied) {
        return moving_fail(m, failure);
    }
    m->owes = true;
    return MOVING_DONE;
}

static enum moving_outcome
send_delete(struct moving *m, bool to_old)
{
    struct moving_owners o = owners_of(m);
    struct backend *b = to_old ? moving_old(&o) : moving_new(&o);
    if (!o.moves) {
        return MOVING_DONE;
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
        return owe(m, &o, way.open ? FAILURE_OVERLOADED : way.failure);
    }
    struct leg *leg = queue(m, b, ASKS_DELETE, cmd, mark);
    leg_queue_set_duty(b, leg, DUTY_ALWAYS, o.key.bytes);
    return MOVING_WAITS;
}

static enum moving_outcome
deleted(struct moving *m, enum reply_kind kind)
{
    if (kind == REPLY_DELETED || kind == REPLY_NOT_FOUND || kind == REPLY_HD || kind == REPLY_NF) {
        return MOVING_DONE;
    }
    struct moving_owners o = owners_of(m);
    bool at_old = m->act == MOVE_DELETE_OLD;
    if (o.pool != NULL) {
        (void)rejoin_remember(at_old ? moving_old(&o) : moving_new(&o), moving_key(m));
    }
    return moving_fail(m, FAILURE_TIMEOUT);
}

static enum moving_outcome
send_request(struct moving *m, bool to_old)
{
    struct moving_owners o = owners_of(m);
    struct backend *b = to_old ? moving_old(&o) : moving_new(&o);
    if (o.pool == NULL) {
        way_count_failure(m->worker, FAILURE_NO_ROUTE);
        return moving_fail(m, FAILURE_NO_ROUTE);
    }
    struct way way = way_to_key_at(m->worker, &o.key, to_old ? o.move.from : o.move.to);
    enum failure failure = way.open ? FAILURE_OVERLOADED : way.failure;
    size_t mark = backend_mark(b);
    m->guarded = !to_old && o.moves && m->guard != GUARD_NONE;
    if (!way.open || !moving_build_send(m, &b->out)) {
        backend_undo(b, mark);
        if (failure_duty_applies((enum failure_duty)m->duty, failure)) {
            (void)rejoin_remember(b, o.key.bytes);
        }
        return owe(m, &o, failure);
    }
    struct leg *leg = queue(m, b, ASKS_REQUEST, (enum proto_command)m->cmd, mark);
    leg_queue_set_duty(b, leg, (enum failure_duty)m->duty, o.key.bytes);
    if (move_op_writes((enum move_op)m->op)) {
        leg_is_write(m->worker, leg, LEG_WRITES_KEY, m->hash);
    }
    m->answered = false;
    m->sent = true;
    return MOVING_WAITS;
}

/* --- from without ------------------------------------------------------------------------------
 */

enum moving_outcome
moving_act_begin(struct moving *m)
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

void
moving_act_end(struct moving *m)
{
    struct moving_owners o;
    if (m->stretched && !m->worker->ending && (o = owners_of(m)).moves) {
        (void)rejoin_remember(moving_new(&o), o.key.bytes);
    }
}

enum moving_outcome
moving_act_answered(struct moving *m, const struct reply_piece *piece)
{
    switch ((enum moving_asks)m->asks) {
    case ASKS_LOOK: return looked(m, piece);
    case ASKS_FETCH: return fetched(m, piece);
    case ASKS_STORE: return stored(m, piece->kind);
    case ASKS_DROP:
        m->claim = 0;
        m->stretched = false;
        return (enum moving_outcome)m->then;
    case ASKS_DELETE: return deleted(m, piece->kind);
    case ASKS_REQUEST: break;
    }
    return MOVING_DONE;
}

enum moving_outcome
moving_act_failed(struct moving *m, enum failure failure)
{
    bool in_time = worker_now_us(m->worker) + MOVING_LEAST_US < m->deadline_us;
    switch ((enum moving_asks)m->asks) {
    case ASKS_LOOK:
        if (claims(m) && failure == FAILURE_TIMEOUT) {
            hold(m);
        }
        /* Where the new owner refuses us the old one may know nothing of writes any more. */
        return m->act == MOVE_READ_BOTH && in_time && failure != FAILURE_STALE
                   ? fetch(m)
                   : fail_read(m, failure);
    case ASKS_FETCH: return fail_read(m, failure);
    case ASKS_STORE: hold(m); return reads(m) ? MOVING_DONE : moving_fail(m, failure);
    case ASKS_DROP: hold(m); return (enum moving_outcome)m->then;
    case ASKS_DELETE:
    case ASKS_REQUEST: break;
    }
    m->stretched |= m->asks == ASKS_REQUEST && m->guarded && m->guard == GUARD_TAKEN &&
                    m->op == MOVE_OP_BUILD && failure == FAILURE_TIMEOUT;
    struct moving_owners o = owners_of(m);
    return owe(m, &o, failure);
}
