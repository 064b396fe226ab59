/* queues.h - what nearly every request does to the queues of its client and its node,
 * without a call.
 *
 *     queue_pending, queue_leg, queue_append   a request is taken: pending.h, leg_queue.h
 *     queue_emit, queue_done                   it is answered
 *     queue_take_first, queue_end_leg          its leg's reply has come
 *
 * The rooms that these belong to, pending.c, leg_queue.c and client.c, are made of them,
 * and so is the short way (plain.h): each is a few instructions, and a request goes
 * through all of them.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/assert.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"

/* Something of it waits for the end of the turn. */
static inline void
queue_client_busy(struct client *c)
{
    if (!list_linked(&c->busy_link)) {
        list_push_back(&c->worker->busy_clients, &c->busy_link);
    }
}

static inline void
queue_backend_busy(struct backend *b)
{
    if (!list_linked(&b->busy_link)) {
        list_push_back(&b->worker->busy_backends, &b->busy_link);
    }
}

/* Back-pressure: may another command of the client be taken? */
static inline bool
queue_admits(const struct client *c)
{
    if (c->closing || c->doomed || c->held >= CLIENT_HELD_MAX) {
        return false;
    }
    if (c->waiting == 0) {
        return true;
    }
    return c->moving == 0 && c->waiting < CLIENT_WAITING_MAX && c->worker->crowded_backends == 0 &&
           (uint64_t)c->waiting * c->reply_bytes < CLIENT_HELD_MAX;
}

/* --- a request is taken ------------------------------------------------------------ */

/* At the end of the client's queue. A pending that is given back has no bufs. */
static inline struct pending *
queue_pending(struct client *c)
{
    struct pending *p = objpool_borrow_raw(&c->worker->pendings);
    p->next = NULL;
    p->client = c;
    p->worker = c->worker;
    p->many = NULL;
    p->gate = NULL;
    p->rename = NULL;
    p->fan = NULL;
    p->legs = 0;
    p->bytes = 0;
    p->writes = 0;
    p->request = (struct failure_request){0};
    p->policy = (struct failure_policy){0};
    p->done = false;
    p->failed = false;
    *c->last = p;
    c->last = &p->next;
    c->waiting++;
    return p;
}

/* A leg that is to be queued next. `p` may be NULL. */
static inline struct leg *
queue_leg(struct worker *w, struct pending *p, enum leg_kind kind, enum reply_shape shape,
          struct roster *roster)
{
    struct leg *leg = objpool_borrow_raw(&w->legs);
    leg->next = NULL;
    leg->pending = p;
    leg->roster = roster_ref(roster);
    leg->fill = NULL;
    leg->entry = NULL;
    leg->kind = (uint8_t)kind;
    leg->shape = (uint8_t)shape;
    leg->writes = LEG_WRITES_NOTHING;
    leg->duty = DUTY_NONE;
    leg->key_bytes = 0;
    leg->retry = leg->repeatable = leg->begun = false;
    leg->plain = PLAIN_NOT;
    leg->lead.flight = NULL;
    leg->lead.listed = false;
    w->retry_budget.on_their_way++;
    if (p != NULL) {
        p->legs++;
    }
    return leg;
}

/* A node is crowded when half of what may be on its way is, in number or bytes, also of
 * the replies to come. Then clients stop pipelining, so that one that asks for much does
 * not make the others wait. Call when either has changed. */
static inline void
queue_watch_crowd(struct backend *b)
{
    bool crowded = b->queued * 2 >= b->worker->limits->max_inflight ||
                   buf_len(&b->out) > BACKEND_OUT_MAX / 2 ||
                   b->queued * b->reply_bytes > BACKEND_DUE_MAX;
    if (__builtin_expect(crowded != b->crowded, 0) && !b->shadow) {
        b->crowded = crowded;
        b->worker->crowded_backends += crowded ? 1u : -1u;
    }
}

/* leg_queue_append() */
static inline void
queue_append(struct backend *b, struct leg *leg, size_t mark, uint64_t timeout_us)
{
    uint64_t now = worker_now_us(b->worker);
    leg->bytes = buf_len(&b->out) - mark;
    leg->queued_us = now;
    leg->deadline_us = now + timeout_us;
    if (b->first == NULL) {
        b->progress_us = now;
        b->owed_nothing = true;
    }
    if (b->live == NULL) {
        b->live = leg;
        backend_wake_at(b, leg->deadline_us);
    }
    *b->last = leg;
    b->last = &leg->next;
    b->queued++;
    b->stats_requests++;
    queue_watch_crowd(b);
    queue_backend_busy(b);
}

