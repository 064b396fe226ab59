#include "proxy/pending.h"
#include "common/core/assert.h"
#include "proxy/admission.h"
#include "proxy/client.h"
#include "proxy/multiget.h"
#include "proxy/proxy_worker.h"
#include "proxy/queues.h"
#include "proxy/roster.h"

/* What a failed meta command echoes, while its line is still at hand. */
static void
keep_echo(struct pending *p, const struct request *r)
{
    p->echo = bufpool_borrow(&p->worker->bufs);
    for (unsigned i = 0; i < r->meta.count; i++) {
        const struct meta_flag *flag = &r->meta.flags[i];
        struct span arg = flag->letter == 'k' ? r->wire_key : flag->arg;
        if (flag->letter != 'O' && flag->letter != 'k' && flag->letter != 'b') {
            continue;
        }
        char lead[2] = {' ', flag->letter};
        if (!buf_append(&p->echo, lead, 2) || !buf_append_span(&p->echo, arg)) {
            p->client->doomed = true;
            return;
        }
    }
}

struct pending *
pending_create(struct client *c, const struct request *r)
{
    struct pending *p = queue_pending(c);
    if (r != NULL) {
        p->request = (struct failure_request){r->cmd, r->noreply, r->quiet, false};
        if (command_shape(r->cmd) == SHAPE_META &&
            (meta_has(&r->meta, 'O') || meta_has(&r->meta, 'k'))) {
            keep_echo(p, r);
        }
    }
    return p;
}

void
pending_emit(struct pending *p, struct span bytes)
{
    if (p->client != NULL && bytes.len > 0) {
        queue_emit(p, bytes);
    }
}

bool
pending_admit(struct pending *p, const struct admission *a, struct span key, uint64_t bytes)
{
    struct admission_gate *g = admission_find(a, key);
    if (g == NULL) {
        return true;
    }
    if (!admission_passes(g, p->request.cmd, key.len + bytes, worker_now_us(p->worker) * 1000)) {
        worker_count(p->worker, METRIC_ID_FAILED_LIMITED, 1);
        return false;
    }
    if (p->gate == NULL && g->byte_rate.per_second != 0) {
        p->gate = admission_gate_ref(g);
    }
    return true;
}

/* What was told is known now. */
static void
settle(struct pending *p)
{
    admission_owe(p->gate, p->bytes, worker_now_us(p->worker) * 1000);
    admission_gate_unref(&p->gate);
}

void
pending_done(struct pending *p)
{
    if (p->gate != NULL) {
        settle(p);
    }
    if (p->client != NULL) {
        queue_done(p);
    } else {
        ASSERT(!p->done && p->legs == 0);
        queue_end_pending(p);
    }
}

void
pending_fail(struct pending *p, enum failure failure)
{
    struct failure_reply reply = failure_answer(&p->request, &p->policy, failure);
    if (reply.line.len > 0) {
        pending_emit(p, reply.line);
        if (reply.echo) {
            pending_emit(p, buf_span(&p->echo));
        }
        pending_emit(p, SPAN_LIT("\r\n"));
    }
    pending_done(p);
}

void
pending_abandon(struct pending *p)
{
    p->client = NULL;
    if (p->done) {
        queue_end_pending(p);
    }
}

struct leg *
leg_create(struct worker *worker, struct pending *p, enum leg_kind kind, enum proto_command cmd,
           struct roster *roster)
{
    return queue_leg(worker, p, kind, reply_shape_of(cmd), roster);
}

static void
move_marks(struct worker *worker, const struct leg *leg)
{
    switch ((enum leg_writes)leg->writes) {
    case LEG_WRITES_NOTHING: break;
    case LEG_WRITES_KEY: write_marks_move(worker->host->writes, leg->written_hash); break;
    case LEG_WRITES_ALL: write_marks_move_all(worker->host->writes); break;
    }
}

void
leg_is_write(struct worker *worker, struct leg *leg, enum leg_writes writes, uint64_t hash)
{
    leg->writes = (uint8_t)writes;
    leg->written_hash = hash;
    move_marks(worker, leg);
}

void
leg_lead(struct leg *leg, const struct coalesce_read *read, const struct backend *target,
         bool shared)
{
    struct coalesce *co = &leg->roster->worker->coalesce;
    memcpy(leg->key, read->key.bytes.ptr, read->key.bytes.len);
    coalesce_lead(co, &leg->lead, read, target, shared);
    leg->lead.key = leg->key;
}

void
leg_is_retry(struct worker *worker, struct leg *leg)
{
    leg->retry = true;
    worker->retry_budget.retries++;
}

void
leg_has_written(struct worker *worker, struct leg *leg)
{
    move_marks(worker, leg);
    if (leg->writes == LEG_WRITES_KEY && worker->coalesce.leases.count > 0) {
        coalesce_written(&worker->coalesce, leg->written_hash);
    }
}

void
leg_destroy(struct worker *worker, struct leg *leg)
{
    queue_end_leg(worker, leg);
}
