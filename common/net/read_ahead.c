#include "common/net/read_ahead.h"
#include "common/core/mem.h"
#include "common/net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
read_ahead_deinit(struct read_ahead *a)
{
    free(a->rooms);
}

static bool
may_be_read(const struct epoll_event *event)
{
    const struct loop_io *io = event->data.ptr;
    return event->events == EPOLLIN && io != NULL && io->wanted == LOOP_READ &&
           (io->reads_little || io->aim != NULL);
}

static void
add_read(struct read_ahead *a, struct loop_io *io)
{
    char *to = a->rooms + (size_t)a->batch.count * LOOP_AHEAD_MAX;
    size_t room = LOOP_AHEAD_MAX;
    if (io->aim != NULL && (to = io->aim(io->arg, &room)) == NULL) {
        return; /* which its callback will find, too */
    }
    io->ahead = call_batch_add(&a->batch, BATCHED_RECV, io->fd, to, room);
}

static int
put_first(struct epoll_event *ready, int count)
{
    int n = 0;
    for (int i = 0; i < count && n < CALL_BATCH_MAX; i++) {
        if (may_be_read(&ready[i])) {
            struct epoll_event event = ready[i];
            ready[i] = ready[n];
            ready[n++] = event;
        }
    }
    return n;
}

int
read_ahead(struct read_ahead *a, struct call_ring *ring, struct epoll_event *ready, int count)
{
    if (ring->refused) {
        return 0;
    }
    int n = put_first(ready, count);
    if (n < 2 || !call_ring_open(ring)) {
        return 0;
    }
    if (a->rooms == NULL) {
        a->rooms = mem_alloc((size_t)CALL_BATCH_MAX * LOOP_AHEAD_MAX);
    }
    a->batch.count = 0;
    for (int i = 0; i < n; i++) {
        add_read(a, ready[i].data.ptr);
    }
    call_batch_run(&a->batch, ring);
    return n;
}

ssize_t
loop_io_take_ahead(struct loop_io *io, void *to)
{
    const struct batched_call *ahead = io->ahead;
    io->ahead = NULL;
    io->reads_little = ahead->result < LOOP_AHEAD_MAX;
    if (ahead->result < 0) {
        errno = (int)-ahead->result;
        return -1;
    }
    if (ahead->bytes != to) {
        memcpy(to, ahead->bytes, (size_t)ahead->result);
    }
    return ahead->result;
}
