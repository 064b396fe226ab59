#include "proxy/pending.h"
#include "common/core/assert.h"
#include "proxy/admission.h"
#include "proxy/client.h"
#include "proxy/multiget.h"
#include "proxy/roster.h"
#include "proxy/proxy_worker.h"

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
    struct pending *p = objpool_borrow(&c->worker->pendings);
    p->client = c;
    p->worker = c->worker;
    if (r != NULL) {
        p->request = (struct failure_request){r->cmd, r->noreply, r->quiet, false};
        if (command_shape(r->cmd) == SHAPE_META &&
            (meta_has(&r->meta, 'O') || meta_has(&r->meta, 'k'))) {
            keep_echo(p, r);
        }
    }
    *c->last = p;
    c->last = &p->next;
    c->waiting++;
    return p;
}

static void
destroy(struct pending *p)
{
    struct bufpool *bufs = &p->worker->bufs;
    bufpool_give_back(bufs, &p->reply);
    bufpool_give_back(bufs, &p->echo);
    bufpool_give_back(bufs, &p->worst);
    if (p->rename != NULL) {
        objpool_give_back(&p->worker->renames, p->rename);
    }
    if (p->many != NULL) {
        multiget_pool_give_back(&p->worker->multigets, &p->many);
    }
    objpool_give_back(&p->worker->pendings, p);
}

/* Where bytes of this answer go now. */
static struct buf *
sink(struct pending *p)
{
    struct buf *b = p->client->first == p ? &p->client->out : &p->reply;
    if (b->mem == NULL) {
        *b = bufpool_borrow(&p->worker->bufs);
    }
    return b;
}

void
pending_emit(struct pending *p, struct span bytes)
{
    struct client *c = p->client;
    if (c == NULL || bytes.len == 0) {
        return;
    }
    if (!buf_append_span(sink(p), bytes)) {
        c->doomed = true;
    }
    p->bytes += (uint32_t)bytes.len;
    client_hold(c, bytes.len);
    client_busy(c);
}

/* A moving average, so that back-pressure can tell what is still to come. */
static void
learn_reply_size(struct client *c, uint32_t bytes)
{
    c->reply_bytes += bytes / 8 - c->reply_bytes / 8;
}

/* Whatever is answered at the head of the queue goes out, and the new head's
 * bytes, if it has any already, follow. */
static void
advance_queue(struct client *c)
{
    while (c->first != NULL && c->first->done) {
        struct pending *p = c->first;
        c->first = p->next;
        c->waiting--;
        learn_reply_size(c, p->bytes);
        destroy(p);
        struct pending *head = c->first;
        if (head == NULL) {
            c->last = &c->first;
        } else if (head->reply.mem != NULL) {
            if (!buf_append_span(sink(head), buf_span(&head->reply))) {
                c->doomed = true;
            }
            bufpool_give_back(&c->worker->bufs, &head->reply);
        }
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
    ASSERT(!p->done && p->legs == 0);

    p->done = true;
    if (p->gate != NULL) {
        settle(p);
    }
    if (p->writes != 0 && p->client != NULL) {
        client_ends_write(p);
    }
    if (p->client == NULL) {
        destroy(p);
    } else if (p->client->first == p) {
        struct client *c = p->client;
        advance_queue(c);
        client_busy(c);
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
        destroy(p);
    }
}

struct leg *
leg_create(struct worker *worker, struct pending *p, enum leg_kind kind, enum proto_command cmd,
           struct roster *roster)
{
    struct leg *leg = objpool_borrow_raw(&worker->legs);
    leg->next = NULL;
    leg->pending = p;
    leg->roster = roster_ref(roster);
    leg->fill = NULL;
    leg->entry = NULL;
    leg->kind = (uint8_t)kind;
    leg->shape = (uint8_t)reply_shape_of(cmd);
    leg->writes = LEG_WRITES_NOTHING;
    leg->duty = DUTY_NONE;
    leg->key_bytes = 0;
    leg->retry = leg->repeatable = leg->begun = false;
    leg->lead.flight = NULL;
    leg->lead.listed = false;
    worker->retry_budget.on_their_way++;
    if (p != NULL) {
        p->legs++;
    }
    return leg;
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
leg_destroy(struct worker *worker, struct leg *leg)
{
    ASSERT(!coalesce_is_led(&leg->lead));
    worker->retry_budget.on_their_way--;
    worker->retry_budget.retries -= leg->retry;
    move_marks(worker, leg);
    if (leg->writes == LEG_WRITES_KEY && worker->coalesce.leases.count > 0) {
        coalesce_written(&worker->coalesce, leg->written_hash);
    }
    ASSERT(leg->entry == NULL);
    roster_unref(&leg->roster);
    objpool_give_back(&worker->legs, leg);
}
