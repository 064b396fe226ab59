#include "proxy/answer.h"
#include "common/core/assert.h"
#include "proxy/client.h"
#include "proxy/coalesce.h"
#include "proxy/fanout.h"
#include "proxy/fill.h"
#include "proxy/multiget.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"

/* Quiet meta commands hide the answer that most often comes: a miss of mg, the
 * success of the others. Everything else is shown. */
bool
answer_is_hidden(const struct pending *p, enum reply_kind kind)
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

/* The line of a piece as the client shall see it, and what follows it. */
static struct span
line_of(const struct pending *p, const struct reply_piece *piece, char *line, struct span *rest)
{
    *rest = span_skip(piece->raw, piece->line.len);
    return span_make(line, rename_line(p->rename, piece, line));
}

static void
emit_piece(struct pending *p, const struct reply_piece *piece)
{
    if (p->rename == NULL) {
        pending_emit(p, piece->raw);
        return;
    }
    char room[RENAME_LINE_MAX];
    struct span rest, line = line_of(p, piece, room, &rest);
    pending_emit(p, line);
    pending_emit(p, rest);
}

bool
answer_put_piece(const struct pending *p, const struct reply_piece *piece, struct buf *out)
{
    if (p->rename == NULL) {
        return buf_append_span(out, piece->raw);
    }
    char room[RENAME_LINE_MAX];
    struct span rest, line = line_of(p, piece, room, &rest);
    return buf_append_span(out, line) && buf_append_span(out, rest);
}

/* Told when the copies are gone. */
static void
hot_write_piece(struct pending *p, const struct reply_piece *piece)
{
    if (!answer_is_hidden(p, piece->kind)) {
        if (p->worst.mem == NULL) {
            p->worst = bufpool_borrow(&p->worker->bufs);
        }
        if (!answer_put_piece(p, piece, &p->worst) && p->client != NULL) {
            p->client->doomed = true;
        }
    }
    if (piece->final) {
        p->legs--;
        fanout_owner_answered(p);
    }
}

static void
one_piece(struct pending *p, const struct reply_piece *piece)
{
    if (p->fan != NULL) {
        hot_write_piece(p, piece);
        return;
    }
    if (!answer_is_hidden(p, piece->kind)) {
        emit_piece(p, piece);
    }
    if (piece->kind == REPLY_VALUE) {
        worker_count(p->worker, METRIC_ID_GET_HITS, 1);
    }
    if (piece->final) {
        p->legs--;
        pending_done(p);
    }
}

static void
account_values(struct pending *p, unsigned hits, size_t bytes)
{
    worker_count(p->worker, METRIC_ID_GET_HITS, hits);
    client_hold(p->client, bytes);
    p->bytes += (uint32_t)bytes;
}

void
answer_part_value(struct pending *p, uint32_t part, struct span head, struct span rest)
{
    if (!multiget_put(p->many, part, head, rest)) {
        p->client->doomed = true;
        return;
    }
    account_values(p, 1, head.len + rest.len);
}

void
answer_part_raw(struct pending *p, uint32_t part, size_t key_bytes, struct span raw)
{
    struct span name = multiget_client_key(p->many, part);
    if (name.len == key_bytes) {
        answer_part_value(p, part, raw, SPAN_LIT(""));
        return;
    }
    char head[sizeof("VALUE ") + KEY_MAX_BYTES] = "VALUE ";
    size_t verb = sizeof("VALUE ") - 1, prefix = name.len - key_bytes;
    memcpy(head + verb, name.ptr, prefix);
    answer_part_value(p, part, span_make(head, verb + prefix), span_skip(raw, verb));
}

/* gat and gats change when their keys expire. */
static void
end_touch(const struct pending *p, uint32_t shard)
{
    const struct multiget *m = p->many;
    if (p->request.cmd != CMD_GAT && p->request.cmd != CMD_GATS) {
        return;
    }
    for (uint32_t i = m->shards[shard].first; i != MULTIGET_END; i = m->keys[i].next) {
        write_marks_move(p->worker->host->writes,
                         worker_key_hash(p->worker, multiget_key_span(m, i)));
    }
}

/* All of its keys are answered. */
static void
end_shard(struct pending *p, uint32_t shard)
{
    end_touch(p, shard);
    p->legs--;
    answer_complete(p);
}

/* The shard's keys up to `last` are answered: with the piece if they are not
 * passed over by it. */
static void
pass_keys(struct pending *p, uint32_t shard, uint32_t last, const struct reply_piece *piece)
{
    static const struct reply_piece miss = {.kind = REPLY_END, .line = {"END", 3}, .final = true};
    uint32_t key;
    do {
        key = multiget_pass(p->many, shard);
        if (key != MULTIGET_END && coalesce_is_led(&p->many->keys[key].lead)) {
            bool passed_over = piece->kind == REPLY_VALUE && key != last;
            coalesce_land(&p->worker->coalesce, &p->many->keys[key].lead,
                          passed_over ? &miss : piece, p->client);
        }
    } while (key != last);
}

/* An error from one shard makes its keys misses: a client must not lose the
 * values of the others for it. */
