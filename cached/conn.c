#include "cached/conn.h"
#include "cached/conn_input.h"
#include "cached/dump.h"
#include "cached/watch.h"
#include "common/net/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_ROOM_BYTES 16384 /* behind a half command that is held already */
#define ACTIVE_GRAIN_MS 100   /* to which it is known when a client was active */

/* A client whose machine has died gives its slot back after two or three minutes. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     5

static void on_io(void *arg, int ready);

/* --- opening and closing ---------------------------------------------------- */

void
conn_open(struct worker *w, int fd)
{
    struct node *node = w->node;
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        worker_count(w, METRIC_ID_NODE_OUT_OF_MEMORY);
        node_connection_closed(node);
        return;
    }
    c->worker = w;
    c->parser = REQUEST_PARSER_INIT;
    atomic_init(&c->active_ms, node_now_ms(node));
    list_push_back(&w->conns, &c->link);
    list_init(&c->half);
    list_init(&c->yield);
    list_init(&c->unsent);
    sock_keepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES);
    loop_io_init(&c->io, w->loop, fd, on_io, c);
    loop_io_want(&c->io, LOOP_READ);
    metric_add(w->metrics, METRIC_ID_NODE_CONNECTIONS, 1);
    pthread_mutex_lock(&node->registry_lock);
    list_push_back(&node->registry, &c->entry);
    pthread_mutex_unlock(&node->registry_lock);
    conn_memory_settle(c);
    watch_opened(c);
}

static void
tell_end(struct conn *c, enum conn_end why)
{
    if (!c->end_told) {
        watch_closed(c, why);
        c->end_told = true;
    }
}

void
conn_close(struct conn *c, enum conn_end why)
{
    struct worker *w = c->worker;
    struct node *node = w->node;
    pthread_mutex_lock(&node->registry_lock);
    list_remove(&c->entry);
    pthread_mutex_unlock(&node->registry_lock);
    tell_end(c, why);
    watch_end(c);
    if (c->ingest != NULL) {
        ingest_abandon(c, c->ingest);
        free(c->ingest);
    }
    dump_end(c);
    fencing_forget(c);
    sends_forget(w, c);
    list_remove(&c->link);
    list_remove(&c->half);
    worker_note_halves(w);
    list_remove(&c->yield);
    list_remove(&c->unsent);
    loop_io_deinit(&c->io);
    close(c->io.fd);
    outbox_deinit(&c->out, w->store);
    buf_deinit(&c->in);
    conn_memory_leave(c);
    free(c);
    metric_sub(w->metrics, METRIC_ID_NODE_CONNECTIONS, 1);
    node_connection_closed(node);
}

void
conn_put_error(struct conn *c, enum proto_error error)
{
    if (error == PROTO_ERR_STALE_EPOCH) {
        fencing_put_refusal(c);
        return;
    }
    outbox_put_span(&c->out, error_line(error));
}

void
conn_swallow(struct conn *c, uint64_t bytes, enum proto_error error)
{
    c->swallow_bytes = bytes;
    c->swallow_error = error;
    if (bytes == 0) {
        conn_put_error(c, error);
    }
}

const char *
conn_state_name(enum conn_state state)
{
    static const char *const names[] = {
#define X(id, name) name,
        CONN_STATES(X)
#undef X
    };
    return names[state];
}

/* --- the turn --------------------------------------------------------------- */

/* How far a turn came with its input. */
struct turn {
    bool stopped;  /* there is more to do that needs no more reading */
    bool progress; /* some of it was done with */
};

static inline void
borrow_spare(struct conn *c)
{
    if (c->out.bytes.mem == NULL) {
        c->out.bytes = sends_borrow(&c->worker->sends);
    }
}

/* Gives the buffer back to the worker, or frees what is not needed. */
static inline __attribute__((always_inline)) void
return_spare(struct conn *c)
{
    if (buf_len(&c->out.bytes) == 0) {
        sends_give_back(&c->worker->sends, &c->out.bytes, WORKER_SCRATCH_BYTES);
    }
    outbox_trim(&c->out);
}

/* Half a command is held: the client has CONN_HALF_MAX_MS for the rest of a
 * line, and as long again for each piece of a value. `progress`: input was done
 * with, so what is held now began in this turn. A connection that is closing has
 * as long for each piece of output that it takes, and once for closing its side. */
