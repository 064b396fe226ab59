#include "proxy/answer.h"
#include "common/core/assert.h"
#include "proxy/client.h"
#include "proxy/multiget.h"
#include "proxy/proxy_worker.h"

/* Quiet meta commands hide the answer that most often comes: a miss of mg, the
 * success of the others. Everything else is shown. */
static bool
is_hidden(const struct pending *p, enum reply_kind kind)
{
    if (p->request.noreply) {
        return true;
    }
    if (!p->request.quiet) {
        return false;
    }
    if (p->request.cmd == CMD_MG) {
        return kind == REPLY_EN;
    }
    return kind == REPLY_HD || kind == REPLY_VA;
}

static void
one_piece(struct pending *p, const struct reply_piece *piece)
{
    if (!is_hidden(p, piece->kind)) {
        pending_emit(p, piece->raw);
    }
    if (piece->kind == REPLY_VALUE) {
        worker_count(p->worker, METRIC_ID_GET_HITS, 1);
    }
    if (piece->final) {
        p->legs--;
        pending_done(p);
    }
}

/* An error from one shard makes its keys misses: a client must not lose the
 * values of the others for it. */
static bool
shard_piece(struct pending *p, uint32_t shard, const struct reply_piece *piece)
{
    if (piece->kind == REPLY_VALUE && p->client != NULL) {
        switch (multiget_value(p->many, shard, piece->key, piece->raw)) {
        case MULTIGET_STRANGE: return false;
        case MULTIGET_NO_MEMORY: p->client->doomed = true; break;
        case MULTIGET_OK: break;
        }
        worker_count(p->worker, METRIC_ID_GET_HITS, 1);
        client_hold(p->client, piece->raw.len);
        p->bytes += (uint32_t)piece->raw.len;
    }
    if (piece->final) {
        p->legs--;
        answer_complete(p);
    }
    return true;
}

static void
keep_worst(struct pending *p, struct span line)
{
    if (p->worst.mem != NULL) {
        return;
    }
    p->worst = bufpool_borrow(&p->worker->bufs);
    if (!buf_append_span(&p->worst, line) && p->client != NULL) {
        p->client->doomed = true;
    }
}

static void
broadcast_piece(struct pending *p, const struct reply_piece *piece)
{
    if (piece->kind != REPLY_OK) {
        keep_worst(p, piece->line);
    }
    if (piece->final) {
        p->legs--;
        answer_complete(p);
    }
}

bool
answer_piece(struct leg *leg, const struct reply_piece *piece)
{
    struct pending *p = leg->pending;
    if (leg->kind == LEG_PROBE) {
        /* An error line, say of a node that is over its limit of connections,
         * proves nothing. */
        return piece->kind == REPLY_VERSION;
    }
    if (piece->final) {
        leg->pending = NULL;
    }
    if (p == NULL) {
        return true;
    }
    switch ((enum leg_kind)leg->kind) {
    case LEG_ONE: one_piece(p, piece); return true;
    case LEG_SHARD: {
        bool in_step = shard_piece(p, leg->shard, piece);
        if (!in_step) {
            leg->pending = p; /* its failure is still to be told */
        }
        return in_step;
    }
    case LEG_BROADCAST: broadcast_piece(p, piece); return true;
    case LEG_PROBE: break;
    }
    return true;
}

void
answer_part_failure(struct pending *p, enum failure failure)
{
    if (p->many != NULL) {
        p->failed = true;
        p->failure = failure;
        return;
    }
    struct failure_reply reply = failure_answer(&p->request, &p->policy, failure);
    keep_worst(p, reply.line);
}

void
answer_failure(struct leg *leg, enum failure failure)
{
    struct pending *p = leg->pending;
    leg->pending = NULL;
    if (p == NULL) {
        return;
    }
    p->legs--;
    switch ((enum leg_kind)leg->kind) {
    case LEG_ONE: pending_fail(p, failure); break;
    case LEG_SHARD:
    case LEG_BROADCAST:
        answer_part_failure(p, failure);
        answer_complete(p);
        break;
    case LEG_PROBE: break;
    }
}

static void
complete_multiget(struct pending *p)
{
    bool show_error = p->failed && p->policy.on_read_error == READ_ERROR_ERROR;
    struct client *c = p->client;
    if (c != NULL && !show_error) {
        /* The values are accounted for already; only their place changes. */
        struct buf *to = c->first == p ? &c->out : &p->reply;
        if (to->mem == NULL) {
            *to = bufpool_borrow(&p->worker->bufs);
        }
        if (!multiget_merge(p->many, to)) {
            c->doomed = true;
        }
        pending_emit(p, SPAN_LIT("END\r\n"));
        pending_done(p);
        return;
    }
    if (c != NULL) {
        client_release(c, p->bytes); /* the values that came are not told */
    }
    pending_fail(p, p->failure);
}

void
answer_complete(struct pending *p)
{
    if (p->legs > 0) {
        return;
    }
    if (p->many != NULL) {
        complete_multiget(p);
        return;
    }
    if (!p->request.noreply) {
        pending_emit(p, p->worst.mem != NULL ? buf_span(&p->worst) : SPAN_LIT("OK"));
        pending_emit(p, SPAN_LIT("\r\n"));
    }
    pending_done(p);
}