static bool
shard_piece(struct pending *p, uint32_t shard, const struct reply_piece *piece)
{
    if (piece->kind == REPLY_VALUE) {
        uint32_t key = multiget_find(p->many, shard, piece->key);
        if (key == MULTIGET_END) {
            return false;
        }
        pass_keys(p, shard, key, piece);
        if (p->client != NULL) {
            answer_part_raw(p, key, piece->key.len, piece->raw);
        }
    }
    if (piece->final) {
        pass_keys(p, shard, MULTIGET_END, piece);
        end_shard(p, shard);
    }
    return true;
}

/* False if it has to be looked at piece by piece. */
static bool
takes_runs(const struct leg *leg, const struct pending *p)
{
    return leg->kind == LEG_SHARD && p != NULL && p->client != NULL && !p->many->renames &&
           p->worker->coalesce.large_count == 0; /* else each may tell that its key's value is
                                                  * not large any more */
}

size_t
answer_run(struct leg *leg, struct span input, bool *ended)
{
    struct pending *p = leg->pending;
    struct multiget_run run;
    *ended = false;
    if (!takes_runs(leg, p)) {
        return 0;
    }
    if (!multiget_take_run(p->many, leg->shard, input, &p->worker->coalesce.flights, &run)) {
        p->client->doomed = true;
        client_busy(p->client);
    } else if (run.hits > 0) {
        account_values(p, run.hits, run.value_bytes);
    }
    if (run.ended) {
        *ended = true;
        leg->pending = NULL;
        end_shard(p, leg->shard);
    }
    return run.bytes;
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

/* The first piece of a reply to one key decides: a value, a miss or an error. */
static bool
flight_piece(struct leg *leg, const struct reply_piece *piece)
{
    if (piece->kind == REPLY_VALUE && !span_eq(piece->key, lead_key_of(&leg->lead))) {
        return false;
    }
    const struct client *leader = leg->pending != NULL ? leg->pending->client : NULL;
    coalesce_land(&leg->roster->worker->coalesce, &leg->lead, piece, leader);
    return true;
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
    if (leg->kind == LEG_FILL) {
        fill_piece(leg, piece);
        return true;
    }
    if (leg->kind == LEG_MOVE) {
        moving_piece(leg, piece);
        return true;
    }
    if (coalesce_is_led(&leg->lead) && !flight_piece(leg, piece)) {
        return false;
    }
    if (piece->final) {
        leg->pending = NULL;
    }
    if (p == NULL) {
        if (leg->kind == LEG_SHADOW) {
            shadow_piece(leg, piece);
        }
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
    case LEG_COPY:
        p->legs--;
        fanout_copy_answered(p, leg, piece->kind);
        return true;
    case LEG_FILL:
    case LEG_FETCH:
    case LEG_PROBE:
    case LEG_ASIDE:
    case LEG_SHADOW:
    case LEG_MOVE:
    case LEG_HERALD:
    case LEG_AGE:
    case LEG_REPLAY:
    case LEG_FLUSH: break;
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
answer_shard_failure(struct pending *p, uint32_t shard, enum failure failure, bool begun)
{
    uint32_t key;
    answer_part_failure(p, failure);
    while ((key = multiget_pass(p->many, shard)) != MULTIGET_END) {
        coalesce_fail(&p->worker->coalesce, &p->many->keys[key].lead, failure, begun);
    }
    end_touch(p, shard);
}

void
answer_failure(struct leg *leg, enum failure failure)
{
    struct pending *p = leg->pending;
    struct coalesce *co = &leg->roster->worker->coalesce;
    leg->pending = NULL;
    if (leg->kind == LEG_FILL) {
        fill_failed(leg);
    } else if (leg->kind == LEG_MOVE) {
        moving_failed(leg, failure);
    }
    if (coalesce_is_led(&leg->lead)) {
        coalesce_fail(co, &leg->lead, failure, leg->begun || leg->retry);
    }
    if (leg->kind == LEG_SHADOW) {
        shadow_failed(leg);
    }
    if (p == NULL) {
        return;
    }
    switch ((enum leg_kind)leg->kind) {
    case LEG_ONE:
        p->legs--;
        if (p->fan != NULL) {
            fanout_owner_failed(p, failure);
        } else {
            pending_fail(p, failure);
        }
        break;
    case LEG_COPY:
        p->legs--;
        fanout_copy_failed(p, leg);
        break;
    case LEG_SHARD:
        answer_shard_failure(p, leg->shard, failure, leg->begun || leg->retry);
        p->legs--;
        answer_complete(p);
        break;
    case LEG_BROADCAST:
        p->legs--;
        answer_part_failure(p, failure);
        answer_complete(p);
        break;
    case LEG_FILL:
    case LEG_FETCH:
    case LEG_PROBE:
    case LEG_ASIDE:
    case LEG_SHADOW:
    case LEG_MOVE:
    case LEG_HERALD:
    case LEG_AGE:
    case LEG_REPLAY:
    case LEG_FLUSH: break;
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
        if (!multiget_merge(p->many, SPAN_LIT("END\r\n"), to)) {
            c->doomed = true;
        }
        p->bytes += sizeof("END\r\n") - 1;
        client_hold(c, sizeof("END\r\n") - 1);
        client_busy(c);
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
