#include "proxy/backend.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/calls.h"
#include "common/net/sock.h"
#include "proxy/answer.h"
#include "proxy/herald.h"
#include "proxy/leg_queue.h"
#include "proxy/own_stall.h"
#include "proxy/pending.h"
#include "proxy/plain_answer.h"
#include "proxy/proxy_worker.h"
#include "proxy/queues.h"
#include "proxy/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

#define READ_BYTES           65536
#define READ_BYTES_MAX       (1u << 20) /* of one read, for a large value */
#define REPLY_VALUE_MAX      (1u << 30) /* memcached's own limit for -I */
#define RECONNECT_GAP_US     20000      /* between connects to a node that refuses, failing open */
#define STALL_TIMEOUTS       2          /* request timeouts without progress */
#define STATE_LINES_A_SECOND 50
#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_EVERY_S    5
#define KEEPALIVE_PROBES     3

static void on_timer(void *arg);
static void sleep_until_due(struct backend *b);

void
backend_busy(struct backend *b)
{
    queue_backend_busy(b);
}

void
backend_busy_if_retired(struct backend *b)
{
    if (b->retired) {
        backend_busy(b);
    }
}

struct backend *
backend_create(struct worker *w, const struct place_node *node)
{
    struct backend *b = mem_zalloc(sizeof(*b));
    b->worker = w;
    b->fd = -1;
    b->last = &b->first;
    b->shadow = node->shadow;
    b->stats = node_stats_ref(node->stats);
    b->endpoint = endpoint_ref(node->endpoint);
    list_init(&b->busy_link);
    list_init(&b->herald_link);
    list_push_back(&w->backends, &b->link);
    b->journal = journal_ref(node->journal);
    health_init(&b->health, random_next(&w->rng));
    loop_timer_init(&b->timer, w->loop, on_timer, b);
    return b;
}

void
backend_assign(struct backend *b, const struct place_node *node, unsigned index)
{
    free(b->name);
    b->name = mem_strdup(node->node->id);
    b->node = index;
    b->masked = node->node->state == NODE_DOWN;
    b->heralds = node->node->kind == NODE_KIND_MFCACHED;
    b->connect_timeout_us = node->pool->connect_timeout_ms * 1000;
    b->request_timeout_us = node->pool->request_timeout_ms * 1000;
    if (b->shadow) { /* what is on its way holds up the next epoch's acknowledgement */
        b->connect_timeout_us = MIN(b->connect_timeout_us, SHADOW_TIMEOUT_MAX_US);
        b->request_timeout_us = MIN(b->request_timeout_us, SHADOW_TIMEOUT_MAX_US);
    }
    b->rejoin_policy = b->shadow ? REJOIN_TRUST : node->pool->rejoin;
    sleep_until_due(b); /* probes begin again when the mask is lifted */
}

enum backend_admission
backend_admit(struct backend *b, unsigned down, unsigned nodes)
{
    if (b->masked || !health_admits(&b->health, down, nodes) ||
        (b->state == BACKEND_CLOSED && worker_now_us(b->worker) < b->connect_after_us)) {
        atomic_fetch_add_explicit(&b->stats->refused, 1, memory_order_relaxed);
        return BACKEND_REFUSES_DOWN;
    }
    if (b->queued >= b->worker->limits->max_inflight || buf_len(&b->out) > BACKEND_OUT_MAX) {
        atomic_fetch_add_explicit(&b->stats->refused, 1, memory_order_relaxed);
        return BACKEND_REFUSES_OVERLOADED;
    }
    return BACKEND_ADMITS;
}

/* --- the connection -------------------------------------------------------------- */

/* What is on its way must not arrive any more: the network may be back in a minute,
 * and a set that was given up would then come behind the delete that makes it good,
 * which goes by the next connection. */
static void
close_connection(struct backend *b)
{
    if (b->fd >= 0) {
        if (b->first != NULL) {
            sock_give_up_on_close(b->fd);
        }
        loop_io_deinit(&b->io);
        close(b->fd);
    }
    b->fd = -1;
    b->state = BACKEND_CLOSED;
    b->parser = REPLY_PARSER_INIT;
    b->reply_so_far = 0;
    rejoin_disconnected(b);
    bufpool_give_back(&b->worker->bufs, &b->in);
}

