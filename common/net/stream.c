#include "common/net/stream.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
#define BUF_KEEP_BYTES 4096

struct stream {
    struct loop *loop;
    struct loop_io io;
    struct loop_hook turn_end; /* added while a write waits for the turn's end */
    struct loop_timer timer; /* connect deadline, then write stall; at 0 ms: a failure to report */
    struct stream_limits limits;
    const struct stream_events *events;
    void *arg;
    struct buf in, out;
    uint64_t progress_ms; /* when output last moved, or became pending */
    const char *failure;  /* set: dead, closed() is due or was called */
    bool *destroyed;      /* tells a running callback frame that we are gone */
    int fd;
    bool connecting;
    char peer[ADDR_TEXT_MAX];
};

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
    return LOOP_READ | (buf_len(&s->out) > 0 ? LOOP_WRITE : 0);
}

static void
flush(struct stream *s)
{
    if (s->failure != NULL || s->connecting) {
        return;
    }
    while (buf_len(&s->out) > 0) {
        struct span bytes = buf_span(&s->out);
        ssize_t n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n > 0) {
            buf_consume(&s->out, (size_t)n);
            s->progress_ms = clock_mono_ms();
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
    if (buf_len(&s->out) == 0) {
        buf_shrink(&s->out, BUF_KEEP_BYTES);
    } else if (s->limits.stall_ms > 0 && !loop_timer_running(&s->timer)) {
        loop_timer_start(&s->timer, s->limits.stall_ms);
    }
    loop_io_want(&s->io, wanted(s));
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
    } else if (s->failure == NULL && buf_len(&s->out) > 0) {
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
            buf_shrink(&s->in, READ_BYTES * 2);
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
    free(it);
    *s = NULL;
}

struct buf *
stream_input(struct stream *s)
{
    return &s->in;
}

bool
stream_write(struct stream *s, struct span bytes)
{
    if (s->failure != NULL || buf_len(&s->out) + bytes.len > s->limits.output_max) {
        return false;
    }
    if (buf_len(&s->out) == 0) {
        s->progress_ms = clock_mono_ms();
    }
    bool writing = s->connecting || (s->io.wanted & LOOP_WRITE);
    if (!writing && s->turn_end.loop == NULL) {
        loop_hook_add(&s->turn_end, s->loop, on_turn_end, s);
    }
    return buf_append_span(&s->out, bytes);
}

size_t
stream_unsent(const struct stream *s)
{
    return buf_len(&s->out);
}

const char *
stream_peer(const struct stream *s)
{
    return s->peer;
}