/* --- it is answered ----------------------------------------------------------------- */

/* client_hold() */
static inline void
queue_hold(struct client *c, size_t bytes)
{
    struct worker *w = c->worker;
    if (c->held == 0) {
        c->taken_us = worker_now_us(w);
    }
    c->held += bytes;
    w->held_bytes += bytes;
    metric_set_value(w->metrics, METRIC_ID_HELD_BYTES, w->held_bytes);
    if (__builtin_expect(w->held_bytes > w->limits->buffer_bytes + w->shed_bytes, 0)) {
        client_make_room(c);
    }
}

/* Where bytes of this answer go now. */
static inline struct buf *
queue_sink(struct pending *p)
{
    struct buf *b = p->client->first == p ? &p->client->out : &p->reply;
    if (b->mem == NULL) {
        *b = bufpool_borrow(&p->worker->bufs);
    }
    return b;
}

/* pending_emit() of a client that has not gone. */
static inline void
queue_emit(struct pending *p, struct span bytes)
{
    struct client *c = p->client;
    if (!buf_append_span(queue_sink(p), bytes)) {
        c->doomed = true;
    }
    p->bytes += (uint32_t)bytes.len;
    queue_hold(c, bytes.len);
    queue_client_busy(c);
}

static inline void
queue_end_pending(struct pending *p)
{
    struct worker *w = p->worker;
    bufpool_give_back(&w->bufs, &p->reply);
    bufpool_give_back(&w->bufs, &p->echo);
    bufpool_give_back(&w->bufs, &p->worst);
    if (p->rename != NULL) {
        objpool_give_back(&w->renames, p->rename);
    }
    if (p->many != NULL) {
        multiget_pool_give_back(&w->multigets, &p->many);
    }
    objpool_give_back(&w->pendings, p);
}

/* The first of the client's queue is answered whole: it goes, and the bytes of the next,
 * if there are any yet, have their turn. A moving average of replies' lengths tells
 * back-pressure what is still to come. */
static inline struct pending *
queue_advance(struct client *c)
{
    struct pending *p = c->first, *head = p->next;
    c->first = head;
    c->waiting--;
    c->reply_bytes += p->bytes / 8 - c->reply_bytes / 8;
    queue_end_pending(p);
    if (head == NULL) {
        c->last = &c->first;
    } else if (head->reply.mem != NULL) {
        if (!buf_append_span(queue_sink(head), buf_span(&head->reply))) {
            c->doomed = true;
        }
        bufpool_give_back(&c->worker->bufs, &head->reply);
    }
    return head;
}

/* pending_done() of one that has a client and no gate. */
static inline void
queue_done(struct pending *p)
{
    ASSERT(!p->done && p->legs == 0);

    struct client *c = p->client;
    p->done = true;
    if (p->writes != 0) {
        client_ends_write(p);
    }
    if (c->first == p) {
        queue_client_busy(c);
        do {
            p = queue_advance(c);
        } while (p != NULL && p->done);
    }
}

/* --- the leg's reply has come ----------------------------------------------------------- */

/* Replies that took equally long are noted at once: leg_queue_note_latency(). */
static inline void
queue_take_time(struct backend *b, const struct leg *leg)
{
    uint64_t us = worker_now_us(b->worker) - leg->queued_us;
    if (us != b->latency_us) {
        if (b->latency_count > 0) {
            leg_queue_note_latency(b);
        }
        b->latency_us = us;
    }
    b->latency_count++;
}

/* The first, which is live and has no key among b->keys that is not consumed here, is no
 * longer the queue's. The caller tells health and watches the crowd. */
static inline void
queue_take_first(struct backend *b, struct leg *leg)
{
    ASSERT(leg == b->live);

    queue_take_time(b, leg);
    if (leg->key_bytes > 0) {
        buf_consume(&b->keys, leg->key_bytes);
    }
    b->first = b->live = leg->next;
    if (b->first == NULL) {
        b->last = &b->first;
    }
    b->queued--;
}

/* leg_destroy() */
static inline void
queue_end_leg(struct worker *w, struct leg *leg)
{
    ASSERT(!coalesce_is_led(&leg->lead));
    ASSERT(leg->entry == NULL);

    w->retry_budget.on_their_way--;
    w->retry_budget.retries -= leg->retry;
    if (leg->writes != LEG_WRITES_NOTHING) {
        leg_has_written(w, leg);
    }
    roster_unref(&leg->roster);
    objpool_give_back(&w->legs, leg);
}
