#include "proxy/client.h"
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/calls.h"
#include "common/net/sock.h"
#include "proxy/dispatch.h"
#include "proxy/pending.h"
#include "proxy/plain.h"
#include "proxy/proxy_worker.h"
#include "proxy/queues.h"
#include "proxy/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES           65536
#define READ_BYTES_MAX       (1u << 20) /* of one read, for a large value */
#define KEEPALIVE_IDLE_S     120        /* peers that died without a word are noticed after this */
#define KEEPALIVE_EVERY_S    15
#define KEEPALIVE_PROBES     4
#define SHED_STALL_US        1000000 /* who takes nothing for so long is closed first */
#define SHED_HELD_MIN        65536   /* if it holds that much */
#define SHED_LOOK_US         10000
#define DISCARD_READS        16
#define REPLY_BYTES_AT_FIRST 16384 /* a new client's replies are taken to be so long */
#define HALF_BYTES_PER_MS    16    /* half a command may stand longer if it grows so fast */

static void on_ready(void *arg, int ready);

static struct frontend *
frontend_of(const struct client *c)
{
    return &c->worker->host->frontends->rows[c->frontend];
}

struct client *
client_create(struct worker *w, int fd, unsigned frontend)
{
    struct client *c = mem_zalloc(sizeof(*c));
    c->worker = w;
    c->fd = fd;
    c->frontend = (uint16_t)frontend;
    c->bound = frontend_is_bound(frontend_of(c));
    atomic_fetch_add_explicit(&frontend_of(c)->clients, 1, memory_order_relaxed);
    c->parser = REQUEST_PARSER_INIT;
    c->last = &c->first;
    c->reply_bytes = REPLY_BYTES_AT_FIRST;
    list_init(&c->busy_link);
    list_push_back(&w->clients, &c->link);
    sock_keepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_PROBES);
    loop_io_init(&c->io, w->loop, fd, on_ready, c);
    loop_io_want(&c->io, LOOP_READ);
    worker_count(w, METRIC_ID_CONNECTIONS, 1);
    worker_count(w, METRIC_ID_CURR_CONNECTIONS, 1);
    return c;
}

/* A socket that is closed with input unread resets the connection, and the
 * client might never see the last line that it was sent. */