static void
note_half(struct conn *c, struct turn turn, bool sent)
{
    struct worker *w = c->worker;
    bool value = c->ingest != NULL || c->swallow_bytes > 0;
    bool line = buf_len(&c->in) > 0 && !turn.stopped;
    bool moved = c->closing ? sent : value || turn.progress;
    if (!value && !line && !c->closing) {
        if (list_linked(&c->half)) {
            list_remove(&c->half);
            worker_note_halves(w);
        }
    } else if (moved || !list_linked(&c->half)) {
        c->half_since_ms = w->now_ms;
        list_remove(&c->half);
        list_push_back(&w->halves, &c->half);
        worker_note_halves(w);
    }
}

static enum conn_state
state_of(const struct conn *c)
{
    if (outbox_unsent(&c->out) > 0) {
        return CONN_WRITE;
    }
    if (c->dump != NULL || c->watch != NULL) {
        return CONN_WATCH;
    }
    if (c->ingest != NULL) {
        return CONN_VALUE;
    }
    if (c->swallow_bytes > 0) {
        return CONN_SWALLOW;
    }
    return buf_len(&c->in) > 0 ? CONN_PARSE : CONN_READ;
}

static void
want(struct conn *c, bool stopped)
{
    bool unsent = outbox_unsent(&c->out) > 0;
    bool read = !stopped && !(c->closing && unsent);
    loop_io_want(&c->io, (read ? LOOP_READ : 0) | (unsent ? LOOP_WRITE : 0));
}

/* Nothing is unfinished, or was so before this turn, as nearly always: then there
 * is nothing to note, and the same to wait for as before. */
static bool
is_calm(const struct conn *c)
{
    return c->io.wanted == LOOP_READ && !list_linked(&c->half) && buf_len(&c->in) == 0 &&
           c->ingest == NULL && c->swallow_bytes == 0 && c->dump == NULL && c->watch == NULL &&
           !c->closing && !c->fenced;
}

/* Everything is said. What the peer still sends is read and dropped, because
 * closing over unread bytes resets the connection, and the reset can overtake
 * our last reply. */
static void
begin_drain(struct conn *c)
{
    tell_end(c, c->refused ? END_ERROR : END_NORMAL);
    buf_deinit(&c->in);
    shutdown(c->io.fd, SHUT_WR);
}

static inline __attribute__((always_inline)) enum outbox_status
send_answers(struct conn *c, uint64_t *sent)
{
    struct worker *w = c->worker;
    *sent = 0;
    enum outbox_status status = outbox_send(&c->out, w->store, c->io.fd, sent);
    metric_add(w->metrics, METRIC_ID_NODE_BYTES_WRITTEN, *sent);
    if (service_turn_measured(&w->service_times)) {
        service_close(&w->service_times, w->metrics, loop_now_us(w->loop));
    }
    return status;
}

/* Decides what to wait for. */
static void
settle_turn(struct conn *c, struct turn turn, enum outbox_status status, uint64_t sent)
{
    struct worker *w = c->worker;
    if (status == OUTBOX_BROKEN || (c->eof && status == OUTBOX_EMPTY)) {
        conn_close(c, status == OUTBOX_BROKEN ? END_ERROR : END_NORMAL);
        return;
    }
    if (c->closing && status == OUTBOX_EMPTY) {
        begin_drain(c);
    }
    return_spare(c);
    if (!conn_memory_settle(c)) {
        worker_count(w, METRIC_ID_NODE_MEMORY_KICKS);
        conn_close(c, END_ERROR);
        return;
    }
    c->calm = status == OUTBOX_EMPTY && !turn.stopped && is_calm(c);
    c->io.reads_little &= c->calm;
    if (c->calm) {
        atomic_store_explicit(&c->state, CONN_READ, memory_order_relaxed);
        return;
    }
    note_half(c, turn, sent > 0);
    if (turn.stopped && !conn_blocked(c)) {
        worker_yield(w, c);
    }
    want(c, turn.stopped);
    atomic_store_explicit(&c->state, state_of(c), memory_order_relaxed);
}

static void
end_turn(struct conn *c, struct turn turn)
{
    if (c->out.out_of_memory) { /* a reply may be incomplete: not a byte of it */
        worker_count(c->worker, METRIC_ID_NODE_OUT_OF_MEMORY);
        conn_close(c, END_ERROR);
        return;
    }
    uint64_t sent;
    enum outbox_status status = send_answers(c, &sent);
    settle_turn(c, turn, status, sent);
}

/* The connection is not idle: it sends, or takes what it asked for. It goes
 * behind the others not every time, since that touches their memory. */