/* Keeps the last `kept` bytes of the output. */
static void
drop_output(struct backend *b, size_t kept)
{
    buf_consume(&b->out, buf_len(&b->out) - kept);
    if (kept == 0) {
        bufpool_give_back(&b->worker->bufs, &b->out);
    }
}

/* A connection that never gave a byte counts as one that was not made: the node
 * accepts and resets. After one that did, requests of which nothing has left go
 * out by the next: a node that was restarted costs only what was on its way. */
static void
lose_sent(struct backend *b, const char *reason, size_t sent)
{
    struct leg *kept = b->gave_bytes ? leg_queue_first_unsent(b, sent) : NULL;
    /* That a node which is DOWN refuses a probe, too, is no news. */
    bool news = b->first != kept || (!b->gave_bytes && !backend_is_down(b));
    if (news) {
        LOG_LIMITED(10, LOG_WARN, "backend_lost", "node=%s connected=%d waiting=%u reason=%s",
                    LOG_STR(b->name), b->state == BACKEND_CONNECTED, b->queued, LOG_STR(reason));
    }
    close_connection(b);
    drop_output(b, leg_queue_bytes(kept));
    if (!b->gave_bytes) {
        b->connect_after_us = worker_now_us(b->worker) + RECONNECT_GAP_US;
        backend_note(b, HEALTH_CONNECT_FAILED);
    }
    leg_queue_fail(b, kept, sent);
    bufpool_give_back(&b->worker->bufs, &b->sent);
    backend_busy(b); /* it may connect again, or be retired */
}

static void
lose_connection(struct backend *b, const char *reason)
{
    size_t queued_bytes = leg_queue_bytes(b->first), unsent = buf_len(&b->out);
    ASSERT(queued_bytes >= unsent);
    lose_sent(b, reason, queued_bytes - unsent);
}

/* memcached over its limit of connections accepts, says so and closes. That is no reply
 * to what was asked first: nothing that was sent has been looked at. */
static bool
is_turned_away(const struct backend *b)
{
    return !b->gave_bytes &&
           span_starts_with(buf_span(&b->in), SPAN_LIT("ERROR Too many open connections\r\n"));
}

static bool
take_piece(struct backend *b, struct leg *leg, const struct reply_piece *piece)
{
    if (leg->kind == LEG_HERALD) {
        herald_answered(b, piece->line);
        return true;
    }
    if (!rejoin_owns(leg)) {
        return answer_piece(leg, piece);
    }
    bool late = leg != b->live;
    return late || rejoin_piece(b, leg, piece);
}

/* A hit of a get of one key mostly comes with its END: both are one piece then,
 * and are told and accounted for at once. */
static void
take_end_along(const struct backend *b, const struct leg *leg, struct reply_piece *piece)
{
    struct span rest = span_skip(buf_span(&b->in), piece->raw.len);
    bool one_key = leg->kind == LEG_ONE || leg->kind == LEG_FETCH;
    if (one_key && span_starts_with(rest, SPAN_LIT("END\r\n"))) {
        piece->raw.len += sizeof("END\r\n") - 1;
        piece->final = true;
    }
}

static void
end_reply(struct backend *b)
{
    b->reply_bytes += b->reply_so_far / 8 - b->reply_bytes / 8;
    b->reply_so_far = 0;
    leg_queue_finish_first(b);
}

/* Of a multiget many pieces at once. */
static bool
take_run(struct backend *b, struct leg *leg)
{
    bool ended;
    size_t bytes = answer_run(leg, buf_span(&b->in), &ended);
    if (bytes == 0) {
        return false;
    }
    leg->begun = true;
    buf_consume(&b->in, bytes);
    b->reply_so_far += bytes;
    if (ended) {
        end_reply(b);
    }
    return true;
}

/* An error line to a client's request may say that our table is too old. Then the
 * request has failed. */
static bool
is_refused(struct backend *b, const struct leg *leg, const struct reply_piece *piece)
{
    return leg == b->live && leg->kind != LEG_HERALD && leg->kind != LEG_PROBE &&
           !rejoin_owns(leg) && herald_is_refusal(b, piece->line);
}