static void
discard_input(struct client *c)
{
    char *room = buf_room(&c->worker->scratch, READ_BYTES);
    for (int i = 0; room != NULL && i < DISCARD_READS; i++) {
        if (recv(c->fd, room, READ_BYTES, MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}

void
client_destroy(struct client **client)
{
    struct client *c = *client;
    struct worker *w = c->worker;
    *client = NULL;
    while (c->first != NULL) {
        struct pending *p = c->first;
        c->first = p->next;
        pending_abandon(p);
    }
    watcher_end(c);
    client_release(c, c->held);
    w->shed_bytes -= c->shed_bytes;
    w->asking_clients -= c->asking;
    w->expected_bytes -= c->expected;
    if (c->closing && !c->ended) {
        discard_input(c);
    }
    loop_io_deinit(&c->io);
    close(c->fd);
    list_remove(&c->link);
    list_remove(&c->busy_link);
    bufpool_give_back(&w->bufs, &c->in);
    bufpool_give_back(&w->bufs, &c->out);
    atomic_fetch_sub_explicit(&frontend_of(c)->clients, 1, memory_order_relaxed);
    free(c);
    metric_sub(w->metrics, METRIC_ID_CURR_CONNECTIONS, 1);
    w->host->client_gone(w->host->arg);
}

void
client_busy(struct client *c)
{
    queue_client_busy(c);
}

/* Closes it; its bytes are free at the end of this turn. */
static void
shed(struct client *c)
{
    c->doomed = true;
    c->shed_bytes = c->held;
    c->worker->shed_bytes += c->held;
    client_busy(c);
    worker_count(c->worker, METRIC_ID_SHED, 1);
}

/* Who could take replies and has taken none for longest; NULL if all take theirs.
 * Looks at every client, so not in every turn. */
static struct client *
find_stalled(struct worker *w, uint64_t now_us)
{
    struct client *found = NULL;
    if (now_us - w->shed_looked_us < SHED_LOOK_US) {
        return NULL;
    }
    w->shed_looked_us = now_us;
    LIST_EACH (it, &w->clients) {
        struct client *c = LIST_ENTRY(it, struct client, link);
        bool stalls = buf_len(&c->out) > 0 && now_us - c->taken_us >= SHED_STALL_US;
        if (stalls && c->held >= SHED_HELD_MIN && !c->doomed &&
            (found == NULL || c->taken_us < found->taken_us)) {
            found = c;
        }
    }
    return found;
}

void
client_make_room(struct client *c)
{
    struct client *stalled = find_stalled(c->worker, worker_now_us(c->worker));
    if (stalled != NULL) {
        shed(stalled);
    } else if (c->held > CLIENT_HELD_MAX && !c->doomed) {
        shed(c);
    }
}

void
client_hold(struct client *c, size_t bytes)
{
    queue_hold(c, bytes);
}

void
client_release(struct client *c, size_t bytes)
{
    ASSERT(c->held >= bytes);
    c->held -= bytes;
    c->worker->held_bytes -= bytes;
    metric_set_value(c->worker->metrics, METRIC_ID_HELD_BYTES, c->worker->held_bytes);
}

/* --- writes that are not answered yet ------------------------------------------ */
#define ALL_KEYS 1u /* no hash is cut to this */

static uint32_t
cut(uint64_t hash)
{
    return (uint32_t)hash | 2;
}

void
client_begins_write(struct pending *p, uint64_t hash)
{
    p->writes = cut(hash);
    p->client->writing++;
}

void
client_begins_write_of_all(struct pending *p)
{
    p->writes = ALL_KEYS;
    p->client->writing++;
}

void
client_ends_write(struct pending *p)
{
    p->writes = 0;
    p->client->writing--;
}

bool
client_has_written(const struct client *c, uint64_t hash)
{
    for (const struct pending *p = c->first; p != NULL; p = p->next) {
        if (p->writes == ALL_KEYS || p->writes == cut(hash)) {
            return true;
        }
    }
    return false;
}

/* --- local answers --------------------------------------------------------------- */

void
client_answer(struct client *c, struct span reply)
{
    struct pending *p = pending_create(c, NULL);
    pending_emit(p, reply);
    pending_done(p);
}

void
client_answer_error(struct client *c, enum proto_error error)
{
    worker_count(c->worker, METRIC_ID_BAD_REQUESTS, 1);
    client_answer(c, error_line(error));
}

void
client_finish(struct client *c)
{
    c->closing = true;
    client_busy(c);
}

/* --- commands out of bytes --------------------------------------------------- */

/* Throws the next `bytes` of input away, then tells `error` (none for noreply). */
static void
refuse_value(struct client *c, uint64_t bytes, enum proto_error error)
{
    c->swallow = bytes;
    c->swallow_error = error;
}

static void
swallow(struct client *c, struct buf *src)
{
    uint64_t n = buf_len(src) < c->swallow ? buf_len(src) : c->swallow;
    buf_consume(src, n);
    c->swallow -= n;
    c->half_since_us = 0;
    if (c->swallow == 0 && c->swallow_error != PROTO_OK) {
        client_answer_error(c, c->swallow_error);
    }
}

static void
take_error(struct client *c, struct buf *src, const struct request *r)
{
    enum proto_error error = r->noreply ? PROTO_OK : r->error;
    buf_consume(src, r->line_bytes);
    if (r->block_bytes > 0) {
        refuse_value(c, r->block_bytes, error);
    } else if (error != PROTO_OK) {
        client_answer_error(c, error);
    }
}

static void
take_close(struct client *c, struct buf *src, const struct request *r)
{
    if (r->binary_reply) {
        char refusal[64];
        client_answer(c, span_make(refusal, binary_refusal(buf_span(src), refusal)));
    } else if (r->error != PROTO_OK) {
        client_answer_error(c, r->error);
    }
    client_finish(c);
    buf_clear(src);
}

/* Accounts for a large value that is only arriving. False if it would be too much. */
static bool
expect(struct client *c, uint64_t bytes)
{
    struct worker *w = c->worker;
    if (bytes <= READ_BYTES || c->expected != 0) {
        return true;
    }
    if (w->expected_bytes + bytes > w->limits->buffer_bytes) {
        return false;
    }
    c->expected = bytes;
    w->expected_bytes += bytes;
    return true;
}

static void
expect_no_more(struct client *c)
{
    c->worker->expected_bytes -= c->expected;
    c->expected = 0;
}

static void
refuse_store(struct client *c, struct buf *src, const struct request *r, enum proto_error error)
{
    buf_consume(src, r->line_bytes);
    refuse_value(c, r->block_bytes, r->noreply ? PROTO_OK : error);
}

/* A whole command. False if its value has not all arrived. */
static bool
take_command(struct client *c, struct buf *src, const struct request *r)
{
    if (r->value_bytes > c->worker->limits->max_value_bytes) {
        refuse_store(c, src, r, PROTO_ERR_TOO_LARGE);
        return true;
    }
    uint64_t bytes = r->line_bytes + r->block_bytes;
    if (buf_len(src) < bytes) {
        if (!expect(c, bytes)) {
            refuse_store(c, src, r, PROTO_ERR_NO_MEMORY);
            return true;
        }
        c->in_needed = bytes;
        return false;
    }
    expect_no_more(c);
    struct span block = span_make(buf_span(src).ptr + r->line_bytes, r->block_bytes);
    if (block.len > 0 && !request_block_ends_well(block.ptr + block.len - 2)) {
        if (!r->noreply) {
            client_answer_error(c, PROTO_ERR_BAD_CHUNK);
        }
    } else {
        dispatch(c, r, block);
    }
    buf_consume(src, bytes);
    return true;
}

/* What most commands are. */
static bool
take_plain(struct client *c, struct buf *src)
{
    size_t bytes = plain_take(c, buf_span(src));
    if (bytes > 0) {
        buf_consume(src, bytes);
        expect_no_more(c);
    }
    return bytes > 0;
}

/* Takes commands off `src` until it is used up, holds no more whole one, or
 * back-pressure says stop. */
static void
parse(struct client *c, struct buf *src)
{
    struct request *r = &c->worker->request;
    while (buf_len(src) > 0 && queue_admits(c)) {
        if (c->swallow > 0) {
            swallow(c, src);
            continue;
        }
        if (buf_len(src) < c->in_needed) {
            return;
        }
        c->in_needed = 0;
        if (c->parser.scanned == 0 && take_plain(c, src)) {
            continue;
        }
        switch (request_parse(&c->parser, buf_span(src), r)) {
        case PARSE_NEED_MORE: return;
        case PARSE_OK:
            if (!take_command(c, src, r)) {
                c->parser = REQUEST_PARSER_INIT;
                return;
            }
            break;
        case PARSE_ERROR: take_error(c, src, r); break;
        case PARSE_CLOSE: take_close(c, src, r); break;
        }
        c->parser = REQUEST_PARSER_INIT;
    }
}

/* --- the socket -------------------------------------------------------------- */

/* Keeps what is left of the scratch buffer as the client's own. */
static void
keep_rest(struct client *c, struct buf *scratch)
{
    if (buf_len(scratch) > 0 && !c->closing) {
        c->in = bufpool_borrow(&c->worker->bufs);
        uint64_t needed = c->in_needed < READ_BYTES_MAX ? c->in_needed : READ_BYTES_MAX;
        size_t room = needed > buf_len(scratch) ? needed : buf_len(scratch);
        if (buf_room(&c->in, room) == NULL || !buf_append_span(&c->in, buf_span(scratch))) {
            c->doomed = true;
        }
    }
    buf_clear(scratch);
}

static void
note_half(struct client *c)
{
    bool half = buf_len(&c->in) > 0 || c->swallow > 0;
    if (!half) {
        c->half_since_us = 0;
    } else if (c->half_since_us == 0) {
        c->half_since_us = worker_now_us(c->worker);
    }
}

static void
parse_own(struct client *c)
{
    if (c->closing) {
        return;
    }
    size_t before = buf_len(&c->in);
    parse(c, &c->in);
    if (buf_len(&c->in) < before) {
        c->half_since_us = 0;
    }
    if (buf_len(&c->in) == 0) {
        bufpool_give_back(&c->worker->bufs, &c->in);
    }
}

/* Where the next read goes: the worker's scratch buffer while nothing is left
 * over from the last one, so that an idle client needs no memory. */
static struct buf *
read_target(struct client *c, size_t *room)
{
    struct buf *to = buf_len(&c->in) == 0 ? &c->worker->scratch : &c->in;
    uint64_t missing = c->in_needed > buf_len(&c->in) ? c->in_needed - buf_len(&c->in) : 0;
    *room = missing < READ_BYTES ? READ_BYTES : missing;
    if (*room > READ_BYTES_MAX) {
        *room = READ_BYTES_MAX;
    }
    return to;
}

static void
read_some(struct client *c)
{
    size_t room;
    struct buf *to = read_target(c, &room);
    char *at = buf_room(to, room);
    if (at == NULL) {
        c->doomed = true;
        return;
    }
    ssize_t n = loop_io_recv(&c->io, at, room);
    if (n < 0) {
        c->doomed |= errno != EAGAIN && errno != EINTR;
        return;
    }
    if (n == 0) {
        /* All that it asked before is still answered, as memcached would. */
        c->ended = true;
        return;
    }
    worker_count(c->worker, METRIC_ID_BYTES_READ, (uint64_t)n);
    buf_grew(to, (size_t)n);
    if (to == &c->in) {
        parse_own(c);
    } else {
        parse(c, to);
        keep_rest(c, to);
    }
}

static void
on_ready(void *arg, int ready)
{
    struct client *c = arg;
    if (ready & LOOP_READ) {
        read_some(c);
    }
    client_busy(c);
}

struct span
client_unsent(const struct client *c)
{
    return c->doomed ? span_make("", 0) : buf_span(&c->out);
}

/* False if the client is gone. */
static bool
take_sent(struct client *c, ssize_t n)
{
    if (n <= 0) {
        return n == 0 || n == -EAGAIN || n == -EINTR;
    }
    worker_count(c->worker, METRIC_ID_CLIENT_SENDS, 1);
    worker_count(c->worker, METRIC_ID_BYTES_WRITTEN, (uint64_t)n);
    client_release(c, (size_t)n);
    c->taken_us = worker_now_us(c->worker);
    buf_consume(&c->out, (size_t)n);
    if (buf_len(&c->out) == 0) {
        bufpool_give_back(&c->worker->bufs, &c->out);
    }
    return true;
}

/* It is to be given away: what it sends from now on is read by the process that
 * took over, or who always has something on his way would never be idle. */
static bool
is_parting(const struct client *c)
{
    return c->worker->gives_clients && c->first != NULL && buf_len(&c->in) == 0 && c->swallow == 0;
}

/* Call when all has been parsed that may be. */
static void
want_events(struct client *c)
{
    bool reads = !c->ended && queue_admits(c) && !is_parting(c);
    bool writes = buf_len(&c->out) > 0;
    loop_io_want(&c->io, (reads ? LOOP_READ : 0) | (writes ? LOOP_WRITE : 0));
}

static bool
is_over(const struct client *c)
{
    return c->doomed || ((c->closing || c->ended) && c->first == NULL && buf_len(&c->out) == 0);
}

static void
note_asking(struct client *c)
{
    bool asking = c->first != NULL;
    c->worker->asking_clients += (unsigned)asking - (unsigned)c->asking;
    c->asking = asking;
}

void
client_end_turn(struct client *c, ssize_t sent)
{
    if (c->doomed || !take_sent(c, sent)) {
        client_destroy(&c);
        return;
    }
    if (buf_len(&c->in) > 0 && queue_admits(c)) {
        parse_own(c);
    }
    if (is_over(c)) {
        client_destroy(&c);
        return;
    }
    if (c->worker->gives_clients && worker_give_away(c->worker, c)) {
        return;
    }
    note_half(c);
    note_asking(c);
    want_events(c);
}

void
client_check_half(struct client *c, uint64_t now_us)
{
    if (c->half_since_us == 0 || c->waiting > 0 || c->watcher != NULL || !queue_admits(c)) {
        return;
    }
    uint64_t allowed_us =
        (c->worker->limits->half_command_ms + buf_len(&c->in) / HALF_BYTES_PER_MS) * 1000;
    if (now_us - c->half_since_us > allowed_us) {
        worker_count(c->worker, METRIC_ID_HALF_CUT, 1);
        c->doomed = true;
        client_busy(c);
    }
}

bool
client_is_told_all(const struct client *c)
{
    return c->first == NULL && buf_len(&c->out) == 0;
}

bool
client_is_idle(const struct client *c)
{
    return client_is_told_all(c) && buf_len(&c->in) == 0 && c->swallow == 0;
}

bool
client_is_portable(const struct client *c)
{
    return client_is_idle(c) && !c->closing && !c->ended && !c->doomed;
}