static inline void
note_active(struct conn *c)
{
    struct worker *w = c->worker;
    uint64_t now_us = loop_now_us(w->loop);
    if (now_us != w->now_us) { /* the first one of this turn of the loop */
        w->now_us = now_us;
        w->now_ms = node_ms_at(w->node, now_us);
        worker_turns_anew(w);
    }
    crowd_joins(&w->crowd, &c->crowd_round);
    if (w->now_ms - atomic_load_explicit(&c->active_ms, memory_order_relaxed) >= ACTIVE_GRAIN_MS) {
        atomic_store_explicit(&c->active_ms, w->now_ms, memory_order_relaxed);
        list_remove(&c->link);
        list_push_back(&w->conns, &c->link);
    }
}

static inline void
begin_turn(struct conn *c)
{
    note_active(c);
    service_turn_begins(&c->worker->service_times, c->worker->metrics);
    atomic_store_explicit(&c->state, CONN_PARSE, memory_order_relaxed);
    borrow_spare(c);
}

static struct turn
consume_held(struct conn *c)
{
    struct turn turn;
    uint64_t requests = c->worker->node->options.requests_per_turn;
    size_t used = conn_consume(c, buf_span(&c->in), requests, &turn.stopped);
    buf_consume(&c->in, used);
    buf_shrink(&c->in, 0);
    turn.progress = used > 0;
    return turn;
}

/* What is left is kept by the connection itself. */
static struct turn
consume_scratch(struct conn *c, struct span input, uint64_t requests)
{
    struct turn turn = {.progress = true};
    size_t used = conn_consume(c, input, requests, &turn.stopped);
    if (used < input.len && !buf_append_span(&c->in, span_skip(input, used))) {
        c->out.out_of_memory = true;
    }
    return turn;
}

void
conn_continue(struct conn *c)
{
    begin_turn(c);
    end_turn(c, consume_held(c));
}

/* --- reading ---------------------------------------------------------------- */

/* Where the next bytes go: into the item whose value is arriving, then behind
 * a half command if one is held, else into the worker's scratch. */
static int
aim(struct conn *c, struct iovec *iov)
{
    int n = 0;
    if (c->ingest != NULL) {
        n = ingest_rooms(c->ingest, iov);
        ingest_grows(c, c->ingest, &iov[0], iov[0].iov_len);
        if (!ingest_nearly_full(c->ingest)) {
            return n;
        }
    }
    if (buf_len(&c->in) > 0) {
        char *room = buf_room(&c->in, READ_ROOM_BYTES);
        if (room == NULL) {
            return -1;
        }
        iov[n++] = (struct iovec){room, READ_ROOM_BYTES};
    } else {
        iov[n++] = (struct iovec){c->worker->scratch, c->worker->memory.read_max};
    }
    return n;
}

static void
on_bytes(struct conn *c, size_t n, bool held)
{
    begin_turn(c);
    if (c->closing) {
        n = 0; /* draining */
    }
    if (c->ingest != NULL) {
        n = conn_finish_held_value(c, n);
    }
    if (held) {
        buf_grew(&c->in, n);
        end_turn(c, consume_held(c));
    } else {
        uint64_t requests = c->worker->node->options.requests_per_turn;
        end_turn(c, consume_scratch(c, span_make(c->worker->scratch, n), requests));
    }
}

/* Nearly always all goes into the scratch, and what was read ahead does: then nothing was
 * unfinished. -1 with ENOMEM: there is no room. */
static ssize_t
receive(struct conn *c)
{
    if (c->ingest == NULL && buf_len(&c->in) == 0) {
        return loop_io_recv(&c->io, c->worker->scratch, c->worker->memory.read_max);
    }
    ASSERT(c->io.ahead == NULL);
    struct iovec iov[INGEST_ROOMS + 1];
    int count = aim(c, iov);
    if (count < 0) {
        errno = ENOMEM;
        return -1;
    }
    return readv(c->io.fd, iov, count);
}

/* There was nothing to read, which errno explains. */
static void
on_no_bytes(struct conn *c, ssize_t n)
{
    if (n == 0) {
        /* The client may have closed only its half and still read. */
        c->closing = c->eof = true;
        end_turn(c, (struct turn){0});
    } else if (errno == ENOMEM) {
        c->out.out_of_memory = true;
        end_turn(c, (struct turn){0});
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_close(c, END_ERROR);
    }
}

static void
read_once(struct conn *c)
{
    bool held = buf_len(&c->in) > 0;
    ssize_t n = receive(c);
    if (n <= 0) {
        on_no_bytes(c, n);
        return;
    }
    metric_add(c->worker->metrics, METRIC_ID_NODE_BYTES_READ, (uint64_t)n);
    on_bytes(c, (size_t)n, held);
}

