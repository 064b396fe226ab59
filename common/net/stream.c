#include "common/net/stream.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES     65536
#define BUF_KEEP_BYTES 4096

struct shared_bytes {
    struct buf bytes;
    unsigned refs;
};

struct stream {
    struct loop *loop;
    struct loop_io io;
    struct loop_hook turn_end; /* added while a write waits for the turn's end */
    struct loop_timer timer; /* connect deadline, then write stall; at 0 ms: a failure to report */
    struct stream_limits limits;
    const struct stream_events *events;
    void *arg;
    struct buf in, out;
    struct shared_bytes *shared; /* sent after the first shared_after bytes of `out` */
    size_t shared_after;
    size_t shared_sent;
    uint64_t progress_ms; /* when output last moved, or became pending */
    const char *failure;  /* set: dead, closed() is due or was called */
    bool *destroyed;      /* tells a running callback frame that we are gone */
    int fd;
    bool connecting;
    char peer[ADDR_TEXT_MAX];
};

struct shared_bytes *
shared_bytes_create(struct buf *bytes)
{
    struct shared_bytes *b = mem_alloc(sizeof(*b));
    *b = (struct shared_bytes){*bytes, 1};
    *bytes = BUF_EMPTY;
    return b;
}

struct shared_bytes *
shared_bytes_ref(struct shared_bytes *b)
{
    b->refs++;
    return b;
}

void
shared_bytes_unref(struct shared_bytes **b)
{
    struct shared_bytes *it = *b;
    *b = NULL;
    if (it != NULL && --it->refs == 0) {
        buf_deinit(&it->bytes);
        free(it);
    }
}

struct span
shared_bytes_span(const struct shared_bytes *b)
{
    return buf_span(&b->bytes);
}

static void
fail_later(struct stream *s, const char *reason)
{
    if (s->failure != NULL) {
        return;
    }
    s->failure = reason;
    loop_io_want(&s->io, 0);
    loop_timer_start(&s->timer, 0);
}

static int
wanted(const struct stream *s)
{
    if (s->connecting) {
        return LOOP_WRITE;
    }
    return LOOP_READ | (stream_unsent(s) > 0 ? LOOP_WRITE : 0);
}

/* What goes out next; empty if nothing is left. */
static struct span
next_bytes(const struct stream *s)
{
    if (s->shared == NULL) {
        return buf_span(&s->out);
    }
    if (s->shared_after > 0) {
        return span_make(buf_span(&s->out).ptr, s->shared_after);
    }
    return span_skip(shared_bytes_span(s->shared), s->shared_sent);
}

static void
sent(struct stream *s, size_t n)
{
    s->progress_ms = clock_mono_ms();
    if (s->shared == NULL) {
        buf_consume(&s->out, n);
    } else if (s->shared_after > 0) {
        buf_consume(&s->out, n);
        s->shared_after -= n;
    } else {
        s->shared_sent += n;
        if (s->shared_sent == shared_bytes_span(s->shared).len) {
            shared_bytes_unref(&s->shared);
        }
    }
}

static void
flush(struct stream *s)
{
    if (s->failure != NULL || s->connecting) {
        return;
    }
    while (stream_unsent(s) > 0) {
        struct span bytes = next_bytes(s);
        ssize_t n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n > 0) {
            sent(s, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            fail_later(s, strerror(errno));
            return;
        }
        break;
    }
    if (stream_unsent(s) == 0) {
        buf_shrink(&s->out, BUF_KEEP_BYTES);
    } else if (s->limits.stall_ms > 0 && !loop_timer_running(&s->timer)) {
        loop_timer_start(&s->timer, s->limits.stall_ms);
    }
    loop_io_want(&s->io, wanted(s));
    if (stream_unsent(s) == 0 && s->events->drained != NULL) {
        s->events->drained(s->arg); /* may destroy the stream */
    }
}

static void
on_turn_end(void *arg)
{
    struct stream *s = arg;
    loop_hook_remove(&s->turn_end);
    flush(s);
}

static void
on_timer(void *arg)
{
    struct stream *s = arg;
    if (s->failure == NULL && s->connecting) {
        s->failure = "connect timed out";
    } else if (s->failure == NULL && stream_unsent(s) > 0) {
        uint64_t idle = clock_mono_ms() - s->progress_ms;
        if (idle < s->limits.stall_ms) {
            loop_timer_start(&s->timer, s->limits.stall_ms - idle);
            return;
        }
        s->failure = "peer does not read";
    }
    if (s->failure != NULL) {
        loop_io_want(&s->io, 0);
        s->events->closed(s->arg, s->failure);
    }
}

static void
finish_connect(struct stream *s)
{
    int error = sock_connect_error(s->fd);
    if (error != 0) {
        fail_later(s, strerror(error));
        return;
    }
    s->connecting = false;
    loop_timer_stop(&s->timer);
    loop_io_want(&s->io, wanted(s));
    if (s->events->connected != NULL) {
        s->events->connected(s->arg);
    }
}

