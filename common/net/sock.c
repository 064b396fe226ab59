#include "common/net/sock.h"
#include "common/core/backoff.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
set_int(int fd, int level, int name, int value)
{
    /* Advice to the kernel; a refusal (unix sockets, old kernels) is harmless. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int
close_with_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Only a socket file is removed: never a file that somebody named by mistake. */
static void
remove_stale_socket(const struct addr *addr)
{
    const struct sockaddr_un *sun = (const struct sockaddr_un *)&addr->sa;
    struct stat st;
    if (addr->sa.ss_family == AF_UNIX && lstat(sun->sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(sun->sun_path);
    }
}

int
sock_listen(const struct addr *addr, int backlog, bool reuse_port, unsigned unix_mode)
{
    int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port) {
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (addr->sa.ss_family == AF_INET6) {
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    remove_stale_socket(addr);
    if (bind(fd, (const struct sockaddr *)&addr->sa, addr->len) != 0) {
        return close_with_errno(fd);
    }
    /* Before listen(): until then nobody can connect, whatever the mode. */
    if (addr->sa.ss_family == AF_UNIX &&
        chmod(((const struct sockaddr_un *)&addr->sa)->sun_path, unix_mode) != 0) {
        return close_with_errno(fd);
    }
    if (listen(fd, backlog) != 0) {
        return close_with_errno(fd);
    }
    return fd;
}

static const char *
unix_path(const struct addr *addr)
{
    bool is_unix = addr->sa.ss_family == AF_UNIX;
    return is_unix ? ((const struct sockaddr_un *)&addr->sa)->sun_path : NULL;
}

struct sock_file
sock_file_of(const struct addr *addr)
{
    struct stat st;
    const char *path = unix_path(addr);
    if (path == NULL || lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return (struct sock_file){0};
    }
    return (struct sock_file){st.st_dev, st.st_ino};
}

void
sock_file_remove(const struct sock_file *file, const struct addr *addr)
{
    struct sock_file now = sock_file_of(addr);
    if (file->ino != 0 && now.ino == file->ino && now.dev == file->dev) {
        unlink(unix_path(addr));
    }
}

int
sock_connect(const struct addr *addr)
{
    int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (addr->sa.ss_family != AF_UNIX) {
        set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) != 0 && errno != EINPROGRESS) {
        return close_with_errno(fd);
    }
    return fd;
}

int
sock_connect_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        return errno;
    }
    return error;
}

int
sock_accept(int listen_fd, struct addr *peer)
{
    memset(peer, 0, sizeof(*peer));
    peer->len = sizeof(peer->sa);
    int fd =
        accept4(listen_fd, (struct sockaddr *)&peer->sa, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && peer->sa.ss_family != AF_UNIX) {
        set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    return fd;
}

bool
sock_local(int fd, struct addr *out)
{
    memset(out, 0, sizeof(*out));
    out->len = sizeof(out->sa);
    return getsockname(fd, (struct sockaddr *)&out->sa, &out->len) == 0;
}

bool
sock_peer(int fd, struct addr *out)
{
    memset(out, 0, sizeof(*out));
    out->len = sizeof(out->sa);
    return getpeername(fd, (struct sockaddr *)&out->sa, &out->len) == 0;
}

void
sock_send_buffer(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void
sock_give_up_on_close(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void
sock_keepalive(int fd, int idle_s, int interval_s, int probes)
{
    uint64_t random = random_seed();
    int more_idle_s = (int)((random >> 1) % (unsigned)(idle_s + 1));
    int more_interval_s = (int)((random >> 32) % (unsigned)(interval_s / 2 + 1));
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s + more_idle_s);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s + more_interval_s);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
}