/* The plain requests at the head of `input`, which is not empty. Returns their bytes. */
static inline size_t
consume_plain(struct conn *c, struct span input, uint64_t *requests)
{
    size_t used = conn_take_plain(c, input, requests), n = used;
    while (n > 0 && *requests > 0 && used < input.len && !conn_blocked(c)) {
        if (__builtin_expect(*loop_work_note(c->worker->loop), 0)) {
            break; /* which asks how much it was */
        }
        n = conn_take_plain(c, span_skip(input, used), requests);
        used += n;
    }
    return used;
}

/* The answers to a calm turn are sent, or what the socket took of them. */
static inline void
end_calmly(struct conn *c, enum outbox_status status, uint64_t sent)
{
    if (__builtin_expect(status != OUTBOX_EMPTY, 0)) {
        settle_turn(c, (struct turn){.progress = true}, status, sent);
        return;
    }
    return_spare(c);
    atomic_store_explicit(&c->state, CONN_READ, memory_order_relaxed);
}

/* What nearly all turns are: whole requests of the usual kinds come in, and all
 * answers go out. Then nothing can be unfinished that was not before, and the
 * connection holds no memory that it did not hold. All else takes the general way
 * from where it shows. */
static void
read_calmly(struct conn *c)
{
    struct worker *w = c->worker;
    ssize_t n = loop_io_recv(&c->io, w->scratch, w->memory.read_max);
    if (__builtin_expect(n <= 0, 0)) {
        on_no_bytes(c, n);
        return;
    }
    metric_add(w->metrics, METRIC_ID_NODE_BYTES_READ, (uint64_t)n);
    begin_turn(c);
    struct span input = span_make(w->scratch, (size_t)n);
    uint64_t requests = w->node->options.requests_per_turn, sent;
    size_t used = consume_plain(c, input, &requests);
    if (__builtin_expect(used < input.len || c->out.out_of_memory, 0)) {
        end_turn(c, consume_scratch(c, span_skip(input, used), requests));
        return;
    }
    if (sends_together(&w->sends)) {
        if (service_turn_measured(&w->service_times)) {
            sends_flush(w); /* they would go first, and it is measured until it is sent */
        } else if (sends_put(w, c)) {
            return;
        }
    }
    enum outbox_status status = send_answers(c, &sent);
    end_calmly(c, status, sent);
}

void
conn_sent(struct conn *c, ssize_t n)
{
    struct worker *w = c->worker;
    uint64_t sent = n > 0 ? (uint64_t)n : 0;
    outbox_took_own(&c->out, sent);
    enum outbox_status status = OUTBOX_EMPTY;
    if (__builtin_expect(outbox_unsent(&c->out) > 0, 0)) { /* it says why */
        status = outbox_send(&c->out, w->store, c->io.fd, &sent);
    }
    metric_add(w->metrics, METRIC_ID_NODE_BYTES_WRITTEN, sent);
    end_calmly(c, status, sent);
}

/* Who has reset the connection wants none of it done any more, and may have sent
 * something else since, by another connection. As long as we run, what came
 * before a reset is executed all the same, as memcached does it: clients that do
 * not wait for answers end like that. */
static void
drop_unread(struct conn *c)
{
    worker_count(c->worker, METRIC_ID_NODE_GIVEN_UP);
    conn_close(c, END_ERROR);
}

/* A unix socket knows no reset. But a proxy waits for all of its answers, so one that
 * has closed before has given up; it may not have been heard yet. Others may close when
 * they have sent what they want to have done. */
static __attribute__((noinline)) bool
is_given_up(struct conn *c, int ready)
{
    static const char word[] = "epoch ";
    char first[sizeof(word) - 1];
    if ((ready & LOOP_GIVEN_UP) || c->announced != NULL) {
        return true;
    }
    return recv(c->io.fd, first, sizeof(first), MSG_PEEK) == (ssize_t)sizeof(first) &&
           memcmp(first, word, sizeof(first)) == 0;
}

static void
on_io(void *arg, int ready)
{
    struct conn *c = arg;
    if (__builtin_expect(ready & (LOOP_GIVEN_UP | LOOP_HUNG_UP), 0) && is_given_up(c, ready)) {
        drop_unread(c);
        return;
    }
    if (c->calm) { /* and waits for input alone */
        read_calmly(c);
        return;
    }
    if (!(ready & LOOP_WRITE)) {
        read_once(c);
        return;
    }
    if ((buf_len(&c->in) > 0 || conn_goes_on(c)) && !c->closing) {
        conn_continue(c);
        return;
    }
    note_active(c);
    end_turn(c, (struct turn){0});
}
