#include "proxy/leg_queue.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/journal.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/queues.h"
#include "proxy/way.h"

void
leg_queue_append(struct backend *b, struct leg *leg, size_t mark, uint64_t timeout_us)
{
    queue_append(b, leg, mark, timeout_us);
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
leg_queue_note_latency(struct backend *b)
{
    struct node_latency *latency = &b->stats->latency[b->worker->index];
    histogram_note(&latency->cells, b->latency_us, b->latency_count);
    b->latency_count = 0;
}

void
leg_queue_answered(struct backend *b, unsigned legs)
{
    if (b->first == NULL) {
        backend_busy_if_retired(b);
    }
    if (legs > 0) {
        health_answered(&b->health, legs, worker_now_us(b->worker));
    }
    queue_watch_crowd(b);
}

/* Nobody waits for its reply any more. */
static void
take_late(struct backend *b, struct leg *leg)
{
    queue_take_time(b, leg);
    buf_consume(&b->keys, leg->key_bytes);
    b->first = leg->next;
    if (b->first == NULL) {
        b->last = &b->first;
    }
    b->queued--;
    b->owed_bytes -= leg->bytes;
    b->owed_keys -= leg->key_bytes;
    worker_count(b->worker, METRIC_ID_LATE_REPLIES, 1);
}

void
leg_queue_finish_first(struct backend *b)
{
    struct leg *leg = b->first;
    bool late = leg != b->live, probe = leg->kind == LEG_PROBE;
    if (late) {
        take_late(b, leg);
    } else {
        queue_take_first(b, leg);
    }
    leg_queue_answered(b, !late && !probe);
    if (!late && probe) {
        prober_answered(b);
    }
    leg_destroy(b->worker, leg);
}

/* To ask again would be of no use, and there is no duty: nothing was done. */
void
leg_queue_refuse_first(struct backend *b, enum failure failure)
{
    struct leg *leg = b->first;
    if (leg->kind != LEG_SHADOW) {
        way_count_failure(b->worker, failure);
    }
    leg->begun = true;
    answer_failure(leg, failure);
}

/* Tells whoever is told of one that is not answered. */
static void
tell_timed_out(struct backend *b, struct leg *leg, size_t key_at, enum failure failure)
{
    atomic_fetch_add_explicit(&b->stats->timeouts, 1, memory_order_relaxed);
    if (leg->kind == LEG_PROBE) {
        prober_failed(b);
        return;
    }
    if (rejoin_owns(leg)) {
        rejoin_failed(b, leg);
    } else if (leg->kind != LEG_HERALD) {
        if (leg->kind != LEG_SHADOW) {
            way_count_failure(b->worker, failure);
        }
        do_duty(b, leg, key_at, failure);
        answer_failure(leg, failure);
    }
    backend_note(b, HEALTH_TIMED_OUT);
}

/* Of what waits for a connection nothing has left. It must not leave any more: the
 * client has been told, and others' requests may have come between. */
static void
take_back(struct backend *b, struct leg *leg)
{
    ASSERT(leg == b->first && buf_len(&b->out) >= leg->bytes);

    b->first = b->live = leg->next;
    if (b->first == NULL) {
        b->last = &b->first;
    }
    b->queued--;
    buf_consume(&b->out, leg->bytes);
    tell_timed_out(b, leg, 0, FAILURE_DOWN);
    buf_consume(&b->keys, leg->key_bytes);
    leg_destroy(b->worker, leg);
    queue_watch_crowd(b);
}

void
leg_queue_time_out(struct backend *b)
{
    struct leg *leg = b->live;
    if (b->state != BACKEND_CONNECTED) {
        take_back(b, leg);
        return;
    }
    size_t key_at = b->owed_keys;
    b->live = leg->next;
    b->owed_bytes += leg->bytes;
    b->owed_keys += leg->key_bytes;
    tell_timed_out(b, leg, key_at, FAILURE_TIMEOUT);
}

static void
fail_leg(struct backend *b, struct leg *leg, bool alive, enum failure failure)
{
    if (alive && leg->kind == LEG_PROBE) {
        prober_failed(b);
    } else if (alive && rejoin_owns(leg)) {
        rejoin_failed(b, leg);
    } else if (alive && leg->kind != LEG_HERALD) {
        atomic_fetch_add_explicit(&b->stats->broken, 1, memory_order_relaxed);
        if (leg->kind != LEG_SHADOW) {
            way_count_failure(b->worker, failure);
        }
        do_duty(b, leg, 0, failure);
        answer_failure(leg, failure);
    }
    buf_consume(&b->keys, leg->key_bytes);
    leg_destroy(b->worker, leg);
}

/* --- once more -------------------------------------------------------------------- */

/* Legs that are to be sent again, and their requests. */
struct again {
    struct leg *first, **last;
    struct buf bytes;
};

static bool
may_repeat(const struct backend *b, const struct leg *leg)
{
    return leg->repeatable && !leg->retry && leg->deadline_us > worker_now_us(b->worker) &&
           retry_budget_admits(&b->worker->retry_budget);
}

/* The leg's request stands at `at` of what was sent. */
static bool
repeat(struct backend *b, struct again *again, struct leg *leg, size_t at)
{
    struct span sent = buf_span(&b->sent);
    if (at + leg->bytes > sent.len || !may_repeat(b, leg) ||
        !buf_append(&again->bytes, sent.ptr + at, leg->bytes)) {
        return false;
    }
    leg_is_retry(b->worker, leg);
    leg->next = NULL;
    *again->last = leg;
    again->last = &leg->next;
    return true;
}

/* A write that was lost beside them may have been to one of their keys. */
static bool
put_first(struct backend *b, struct again *again)
{
    if (!journal_is_empty(b->journal) || !buf_append_span(&again->bytes, buf_span(&b->out))) {
        return false;
    }
    bufpool_give_back(&b->worker->bufs, &b->out);
    b->out = again->bytes;
    again->bytes = BUF_EMPTY;
    *again->last = b->first;
    if (b->first == NULL) {
        b->last = again->last;
    }
    b->first = b->live = again->first;
    for (struct leg *leg = again->first; leg != *again->last; leg = leg->next) {
        worker_count(b->worker, METRIC_ID_READ_RETRIES, 1);
        atomic_fetch_add_explicit(&b->stats->broken, 1, memory_order_relaxed);
    }
    backend_wake_at(b, b->live->deadline_us);
    return true;
}

static void
end_again(struct backend *b, struct again *again)
{
    if (again->first != NULL && !put_first(b, again)) {
        for (struct leg *leg = again->first, *next; leg != NULL; leg = next) {
            next = leg->next;
            b->queued--;
            fail_leg(b, leg, true, FAILURE_TIMEOUT);
        }
    }
    buf_deinit(&again->bytes);
}

void
leg_queue_fail(struct backend *b, struct leg *kept, size_t sent)
{
    struct leg *leg = b->first, *live = b->live;
    struct again again = {.last = &again.first, .bytes = BUF_EMPTY};
    bool stale = b->sent.mem != NULL && b->gave_bytes && !b->retired;
    b->first = b->live = kept;
    if (kept == NULL) {
        b->last = &b->first;
    }
    b->owed_bytes = 0;
    b->owed_keys = 0;
    bool alive = false;
    for (size_t at = 0, bytes; leg != kept; at += bytes) {
        struct leg *next = leg->next;
        enum failure failure = at >= sent ? FAILURE_DOWN : FAILURE_TIMEOUT;
        alive = alive || leg == live;
        bytes = leg->bytes;
        if (!stale || !alive || !repeat(b, &again, leg, at)) {
            b->queued--;
            fail_leg(b, leg, alive, failure);
        }
        leg = next;
    }
    end_again(b, &again);
    queue_watch_crowd(b);
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
