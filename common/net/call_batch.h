/* call_batch.h - several sends and receives by one system call.
 *
 * A thread with many connections spends most of its time on the way into the kernel and
 * out of it, once for each of them. Calls that are known together are made together: an
 * io_uring, if the kernel offers one, takes them all at once and has done them when it
 * returns. None ever waits (MSG_DONTWAIT), so nothing is on its way between two runs, and
 * no buffer is the kernel's for longer than that. What a call returns is what recv() and
 * send() return.
 *
 * Where there is no io_uring, and for one call alone, the usual system calls are made.
 *
 * Owner's thread only: a ring belongs to the thread that uses it first. */
#pragma once
#include "common/core/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CALL_BATCH_MAX 16

struct io_uring;

struct call_ring {
    struct io_uring *uring; /* NULL: not opened, or not to be had */
    bool refused;           /* do not try again */
};

#define CALL_RING_INIT ((struct call_ring){0})

enum batched_kind { BATCHED_RECV, BATCHED_SEND };

struct batched_call {
    int fd;
    enum batched_kind kind;
    void *bytes;
    size_t len;
    ssize_t result; /* after the run: bytes, 0 at the end of the input, or -errno */
};

struct call_batch {
    unsigned count;
    struct batched_call calls[CALL_BATCH_MAX];
};

/* No ring is to open in this process. Before the first thread begins. */
void call_ring_forbid(void);

/* For `stats settings`: "on", "off" (forbidden), "unavailable" (the kernel refused, or we were
 * built without), or "unused" while no two calls were to be made at once. Any thread. */
const char *call_ring_use(void);

bool call_ring_try(struct call_ring *ring); /* call_ring_open() the first time */

/* Opens the ring unless that was done or refused before; false if there is none. What stands
 * in the way is logged once. */
static inline bool
call_ring_open(struct call_ring *ring)
{
    bool known = ring->uring != NULL || ring->refused;
    return __builtin_expect(known, 1) ? ring->uring != NULL : call_ring_try(ring);
}

void call_ring_close(struct call_ring *ring);

/* The call's place; it stands there until the batch is emptied (count = 0). `bytes` stay the
 * caller's, and are not looked at before the run. */
static inline struct batched_call *
call_batch_add(struct call_batch *batch, enum batched_kind kind, int fd, const void *bytes,
               size_t len)
{
    ASSERT(batch->count < CALL_BATCH_MAX);
    struct batched_call *call = &batch->calls[batch->count++];
    *call = (struct batched_call){fd, kind, (void *)bytes, len, 0};
    return call;
}

/* Makes the calls, in any order. A peer that is gone is an error and no signal. */
void call_batch_run(struct call_batch *batch, struct call_ring *ring);
