#include "t/soak/soakconn.h"
#include "common/core/assert.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)

bool
soak_conn_open(struct soak_conn *c, const struct addr *addr)
{
    int on = 1;
    *c = SOAK_CONN_CLOSED;
    c->fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, (const struct sockaddr *)&addr->sa, addr->len) == 0) {
        return true;
    }
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    int error = errno;
    socklen_t len = sizeof(error);
    if (error == EINPROGRESS && poll(&p, 1, 10000) == 1 &&
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
        return true;
    }
    soak_conn_close(c, false);
    return false;
}

static bool
send_some(struct soak_conn *c)
{
    struct span s = buf_span(&c->out);
    ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    buf_consume(&c->out, (size_t)n);
    return true;
}

static bool
receive_some(struct soak_conn *c)
{
    char *room = buf_room(&c->in, READ_BYTES);
    ASSERT(room != NULL);
    ssize_t n = recv(c->fd, room, READ_BYTES, 0);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    buf_grew(&c->in, (size_t)n);
    c->ended = n == 0;
    return true;
}

bool
soak_conn_pump(struct soak_conn *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (buf_len(&c->out) > 0) {
        p.events |= POLLOUT;
    }
    if (poll(&p, 1, timeout_ms) <= 0) {
        return true;
    }
    if ((p.revents & POLLOUT) != 0 && !send_some(c)) {
        return false;
    }
    return (p.revents & (POLLIN | POLLHUP | POLLERR)) == 0 || receive_some(c);
}

void
soak_conn_half_close(struct soak_conn *c)
{
    buf_clear(&c->out);
    shutdown(c->fd, SHUT_WR);
}

void
soak_conn_close(struct soak_conn *c, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (c->fd >= 0) {
        if (reset) {
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        close(c->fd);
    }
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    *c = SOAK_CONN_CLOSED;
}

bool
soak_conn_line(const struct soak_conn *c, size_t at, struct span *line, size_t *end)
{
    struct span all = span_skip(buf_span(&c->in), at);
    const char *lf = all.len > 0 ? memchr(all.ptr, '\n', all.len) : NULL;
    if (lf == NULL) {
        return false;
    }
    *line = span_make(all.ptr, (size_t)(lf - all.ptr));
    *end = at + line->len + 1;
    if (line->len > 0 && line->ptr[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}
