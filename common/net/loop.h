/* loop.h - one thread's event loop. The only header with which the rest of the
 * tree touches epoll and libevent.
 *
 * A loop turns: wait for events, run their callbacks, run the turn-end hooks,
 * again. Turn-end hooks are where a worker flushes what the turn gathered
 * (one send per backend, one send per client). When many are ready at once, or some
 * for which there is much to do, a turn ends after half a millisecond, and those that
 * are left have the next ones, without a wait.
 *
 * Threads: everything on the loop's own thread, but for loop_post() and
 * loop_stop(), which any thread may call. */
#pragma once
#include "common/core/list.h"
#include "common/net/call_batch.h"
#include "common/net/calls.h"

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;
struct loop;

/* The first loop of a process also makes it ignore SIGPIPE. */
struct loop *loop_create(void);
void loop_destroy(struct loop **loop);

/* Runs until loop_stop(); may then run again. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* What a struct loop begins with. */
struct loop_moment {
    uint64_t now_us;
    bool worked;
};

/* The time at which the wait before this turn ended, monotonic; costs nothing. */
static inline uint64_t
loop_now_us(const struct loop *loop)
{
    return ((const struct loop_moment *)(const void *)loop)->now_us;
}

/* Where a callback notes that it did more than callbacks usually do: then the clock is
 * looked at before the next one, and that may have to wait for a turn of its own. */
static inline bool *
loop_work_note(struct loop *loop)
{
    return &((struct loop_moment *)(void *)loop)->worked;
}

/* Has this turn gone on for as long as one should? Reads the clock. Who has a row of
 * things to do leaves the rest for a coming turn. Own thread, within a turn. */
bool loop_turn_is_long(const struct loop *loop);

/* Turns done; a thread whose number stands still while it has work hangs.
 * Any thread. */
uint64_t loop_turns(const struct loop *loop);

/* The most CPU time that one turn took, in microseconds, since the begin or since
 * that was forgotten: how long others may have had to wait for us. Too high by
 * LOOP_CPU_GRAIN_US at most, and 0 while no turn took as long as that. Any
 * thread. */
#define LOOP_CPU_GRAIN_US 200
uint64_t loop_longest_turn_us(const struct loop *loop);
void loop_forget_longest_turn(struct loop *loop);

/* Turns that took a millisecond or more of it. Any thread. */
uint64_t loop_slow_turns(const struct loop *loop);

/* The next turn begins no sooner than `us` after this one began, so that what comes
 * meanwhile is done together. Holds for one turn; own thread, within a turn. Whatever
 * comes waits so long, timers and posts too: for a thread that has much to do. */
void loop_gather(struct loop *loop, unsigned us);

/* Do the last turns take more time than the waits before them? What loop_gather() has
 * delayed counts as neither. Own thread. */
bool loop_is_busy(const struct loop *loop);

/* Are there others, behind the one whose callback this is, that became ready with it? Own
 * thread. */
bool loop_others_are_ready(const struct loop *loop);

/* For calls that are made together; own thread. */
struct call_ring *loop_call_ring(struct loop *loop);

/* Runs fn(arg) on the loop's thread in a coming turn, in order of posting. Many have
 * more than one turn. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* The version of the event library, for `stats`. */
const char *loop_backend_version(void);

/* For libraries that bring their own libevent glue (evhttp, curl's timers). */
struct event_base *loop_base(struct loop *loop);

/* --- descriptors ------------------------------------------------------- */
/* LOOP_GIVEN_UP comes with one of the others: the connection was reset, and this
 * thread has not run for a while (it was stopped, say). Then what is still to be
 * read is older than what others have sent behind it. Known for who has timers.
 * LOOP_HUNG_UP is the same where the peer has closed a unix socket, whole: that may be
 * a peer who has given up, or one who has done what it wanted. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_GIVEN_UP = 4, LOOP_HUNG_UP = 8 };

struct loop_io {
    struct loop *loop;
    void (*fn)(void *arg, int ready); /* one of LOOP_READ, LOOP_WRITE; read first */
    void *arg;
    int fd;
    int wanted;
    /* Where the next read goes, and how much has room there, or NULL: set by who has such a
     * place of his own. It stays as it is until the callback. */
    char *(*aim)(void *arg, size_t *room);
    const struct batched_call *ahead; /* what was read of it already, for its callback */
    bool reads_little;                /* its last read by loop_io_recv() was short */
};

/* Level-triggered; nothing is wanted at first. The fd stays the caller's, and may
 * be waited for by one loop_io of a loop only. */
void loop_io_init(struct loop_io *io, struct loop *loop, int fd, void (*fn)(void *arg, int ready),
                  void *arg);
/* Replaces what is waited for. Cheap when nothing changes. */
void loop_io_want(struct loop_io *io, int wanted);
/* Before the fd is closed. Safe inside the callback; safe twice. */
void loop_io_deinit(struct loop_io *io);

#define LOOP_AHEAD_MAX 4096

ssize_t loop_io_take_ahead(struct loop_io *io, void *to); /* read_ahead.c */

/* As recv(), for callbacks that are told of LOOP_READ; `room` is LOOP_AHEAD_MAX or more. What
 * comes may have been read already, together with what came for others (read_ahead.h). So a
 * callback that is told of LOOP_READ always calls it, and takes what comes or ends the
 * descriptor, whatever it wants by then. */
static inline ssize_t
loop_io_recv(struct loop_io *io, void *to, size_t room)
{
    ASSERT(room >= LOOP_AHEAD_MAX);

    if (io->ahead != NULL) {
        return loop_io_take_ahead(io, to);
    }
    ssize_t n = call_recv(io->fd, to, room);
    io->reads_little = n < LOOP_AHEAD_MAX;
    return n;
}

/* --- timers ------------------------------------------------------------ */
struct loop_timer {
    struct loop *loop;
    uint64_t due_us;
    unsigned place; /* in the loop's heap, plus one; 0: not running */
    void (*fn)(void *arg);
    void *arg;
};

void loop_timer_init(struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg);
/* Fires once, after `ms`, give or take a tick of the kernel (1 to 10 ms): who has
 * a deadline looks at the clock. Starting again replaces. */
void loop_timer_start(struct loop_timer *t, uint64_t ms);
void loop_timer_stop(struct loop_timer *t);
static inline bool
loop_timer_running(const struct loop_timer *t)
{
    return t->place != 0;
}
void loop_timer_deinit(struct loop_timer *t);

/* --- the end of a turn -------------------------------------------------- */
struct loop_hook {
    struct list link;
    struct loop *loop; /* NULL while not added */
    void (*fn)(void *arg);
    void *arg;
};

/* Runs fn at the end of every turn until removed, in the order of adding. A
 * hook may add and remove any hook, itself included; one added during the
 * hooks still runs in the same turn. For one added outside a turn there is a
 * turn at once. */
void loop_hook_add(struct loop_hook *h, struct loop *loop, void (*fn)(void *arg), void *arg);
/* Safe for a zeroed hook and twice. */
void loop_hook_remove(struct loop_hook *h);

/* --- signals ------------------------------------------------------------ */
struct loop_signal {
    struct loop *loop;
    struct event *event;
    void (*fn)(void *arg);
    void *arg;
};

/* On one loop of the process only. */
void loop_signal_init(struct loop_signal *s, struct loop *loop, int signo, void (*fn)(void *arg),
                      void *arg);
void loop_signal_deinit(struct loop_signal *s);