static void
read_some(struct stream *s)
{
    if (buf_len(&s->in) >= s->limits.input_max) {
        fail_later(s, "input over the limit");
        return;
    }
    char *to = buf_room(&s->in, READ_BYTES);
    if (to == NULL) {
        fail_later(s, "out of memory");
        return;
    }
    ssize_t n = recv(s->fd, to, READ_BYTES, 0);
    if (n > 0) {
        buf_grew(&s->in, (size_t)n);
        bool gone = false;
        s->destroyed = &gone;
        s->events->readable(s->arg);
        if (!gone) {
            s->destroyed = NULL;
            if (buf_len(&s->in) == 0) { /* else it would be grown again for the rest */
                buf_shrink(&s->in, BUF_KEEP_BYTES);
            } else if (buf_len(&s->in) > s->limits.input_max) {
                fail_later(s, "input over the limit"); /* there may be nothing more to read */
            }
        }
        return;
    }
    if (n == 0) {
        fail_later(s, "closed");
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        fail_later(s, strerror(errno));
    }
}

static void
on_io(void *arg, int ready)
{
    struct stream *s = arg;
    if (s->failure != NULL) {
        return;
    }
    if (s->connecting) {
        finish_connect(s);
    } else if (ready & LOOP_WRITE) {
        flush(s);
    } else {
        read_some(s);
    }
}

static struct stream *
make_stream(struct loop *loop, int fd, const struct stream_limits *limits,
            const struct stream_events *events, void *arg)
{
    struct stream *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->fd = fd;
    s->limits = *limits;
    s->events = events;
    s->arg = arg;
    loop_timer_init(&s->timer, loop, on_timer, s);
    loop_io_init(&s->io, loop, fd, on_io, s);
    return s;
}

struct stream *
stream_adopt(struct loop *loop, int fd, const struct stream_limits *limits,
             const struct stream_events *events, void *arg)
{
    struct stream *s = make_stream(loop, fd, limits, events, arg);
    struct addr peer;
    if (sock_peer(fd, &peer)) {
        addr_format(&peer, s->peer);
    }
    sock_keepalive(fd, 10, 5, 3);
    loop_io_want(&s->io, LOOP_READ);
    return s;
}

struct stream *
stream_connect(struct loop *loop, const struct addr *addr, const struct stream_limits *limits,
               const struct stream_events *events, void *arg)
{
    int fd = sock_connect(addr);
    struct stream *s = make_stream(loop, fd, limits, events, arg);
    addr_format(addr, s->peer);
    if (fd < 0) {
        fail_later(s, strerror(errno));
        return s;
    }
    sock_keepalive(fd, 10, 5, 3);
    s->connecting = true;
    loop_io_want(&s->io, LOOP_WRITE);
    if (limits->connect_ms > 0) {
        loop_timer_start(&s->timer, limits->connect_ms);
    }
    return s;
}

void
stream_destroy(struct stream **s)
{
    struct stream *it = *s;
    if (it == NULL) {
        return;
    }
    if (it->destroyed != NULL) {
        *it->destroyed = true;
    }
    loop_io_deinit(&it->io);
    loop_timer_deinit(&it->timer);
    loop_hook_remove(&it->turn_end);
    if (it->fd >= 0) {
        close(it->fd);
    }
    buf_deinit(&it->in);
    buf_deinit(&it->out);
    shared_bytes_unref(&it->shared);
    free(it);
    *s = NULL;
}

struct buf *
stream_input(struct stream *s)
{
    return &s->in;
}

/* Output is about to become pending: see that it is sent. */
static void
begin_output(struct stream *s)
{
    if (stream_unsent(s) == 0) {
        s->progress_ms = clock_mono_ms();
    }
    bool writing = s->connecting || (s->io.wanted & LOOP_WRITE);
    if (!writing && s->turn_end.loop == NULL) {
        loop_hook_add(&s->turn_end, s->loop, on_turn_end, s);
    }
}

bool
stream_write(struct stream *s, struct span bytes)
{
    if (s->failure != NULL || buf_len(&s->out) + bytes.len > s->limits.output_max) {
        return false;
    }
    begin_output(s);
    return buf_append_span(&s->out, bytes);
}

bool
stream_write_shared(struct stream *s, struct shared_bytes *bytes)
{
    ASSERT(shared_bytes_span(bytes).len > 0);

    if (s->failure != NULL || s->shared != NULL) {
        return false;
    }
    begin_output(s);
    s->shared = shared_bytes_ref(bytes);
    s->shared_after = buf_len(&s->out);
    s->shared_sent = 0;
    return true;
}

size_t
stream_unsent(const struct stream *s)
{
    size_t shared = s->shared != NULL ? shared_bytes_span(s->shared).len - s->shared_sent : 0;
    return buf_len(&s->out) + shared;
}

const char *
stream_peer(const struct stream *s)
{
    return s->peer;
}