/* Parses what has come. False if the connection is lost for it. */
static bool
take_replies(struct backend *b)
{
    while (buf_len(&b->in) > 0) {
        struct leg *leg = b->first;
        struct reply_piece piece;
        if (leg == NULL) {
            return false;
        }
        if (b->parser.scanned == 0 &&
            ((b->reply_so_far == 0 && plain_answers(b)) || take_run(b, leg))) {
            continue;
        }
        switch (reply_parse(&b->parser, buf_span(&b->in), (enum reply_shape)leg->shape,
                            REPLY_VALUE_MAX, &piece)) {
        case REPLY_NEED_MORE: leg->begun = true; return true;
        case REPLY_GARBAGE: leg->begun = true; return false;
        case REPLY_PIECE: break;
        }
        if (piece.kind == REPLY_VALUE) {
            take_end_along(b, leg, &piece);
        } else if (reply_is_error(piece.kind) && leg->kind != LEG_HERALD) {
            worker_count(b->worker, METRIC_ID_BACKEND_ERRORS, 1);
        }
        if (reply_is_error(piece.kind) && is_refused(b, leg, &piece)) {
            leg_queue_refuse_first(b, FAILURE_STALE);
        } else if (!take_piece(b, leg, &piece)) {
            leg->begun = true;
            return false;
        }
        buf_consume(&b->in, piece.raw.len);
        b->reply_so_far += piece.raw.len;
        if (piece.final) {
            end_reply(b);
        }
    }
    return true;
}

/* False as above. What answers the greeting says nothing of how the node serves. */
static inline bool
take_input(struct backend *b)
{
    if (__builtin_expect(b->greeting_owed, 0)) {
        bool good = herald_take_greeting(b);
        if (!good || b->greeting_owed || buf_len(&b->in) == 0) {
            return good;
        }
    }
    bufpool_give_back(&b->worker->bufs, &b->sent);
    b->gave_bytes = true;
    bool good = take_replies(b);
    if (b->latency_count > 0) {
        leg_queue_note_latency(b);
    }
    return good;
}

static char *
aim(void *arg, size_t *room)
{
    struct backend *b = arg;
    if (b->in.mem == NULL) {
        b->in = bufpool_borrow(&b->worker->bufs);
    }
    size_t missing = b->parser.need > buf_len(&b->in) ? b->parser.need - buf_len(&b->in) : 0;
    *room = missing < READ_BYTES ? READ_BYTES : missing < READ_BYTES_MAX ? missing : READ_BYTES_MAX;
    return buf_room(&b->in, *room);
}

static void
read_some(struct backend *b)
{
    size_t room;
    char *at = aim(b, &room);
    if (at == NULL) {
        lose_connection(b, "out of memory");
        return;
    }
    ssize_t n = loop_io_recv(&b->io, at, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        lose_connection(b, n == 0 ? "closed by the node" : strerror(errno));
        return;
    }
    worker_count(b->worker, METRIC_ID_BACKEND_READ, (uint64_t)n);
    buf_grew(&b->in, (size_t)n);
    if (is_turned_away(b)) {
        worker_count(b->worker, METRIC_ID_BACKEND_ERRORS, 1);
        lose_sent(b, "it has too many connections", 0);
        return;
    }
    b->progress_us = worker_now_us(b->worker);
    if (!take_input(b)) {
        worker_count(b->worker, METRIC_ID_GARBAGE, 1);
        lose_connection(b, "not a reply to what was asked");
        return;
    }
    if (buf_len(&b->in) == 0) {
        bufpool_give_back(&b->worker->bufs, &b->in);
    }
}

/* No connection came about: the next address has its turn, with all that waits,
 * or, when each has had one, the node is one that cannot be connected to. */
static void
connect_failed(struct backend *b, const char *reason)
{
    b->addr_at++;
    if (++b->addrs_tried < endpoint_count(b->endpoint)) {
        close_connection(b);
        backend_busy(b);
        return;
    }
    b->addrs_tried = 0;
    endpoint_look_up(b->endpoint);
    lose_connection(b, reason);
}

static void
connect_decided(struct backend *b)
{
    int error = sock_connect_error(b->fd);
    if (error != 0) {
        connect_failed(b, strerror(error));
        return;
    }
    b->state = BACKEND_CONNECTED;
    b->addrs_tried = 0;
    b->progress_us = worker_now_us(b->worker);
    atomic_fetch_add_explicit(&b->stats->connects, 1, memory_order_relaxed);
    sock_keepalive(b->fd, KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_PROBES);
    loop_io_want(&b->io, LOOP_READ);
    if (!herald_greet(b)) {
        lose_connection(b, "cannot be sent to");
    }
}

