#include "common/net/listener.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100

struct listener {
    struct loop_io io;
    struct loop_timer resume_timer;
    struct addr addr;
    listener_fn *fn;
    void *arg;
    int fd;
    dev_t file_dev; /* of a unix socket's file */
    ino_t file_ino;
    bool paused; /* by the owner, not by lack of descriptors */
    _Atomic uint64_t shortages;
};

static void
take_a_breath(struct listener *l)
{
    int error = errno;
    LOG_LIMITED(1, LOG_WARN, "accept_failed", "reason=%s", LOG_STR(strerror(error)));
    atomic_fetch_add_explicit(&l->shortages, 1, memory_order_relaxed);
    loop_io_want(&l->io, 0);
    loop_timer_start(&l->resume_timer, PAUSE_MS);
}

static void
on_acceptable(void *arg, int ready)
{
    struct listener *l = arg;
    for (int i = 0; i < ACCEPTS_PER_TURN && !l->paused; i++) {
        struct addr peer;
        int fd = sock_accept(l->fd, &peer);
        if (fd >= 0) {
            l->fn(l->arg, fd, &peer);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            take_a_breath(l);
        }
        return;
    }
}

static void
on_resume(void *arg)
{
    struct listener *l = arg;
    if (!l->paused) {
        loop_io_want(&l->io, LOOP_READ);
    }
}

static const char *
unix_path(const struct listener *l)
{
    bool is_unix = l->addr.sa.ss_family == AF_UNIX;
    return is_unix ? ((const struct sockaddr_un *)&l->addr.sa)->sun_path : NULL;
}

static void
remember_file(struct listener *l)
{
    struct stat st;
    if (unix_path(l) != NULL && lstat(unix_path(l), &st) == 0) {
        l->file_dev = st.st_dev;
        l->file_ino = st.st_ino;
    }
}

/* A successor may have bound the path while we were still serving our last
 * clients: then the file is its own. */
static void
remove_file(const struct listener *l)
{
    struct stat st;
    if (unix_path(l) != NULL && lstat(unix_path(l), &st) == 0 && st.st_dev == l->file_dev &&
        st.st_ino == l->file_ino) {
        unlink(unix_path(l));
    }
}

struct listener *
listener_create(struct loop *loop, const struct addr *addr, const struct listener_options *options,
                listener_fn *fn, void *arg, char **error)
{
    int fd = sock_listen(addr, options->backlog ? options->backlog : 1024, options->reuse_port,
                         options->unix_mode ? options->unix_mode : 0700);
    if (fd < 0) {
        char text[ADDR_TEXT_MAX];
        *error = mem_printf("cannot listen on %s: %s", addr_format(addr, text), strerror(errno));
        return NULL;
    }
    struct listener *l = mem_zalloc(sizeof(*l));
    l->fd = fd;
    l->fn = fn;
    l->arg = arg;
    l->addr = *addr;
    sock_local(fd, &l->addr);
    remember_file(l);
    loop_timer_init(&l->resume_timer, loop, on_resume, l);
    loop_io_init(&l->io, loop, fd, on_acceptable, l);
    loop_io_want(&l->io, LOOP_READ);
    return l;
}

void
listener_destroy(struct listener **l)
{
    struct listener *it = *l;
    if (it == NULL) {
        return;
    }
    loop_io_deinit(&it->io);
    loop_timer_deinit(&it->resume_timer);
    remove_file(it); /* before the inode can be another's */
    close(it->fd);
    free(it);
    *l = NULL;
}

void
listener_pause(struct listener *l)
{
    l->paused = true;
    loop_io_want(&l->io, 0);
}

void
listener_resume(struct listener *l)
{
    l->paused = false;
    loop_io_want(&l->io, LOOP_READ);
}

const struct addr *
listener_addr(const struct listener *l)
{
    return &l->addr;
}

uint64_t
listener_shortages(const struct listener *l)
{
    return atomic_load_explicit(&l->shortages, memory_order_relaxed);
}

int
listener_fd(const struct listener *l)
{
    return l->fd;
}
