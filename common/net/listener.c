#include "common/net/listener.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
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
    struct sock_file file; /* to remove in the end */
    bool paused;           /* by the owner, not by lack of descriptors */
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

struct listener *
listener_adopt(struct loop *loop, int fd, listener_fn *fn, void *arg)
{
    struct listener *l = mem_zalloc(sizeof(*l));
    l->fd = fd;
    l->fn = fn;
    l->arg = arg;
    sock_local(fd, &l->addr);
    loop_timer_init(&l->resume_timer, loop, on_resume, l);
    loop_io_init(&l->io, loop, fd, on_acceptable, l);
    loop_io_want(&l->io, LOOP_READ);
    return l;
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
    struct listener *l = listener_adopt(loop, fd, fn, arg);
    listener_own_file(l, true);
    return l;
}

void
listener_own_file(struct listener *l, bool own)
{
    l->file = own ? sock_file_of(&l->addr) : (struct sock_file){0};
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
    sock_file_remove(&it->file, &it->addr);
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