static void
on_ready(void *arg, int ready)
{
    struct backend *b = arg;
    if (b->state == BACKEND_CONNECTING) {
        connect_decided(b);
        backend_busy(b);
        return;
    }
    if (ready & LOOP_WRITE) {
        backend_busy(b);
    }
    if (ready & LOOP_READ) {
        read_some(b);
    }
}

static void
begin_connect(struct backend *b)
{
    worker_count(b->worker, METRIC_ID_BACKEND_CONNECTS, 1);
    b->gave_bytes = false;
    struct addr addr;
    if (!endpoint_addr(b->endpoint, b->addr_at, &addr)) {
        connect_failed(b, "its name has no address");
        return;
    }
    b->fd = sock_connect(&addr);
    if (b->fd < 0) {
        connect_failed(b, strerror(errno));
        return;
    }
    b->state = BACKEND_CONNECTING;
    b->connect_until_us = worker_now_us(b->worker) + b->connect_timeout_us;
    backend_wake_at(b, b->connect_until_us);
    loop_io_init(&b->io, b->worker->loop, b->fd, on_ready, b);
    b->io.aim = aim;
    loop_io_want(&b->io, LOOP_WRITE);
}

static void
consume_sent(struct backend *b, size_t n)
{
    if (b->owed_nothing && n == buf_len(&b->out) && n <= BACKEND_SENT_MAX) {
        b->sent = b->out;
        b->out = BUF_EMPTY;
    } else {
        buf_consume(&b->out, n);
    }
    b->owed_nothing = false;
}

static void
take_sent(struct backend *b, ssize_t n)
{
    if (n < 0 && n != -EAGAIN && n != -EINTR) {
        lose_connection(b, strerror((int)-n));
        return;
    }
    if (n > 0) {
        worker_count(b->worker, METRIC_ID_BACKEND_SENDS, 1);
        worker_count(b->worker, METRIC_ID_BACKEND_WRITTEN, (uint64_t)n);
        consume_sent(b, (size_t)n);
    }
    bool left = buf_len(&b->out) > 0;
    if (!left) {
        bufpool_give_back(&b->worker->bufs, &b->out);
    }
    loop_io_want(&b->io, LOOP_READ | (left ? LOOP_WRITE : 0));
    queue_watch_crowd(b);
}

struct span
backend_unsent(struct backend *b)
{
    if (b->stats_requests > 0) {
        atomic_fetch_add_explicit(&b->stats->requests, b->stats_requests, memory_order_relaxed);
        worker_count(b->worker, METRIC_ID_BACKEND_REQUESTS, b->stats_requests);
        b->stats_requests = 0;
    }
    if (b->state == BACKEND_CLOSED && b->first != NULL) {
        begin_connect(b);
    }
    return b->state == BACKEND_CONNECTED ? buf_span(&b->out) : span_make("", 0);
}

void
backend_end_turn(struct backend *b, ssize_t sent)
{
    if (b->state == BACKEND_CONNECTED) {
        take_sent(b, sent);
    }
    if (b->retired && b->first == NULL) {
        backend_destroy(&b);
    }
}

/* --- time -------------------------------------------------------------------------- */

void
backend_wake_at(struct backend *b, uint64_t due_us)
{
    if (due_us == UINT64_MAX || (b->timer_due_us != 0 && b->timer_due_us <= due_us)) {
        return;
    }
    uint64_t now = worker_now_us(b->worker);
    b->timer_due_us = due_us;
    loop_timer_start(&b->timer, due_us > now ? (due_us - now + 999) / 1000 : 0);
}

static bool
owes_late_replies(const struct backend *b)
{
    return b->first != NULL && b->first != b->live;
}

static uint64_t
stalled_at_us(const struct backend *b)
{
    return b->progress_us + STALL_TIMEOUTS * b->request_timeout_us;
}

static void
sleep_until_due(struct backend *b)
{
    if (b->live != NULL) {
        backend_wake_at(b, b->live->deadline_us);
    }
    if (b->state == BACKEND_CONNECTING) {
        backend_wake_at(b, b->connect_until_us);
    }
    if (b->state == BACKEND_CONNECTED && owes_late_replies(b)) {
        backend_wake_at(b, stalled_at_us(b));
    }
    if (b->health.state == HEALTH_DOWN && b->probe == NULL && !b->retired && !b->masked) {
        backend_wake_at(b, b->health.probe_due_us);
    }
    backend_wake_at(b, rejoin_due_us(b));
}

