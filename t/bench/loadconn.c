#include "t/bench/loadconn.h"
#include "common/core/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (1u << 20)

static char scratch[READ_BYTES];

bool
loadconn_open(struct loadconn *c, const struct addr *addr, const struct load_work *work)
{
    int on = 1;
    *c = (struct loadconn){.work = work, .reply_bytes = load_work_reply_bytes(work)};
    c->fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&addr->sa, addr->len) != 0) {
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

void
loadconn_close(struct loadconn *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    buf_deinit(&c->out);
}

static bool
send_some(struct loadconn *c)
{
    struct span s = buf_span(&c->out);
    ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    buf_consume(&c->out, (size_t)n);
    return true;
}

bool
loadconn_begin(struct loadconn *c, unsigned requests, uint32_t (*next)(void *arg), void *arg)
{
    for (unsigned i = 0; i < requests; i++) {
        load_work_put(c->work, next, arg, &c->out);
    }
    c->requests = requests;
    c->to_come = requests * c->reply_bytes;
    c->began_ns = clock_mono_ns();
    return send_some(c);
}

/* Every reply that begins in these bytes begins as a hit or a stored one does. */
static bool
looks_right(const struct loadconn *c, size_t n)
{
    char first = c->work->kind == LOAD_SET ? 'S' : 'V';
    for (size_t at = c->to_come % c->reply_bytes; at < n; at += c->reply_bytes) {
        if (scratch[at] != first) {
            return false;
        }
    }
    return true;
}

enum loadconn_turn
loadconn_turn(struct loadconn *c)
{
    if (loadconn_wants_out(c) && !send_some(c)) {
        return LOADCONN_WRONG;
    }
    ssize_t n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return LOADCONN_WAITING;
    }
    if (n <= 0 || (size_t)n > c->to_come || !looks_right(c, (size_t)n)) {
        return LOADCONN_WRONG;
    }
    c->to_come -= (size_t)n;
    return c->to_come == 0 ? LOADCONN_ANSWERED : LOADCONN_WAITING;
}
