#include "proxy/leg_queue.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/way.h"

void
leg_queue_watch_crowd(struct backend *b)
{
    bool crowded = b->queued * 2 >= b->worker->limits->max_inflight ||
                   buf_len(&b->out) > BACKEND_OUT_MAX / 2 ||
                   b->queued * b->reply_bytes > BACKEND_DUE_MAX;
    if (crowded != b->crowded) {
        b->crowded = crowded;
        b->worker->crowded_backends += crowded ? 1u : -1u;
    }
}

void
leg_queue_append(struct backend *b, struct leg *leg, size_t mark, uint64_t timeout_us)
{
    uint64_t now = worker_now_us(b->worker);
    leg->bytes = buf_len(&b->out) - mark;
    leg->deadline_us = now + timeout_us;
    if (b->first == NULL) {
        b->progress_us = now;
    }
    if (b->live == NULL) {
        b->live = leg;
        backend_wake_at(b, leg->deadline_us);
    }
    *b->last = leg;
    b->last = &leg->next;
    b->queued++;
    b->stats_requests++;
    leg_queue_watch_crowd(b);
    backend_busy(b);
}

/* Without memory for the key all keys are meant. */
void
leg_queue_set_duty(struct backend *b, struct leg *leg, enum failure_duty duty, struct span key)
{
    if (duty == DUTY_NONE) {
        return;
    }
    leg->duty = (uint8_t)duty;
    if (buf_append_span(&b->keys, key)) {
        leg->key_bytes = (uint8_t)key.len;
    }
}

/* `key_at`: where its key stands in b->keys. */
static void
do_duty(struct backend *b, struct leg *leg, size_t key_at, enum failure failure)
{
    if (!failure_duty_applies((enum failure_duty)leg->duty, failure)) {
        return;
    }
    struct span key = span_make(buf_span(&b->keys).ptr + key_at, leg->key_bytes);
    bool kept = key.len > 0 ? rejoin_remember(b, key) : rejoin_remember_flush(b);
    if (leg->pending != NULL) {
        leg->pending->request.journaled = kept;
    }
}

void
leg_queue_finish_first(struct backend *b)
{
    struct leg *leg = b->first;
    bool late = leg != b->live;
    buf_consume(&b->keys, leg->key_bytes);
    b->first = leg->next;
    b->queued--;
    if (b->first == NULL) {
        b->last = &b->first;
        backend_busy_if_retired(b);
    }
    if (late) {
        b->owed_bytes -= leg->bytes;
        b->owed_keys -= leg->key_bytes;
        worker_count(b->worker, METRIC_ID_LATE_REPLIES, 1);
    } else {
        b->live = leg->next;
        if (leg->kind == LEG_PROBE) {
            prober_answered(b);
        } else {
            (void)health_note(&b->health, HEALTH_ANSWERED, worker_now_us(b->worker));
        }
    }
    leg_destroy(b->worker, leg);
    leg_queue_watch_crowd(b);
}

void
leg_queue_time_out(struct backend *b)
{
    struct leg *leg = b->live;
    size_t key_at = b->owed_keys;
    b->live = leg->next;
    b->owed_bytes += leg->bytes;
    b->owed_keys += leg->key_bytes;
    atomic_fetch_add_explicit(&b->stats->timeouts, 1, memory_order_relaxed);
    if (leg->kind == LEG_PROBE) {
        prober_failed(b);
        return;
    }
    if (rejoin_owns(leg)) {
        rejoin_failed(b, leg);
    } else {
        worker_count(b->worker, METRIC_ID_FAILED_TIMEOUT, 1);
        do_duty(b, leg, key_at, FAILURE_TIMEOUT);
        answer_failure(leg, FAILURE_TIMEOUT);
    }
    backend_note(b, HEALTH_TIMED_OUT);
}

static void
fail_leg(struct backend *b, struct leg *leg, bool alive, enum failure failure)
{
    if (alive && leg->kind == LEG_PROBE) {
        prober_failed(b);
    } else if (alive && rejoin_owns(leg)) {
        rejoin_failed(b, leg);
    } else if (alive) {
        atomic_fetch_add_explicit(&b->stats->broken, 1, memory_order_relaxed);
        way_count_failure(b->worker, failure);
        do_duty(b, leg, 0, failure);
        answer_failure(leg, failure);
    }
    buf_consume(&b->keys, leg->key_bytes);
    leg_destroy(b->worker, leg);
}

void
leg_queue_fail(struct backend *b, struct leg *kept, size_t sent)
{
    struct leg *leg = b->first, *live = b->live;
    b->first = b->live = kept;
    if (kept == NULL) {
        b->last = &b->first;
    }
    b->owed_bytes = 0;
    b->owed_keys = 0;
    bool alive = false;
    for (size_t at = 0; leg != kept;) {
        struct leg *next = leg->next;
        enum failure failure = at >= sent ? FAILURE_DOWN : FAILURE_TIMEOUT;
        alive = alive || leg == live;
        at += leg->bytes;
        b->queued--;
        fail_leg(b, leg, alive, failure);
        leg = next;
    }
    leg_queue_watch_crowd(b);
}

size_t
leg_queue_bytes(const struct leg *leg)
{
    size_t bytes = 0;
    for (; leg != NULL; leg = leg->next) {
        bytes += leg->bytes;
    }
    return bytes;
}

struct leg *
leg_queue_first_unsent(const struct backend *b, size_t sent)
{
    size_t at = 0;
    bool alive = false;
    for (struct leg *leg = b->first; leg != NULL; leg = leg->next) {
        alive = alive || leg == b->live;
        if (alive && at >= sent) {
            return leg;
        }
        at += leg->bytes;
    }
    return NULL;
}
