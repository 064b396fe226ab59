#include "common/net/call_batch.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/calls.h"
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

enum use { UNUSED, ON, OFF, UNAVAILABLE };
static _Atomic enum use use; /* OFF from the begin, or what became of the last ring */

void
call_ring_forbid(void)
{
    atomic_store(&use, OFF);
}

const char *
call_ring_use(void)
{
    static const char *const names[] = {
        [UNUSED] = "unused", [ON] = "on", [OFF] = "off", [UNAVAILABLE] = "unavailable"};
    return names[atomic_load(&use)];
}

static void
refuse(struct call_ring *ring, int error)
{
    ring->refused = true;
    if (atomic_exchange(&use, UNAVAILABLE) != UNAVAILABLE) {
        log_info("io_uring_unavailable", "reason=%s", LOG_STR(strerror(error)));
    }
}

#ifdef HAVE_LIBURING

/* What this ring can do, whoever gets hold of it: send and receive. 0, or -errno. */
static int
restrict_calls(struct io_uring *uring)
{
    struct io_uring_restriction allowed[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_RECV},
    };
    return io_uring_register((unsigned)uring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
                             sizeof(allowed) / sizeof(allowed[0]));
}

/* 0, or -errno. A kernel that does not know that one thread alone submits (before 6.0) says
 * EINVAL. */
static int
set_up(struct io_uring *uring)
{
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER};
    int error = io_uring_queue_init_params(CALL_BATCH_MAX, uring, &params);
    if (error == -EINVAL) {
        params = (struct io_uring_params){.flags = IORING_SETUP_R_DISABLED};
        error = io_uring_queue_init_params(CALL_BATCH_MAX, uring, &params);
    }
    if (error != 0) {
        return error;
    }
    error = restrict_calls(uring);
    if (error == 0) {
        error = io_uring_register((unsigned)uring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    }
    if (error != 0) {
        io_uring_queue_exit(uring);
    }
    return error;
}

/* 0, or -errno. */
static int
open_ring(struct call_ring *ring)
{
    struct io_uring *uring = mem_zalloc(sizeof(*uring));
    int error = set_up(uring);
    if (error != 0) {
        free(uring);
        return error;
    }
    ring->uring = uring;
    return 0;
}

void
call_ring_close(struct call_ring *ring)
{
    if (ring->uring != NULL) {
        io_uring_queue_exit(ring->uring);
        free(ring->uring);
        ring->uring = NULL;
    }
}

/* What io_uring_prep_send() and io_uring_prep_recv() do, in one piece. */
static inline void
prepare(struct io_uring *uring, struct batched_call *call)
{
    bool sends = call->kind == BATCHED_SEND;
    struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
    ASSERT(sqe != NULL);
    *sqe = (struct io_uring_sqe){
        .opcode = sends ? IORING_OP_SEND : IORING_OP_RECV,
        .fd = call->fd,
        .addr = (uintptr_t)call->bytes,
        .len = (unsigned)call->len,
        .msg_flags = MSG_DONTWAIT | (sends ? MSG_NOSIGNAL : 0),
        .user_data = (uintptr_t)call,
    };
}

/* Takes the results that are there. */
static unsigned
take_results(struct io_uring *uring)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(uring, head, cqe)
    {
        struct batched_call *call = (struct batched_call *)(uintptr_t)cqe->user_data;
        call->result = cqe->res;
        n++;
    }
    io_uring_cq_advance(uring, n);
    return n;
}

/* How many of the batch, from its begin, have been done. The kernel takes them in order, and
 * fewer if it has no memory for more. */
static unsigned
run_together(struct call_batch *batch, struct io_uring *uring)
{
    for (unsigned i = 0; i < batch->count; i++) {
        prepare(uring, &batch->calls[i]);
    }
    unsigned done = 0;
    while (done < batch->count) {
        int taken = io_uring_submit(uring);
        done += take_results(uring);
        if (taken <= 0 && taken != -EINTR) {
            break;
        }
    }
    return done;
}

#else

static int
open_ring(struct call_ring *ring)
{
    return -ENOSYS;
}

void
call_ring_close(struct call_ring *ring)
{
}

static unsigned
run_together(struct call_batch *batch, struct io_uring *uring)
{
    return 0;
}

#endif

bool
call_ring_try(struct call_ring *ring)
{
    if (atomic_load(&use) == OFF) {
        ring->refused = true;
        return false;
    }
    int error = open_ring(ring);
    if (error != 0) {
        refuse(ring, -error);
        return false;
    }
    atomic_store(&use, ON);
    return true;
}

static void
run_alone(struct batched_call *call)
{
    ssize_t n = call->kind == BATCHED_SEND ? call_send(call->fd, call->bytes, call->len)
                                           : call_recv(call->fd, call->bytes, call->len);
    call->result = n < 0 ? -errno : n;
}

void
call_batch_run(struct call_batch *batch, struct call_ring *ring)
{
    unsigned done = 0;
    if (batch->count > 1 && call_ring_open(ring)) {
        done = run_together(batch, ring->uring);
        if (__builtin_expect(done < batch->count, 0)) { /* what it has not taken ends with it */
            call_ring_close(ring);
            refuse(ring, ENOMEM);
        }
    }
    for (; done < batch->count; done++) {
        run_alone(&batch->calls[done]);
    }
}
