#include "common/net/handover_link.h"
#include "common/core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define READ_BYTES 4096

/* Room for the descriptors of one message, aligned as the kernel wants it. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * HANDOVER_ITEMS_MAX)];
};

void
handover_link_init(struct handover_link *l, int fd)
{
    *l = (struct handover_link){.fd = fd, .in = BUF_EMPTY};
}

void
handover_link_deinit(struct handover_link *l)
{
    for (int fd = handover_link_take(l); fd >= 0; fd = handover_link_take(l)) {
        close(fd);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    buf_deinit(&l->in);
    l->fd = -1;
}

bool
handover_link_connect(struct handover_link *l, const struct addr *addr, unsigned timeout_ms)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    handover_link_init(l, fd);
    if (fd < 0) {
        return false;
    }
    struct timeval limit = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* of connect(), too */
    return connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0;
}

bool
handover_link_peer(const struct handover_link *l, pid_t *pid, uid_t *uid)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
        return false;
    }
    *pid = who.pid;
    *uid = who.uid;
    return true;
}

void
handover_link_unblock(struct handover_link *l)
{
    fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
}

static void
attach(struct msghdr *m, union control *control, const int *fds, unsigned count)
{
    if (count == 0) {
        return;
    }
    m->msg_control = control->bytes;
    m->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *head = CMSG_FIRSTHDR(m);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
}

/* A message is far smaller than what the kernel holds for a unix socket, so it
 * goes whole or not at all; a part would end the link. */
enum handover_send
handover_link_send(struct handover_link *l, enum handover_type type, struct span body,
                   const int *fds, unsigned fd_count)
{
    ASSERT(fd_count <= HANDOVER_ITEMS_MAX);
    struct buf bytes = BUF_EMPTY;
    if (!handover_put(&bytes, type, body)) {
        buf_deinit(&bytes);
        return HANDOVER_LOST;
    }
    union control control = {.bytes = {0}};
    struct iovec io = {(void *)buf_span(&bytes).ptr, buf_len(&bytes)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    attach(&m, &control, fds, fd_count);
    ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    bool later = n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
                           errno == ENOMEM || errno == ETOOMANYREFS);
    bool whole = n == (ssize_t)io.iov_len;
    buf_deinit(&bytes);
    return whole ? HANDOVER_SENT : later ? HANDOVER_LATER : HANDOVER_LOST;
}

/* False if there are more than we could have been sent. */
static bool
keep_descriptors(struct handover_link *l, struct msghdr *m)
{
    bool ok = (m->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (l->fd_count < HANDOVER_ITEMS_MAX) {
                l->fds[l->fd_count++] = fd;
            } else {
                close(fd);
                ok = false;
            }
        }
    }
    return ok;
}

static enum handover_next
read_more(struct handover_link *l)
{
    char *room = buf_room(&l->in, READ_BYTES);
    if (room == NULL) {
        return HANDOVER_ENDED;
    }
    union control control;
    struct iovec io = {room, READ_BYTES};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(l->fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0) {
        bool none = errno == EAGAIN || errno == EINTR;
        return none ? HANDOVER_NOTHING : HANDOVER_ENDED;
    }
    if (n == 0) {
        return HANDOVER_ENDED;
    }
    buf_grew(&l->in, (size_t)n);
    return keep_descriptors(l, &m) ? HANDOVER_MESSAGE : HANDOVER_GARBAGE;
}

enum handover_next
handover_link_next(struct handover_link *l, struct handover_message *out)
{
    buf_consume(&l->in, l->used);
    l->used = 0;
    for (;;) {
        switch (handover_parse(buf_span(&l->in), out)) {
        case HANDOVER_OK: l->used = out->bytes; return HANDOVER_MESSAGE;
        case HANDOVER_BAD: return HANDOVER_GARBAGE;
        case HANDOVER_NEED_MORE: break;
        }
        enum handover_next read = read_more(l);
        if (read != HANDOVER_MESSAGE) {
            return read;
        }
    }
}

bool
handover_link_has_next(const struct handover_link *l)
{
    struct handover_message m;
    return handover_parse(span_skip(buf_span(&l->in), l->used), &m) != HANDOVER_NEED_MORE;
}

int
handover_link_take(struct handover_link *l)
{
    if (l->fd_count == 0) {
        return -1;
    }
    int fd = l->fds[0];
    memmove(l->fds, l->fds + 1, --l->fd_count * sizeof(l->fds[0]));
    return fd;
}

/* --- memory -------------------------------------------------------------------- */

int
handover_memory(struct span bytes)
{
    int fd = memfd_create("memfleet-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    while (fd >= 0 && bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0) {
            int saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
        bytes = span_skip(bytes, (size_t)n);
    }
    if (fd >= 0) {
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    }
    return fd;
}

bool
handover_memory_read(int fd, size_t max, struct buf *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
        return false;
    }
    size_t left = (size_t)st.st_size;
    off_t at = 0;
    char *to = buf_room(out, left + 1);
    while (to != NULL && left > 0) {
        ssize_t n = pread(fd, to + at, left, at);
        if (n <= 0) {
            return false;
        }
        at += n;
        left -= (size_t)n;
    }
    buf_grew(out, (size_t)at);
    return to != NULL;
}