void
backend_tick(struct backend *b)
{
    sleep_until_due(b);
}

static void
on_timer(void *arg)
{
    struct backend *b = arg;
    uint64_t now = worker_now_us(b->worker);
    bool excused = own_stall_excuses(&b->excused, b->timer_due_us, now);
    b->timer_due_us = 0;
    if (excused) {
        backend_wake_at(b, now + OWN_STALL_GRACE_US);
        return;
    }
    while (b->live != NULL && b->live->deadline_us <= now) {
        leg_queue_time_out(b);
    }
    if (b->state == BACKEND_CONNECTING && b->connect_until_us <= now) {
        connect_failed(b, "connect timed out");
    } else if (b->state == BACKEND_CONNECTED && owes_late_replies(b) &&
               (stalled_at_us(b) <= now || b->owed_bytes > BACKEND_OWED_MAX)) {
        worker_count(b->worker, METRIC_ID_STALLED, 1);
        lose_connection(b, "owes replies and makes no progress");
    }
    prober_run(b, now);
    rejoin_run(b, now);
    sleep_until_due(b);
    backend_busy(b);
}

/* --- its life ------------------------------------------------------------------------ */

/* Who watches over nodes that serve is not told of those that get copies. */
static void
count_down(struct backend *b, int change)
{
    struct worker *w = b->worker;
    if (b->shadow) {
        return;
    }
    if (change > 0) {
        worker_count(w, METRIC_ID_WENT_DOWN, 1);
        worker_count(w, METRIC_ID_BACKENDS_DOWN, 1);
    } else {
        worker_count(w, METRIC_ID_WENT_UP, 1);
        metric_sub(w->metrics, METRIC_ID_BACKENDS_DOWN, 1);
    }
    atomic_fetch_add_explicit(&b->stats->down, (unsigned)change, memory_order_relaxed);
    if (!b->retired) {
        roster_count_down(w->roster, b->node, change);
    }
}

void
backend_note(struct backend *b, enum health_event event)
{
    struct worker *w = b->worker;
    switch (health_note(&b->health, event, worker_now_us(w))) {
    case HEALTH_SAME: break;
    case HEALTH_REACHED: rejoin_begin(b); break;
    case HEALTH_WENT_DOWN:
        b->rejoin.down_since_us = worker_now_us(w);
        LOG_LIMITED(STATE_LINES_A_SECOND, LOG_WARN, b->shadow ? "shadow_down" : "backend_down",
                    "node=%s after=%s", LOG_STR(b->name), health_event_name(event));
        count_down(b, 1);
        break;
    case HEALTH_WENT_UP:
        LOG_LIMITED(STATE_LINES_A_SECOND, LOG_INFO, b->shadow ? "shadow_up" : "backend_up",
                    "node=%s", LOG_STR(b->name));
        count_down(b, -1);
        break;
    }
    sleep_until_due(b);
}

void
backend_retire(struct backend **backend)
{
    struct backend *b = *backend;
    *backend = NULL;
    b->retired = true;
    backend_busy(b);
}

void
backend_destroy(struct backend **backend)
{
    struct backend *b = *backend;
    *backend = NULL;
    b->retired = true;
    size_t sent = leg_queue_bytes(b->first) - buf_len(&b->out);
    close_connection(b);
    drop_output(b, 0);
    leg_queue_fail(b, NULL, sent);
    bufpool_give_back(&b->worker->bufs, &b->sent);
    if (backend_is_down(b) && !b->shadow) {
        metric_sub(b->worker->metrics, METRIC_ID_BACKENDS_DOWN, 1);
        atomic_fetch_sub_explicit(&b->stats->down, 1, memory_order_relaxed);
    }
    loop_timer_deinit(&b->timer);
    list_remove(&b->link);
    list_remove(&b->busy_link);
    list_remove(&b->herald_link);
    node_stats_unref(&b->stats);
    journal_unref(&b->journal);
    buf_deinit(&b->keys);
    endpoint_unref(&b->endpoint);
    free(b->name);
    free(b);
}
