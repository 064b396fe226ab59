#include "common/net/loop.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/net/calls.h"
#include "common/net/read_ahead.h"
#include "common/net/timer_heap.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SLOW_TURN_US   1000
#define STALL_US       100000 /* a timer that is so late was kept waiting */
#define STALL_FOR_US   100000 /* and so long we remember that, since not all is told in one turn */
#define WAIT_CPU_US    5      /* a wait takes less of the CPU than that */
#define READY_MAX      64     /* descriptors that one wait tells of */
#define READY_FEW      4      /* so many make no long turn */
#define TURN_US        400    /* with more a turn begins no callback after that */
#define GATHER_MIN_US  5      /* for less it does not pay to sleep */
#define WAIT_MAX_US    10000  /* a longer wait says no more about how busy we are */
#define TIMER_SLACK_NS 1000ul

struct posted {
    struct posted *next;
    void (*fn)(void *arg);
    void *arg;
};

/* Waiting is epoll's; libevent is there only for those who ask for its base. Then
 * that does the waiting, and our descriptors are one event of its. */
struct loop {
    struct loop_moment moment; /* with which loop.h knows that it begins */
    int epoll_fd;
    struct epoll_event ready[READY_MAX];
    int ready_at, ready_count; /* those from ready_at on are still to be told */
    struct call_ring ring;
    struct read_ahead ahead; /* reads of some of them */
    struct timer_heap timers;
    struct event_base *base; /* or NULL, and these with it: */
    struct event *nested;    /* epoll_fd is ready */
    struct event *alarm;     /* the next timer */

    uint64_t begun_us;           /* this turn, by the system's clock, by which timers go */
    uint64_t ended_us;           /* when the last turn ended, by that too */
    uint64_t idle_us;            /* since when nothing was done though it might have been */
    uint64_t works_us, waits_us; /* eight times the moving averages of turns and waits */
    uint64_t stalled_until_us;
    uint64_t gather_until_us; /* no turn begins before that; 0: whenever there is reason */
    bool wakes_in_time;       /* the thread's sleeps are as short as they are asked to be */
    bool timers_wait;         /* they were left for this turn */
    bool in_turn;             /* moment and begun_us are this turn's */
    _Atomic uint64_t turns;
    _Atomic uint64_t longest_turn_us;
    _Atomic uint64_t slow_turns;
    uint64_t cpu_us;  /* of this thread, when it was last read */
    uint64_t busy_us; /* turns and waits since then took at most so much more */
    atomic_bool stopping;
    struct list hooks;
    struct list *hook_next; /* the hook to run next; removal moves it on */
    int wake_fd;
    struct loop_io wake_io;
    struct posted *due;        /* posts that were taken, and not run yet */
    pthread_mutex_t post_lock; /* covers post_head, post_tail */
    struct posted *post_head;
    struct posted **post_tail;
};

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* A peer that closes early is an ordinary branch for us, and evhttp writes
 * without MSG_NOSIGNAL. */
static void
prepare_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    ASSERT(evthread_use_pthreads() == 0);
}

/* Reading the thread's CPU time is a system call, so it is read only if so much
 * was done since the last reading that this would tell too much, and after turns
 * that were long by the cheap clock. */
static void
read_cpu_time(struct loop *loop)
{
    loop->cpu_us = clock_thread_cpu_ns() / 1000;
    loop->busy_us = 0;
}

static __attribute__((noinline)) void
measure_long_turn(struct loop *loop, uint64_t took_us)
{
    uint64_t before_us = loop->cpu_us;
    read_cpu_time(loop);
    uint64_t cpu_us = loop->cpu_us - before_us;
    cpu_us = cpu_us < took_us ? cpu_us : took_us;
    if (cpu_us > atomic_load_explicit(&loop->longest_turn_us, memory_order_relaxed)) {
        atomic_store_explicit(&loop->longest_turn_us, cpu_us, memory_order_relaxed);
    }
    if (cpu_us >= SLOW_TURN_US) {
        atomic_fetch_add_explicit(&loop->slow_turns, 1, memory_order_relaxed);
    }
}

static void
end_turn(struct loop *loop)
{
    loop->ended_us = clock_read().system_us;
    uint64_t took_us = loop->ended_us - loop->begun_us;
    loop->busy_us += took_us + WAIT_CPU_US;
    loop->works_us += took_us - loop->works_us / 8;
    loop->idle_us = loop->ended_us;
    if (__builtin_expect(took_us >= LOOP_CPU_GRAIN_US, 0)) {
        measure_long_turn(loop, took_us);
    }
    loop->in_turn = false;
    atomic_store_explicit(&loop->turns,
                          atomic_load_explicit(&loop->turns, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline void
note_wait(struct loop *loop)
{
    uint64_t waited_us = loop->begun_us > loop->idle_us ? loop->begun_us - loop->idle_us : 0;
    waited_us = waited_us < WAIT_MAX_US ? waited_us : WAIT_MAX_US;
    loop->waits_us += waited_us - loop->waits_us / 8;
}

/* The turn begins when the wait is over, not when it began: an idle loop may have
 * waited for minutes. */
static inline void
begin_turn(struct loop *loop)
{
    if (!loop->in_turn) {
        loop->in_turn = true;
        struct clock_reading clock = clock_read();
        loop->moment.now_us = clock.mono_us;
        loop->begun_us = clock.system_us;
        note_wait(loop);
        if (loop->busy_us >= LOOP_CPU_GRAIN_US) {
            read_cpu_time(loop);
        }
    }
}

/* --- posts ---------------------------------------------------------------------- */

static struct posted *
take_posted(struct loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    struct posted *head = loop->post_head;
    loop->post_head = NULL;
    loop->post_tail = &loop->post_head;
    pthread_mutex_unlock(&loop->post_lock);
    return head;
}

static void
wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored;
}

/* What is left when the turn is long comes before what is posted meanwhile. */
static void
on_wake(void *arg, int ready)
{
    struct loop *loop = arg;
    if (loop->due == NULL) {
        uint64_t count;
        ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));
        (void)ignored;
        loop->due = take_posted(loop);
    }
    struct posted *p;
    while ((p = loop->due) != NULL) {
        loop->due = p->next;
        p->fn(p->arg);
        free(p);
        if (loop->due != NULL && loop_turn_is_long(loop)) {
            wake(loop);
            break;
        }
    }
}

static void
drop_posts(struct posted *p)
{
    while (p != NULL) {
        struct posted *next = p->next;
        free(p);
        p = next;
    }
}

struct loop *
loop_create(void)
{
    pthread_once(&prepared, prepare_process);
    struct loop *loop = mem_zalloc(sizeof(*loop));
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(loop->epoll_fd >= 0);
    loop->moment.now_us = clock_mono_us();
    loop->ended_us = clock_read().system_us;
    list_init(&loop->hooks);
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->post_tail = &loop->post_head;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(loop->wake_fd >= 0);
    loop_io_init(&loop->wake_io, loop, loop->wake_fd, on_wake, loop);
    loop_io_want(&loop->wake_io, LOOP_READ);
    return loop;
}

void
loop_destroy(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL) {
        return;
    }
    drop_posts(l->due);
    drop_posts(take_posted(l));
    loop_io_deinit(&l->wake_io);
    close(l->wake_fd);
    timer_heap_deinit(&l->timers);
    call_ring_close(&l->ring);
    read_ahead_deinit(&l->ahead);
    if (l->base != NULL) {
        event_free(l->nested);
        event_free(l->alarm);
        event_base_free(l->base);
    }
    close(l->epoll_fd);
    pthread_mutex_destroy(&l->post_lock);
    free(l);
    *loop = NULL;
}

static void
run_hooks(struct loop *loop)
{
    loop->hook_next = loop->hooks.next;
    while (loop->hook_next != &loop->hooks) {
        struct loop_hook *h = LIST_ENTRY(loop->hook_next, struct loop_hook, link);
        loop->hook_next = loop->hook_next->next;
        h->fn(h->arg);
    }
}

/* How long nothing may happen: until the next timer; -1 for ever. */
static int
patience_ms(const struct loop *loop)
{
    const struct loop_timer *next = timer_heap_first(&loop->timers);
    if (next == NULL) {
        return -1;
    }
    uint64_t left_us = next->due_us > loop->ended_us ? next->due_us - loop->ended_us : 0;
    uint64_t left_ms = (left_us + 999) / 1000;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void
wait_in_base(struct loop *loop)
{
    int ms = patience_ms(loop);
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    if (ms >= 0) {
        event_add(loop->alarm, &tv);
    } else {
        event_del(loop->alarm);
    }
    event_base_loop(loop->base, EVLOOP_ONCE);
}

/* Sleeps that are left to the system take it 50 us longer than they should. */
static __attribute__((noinline)) void
gather(struct loop *loop)
{
    uint64_t until_us = loop->gather_until_us;
    loop->gather_until_us = 0;
    if (loop->ended_us + GATHER_MIN_US > until_us) {
        return;
    }
    if (!loop->wakes_in_time) {
        loop->wakes_in_time = true;
        prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    }
    struct timespec left = {.tv_nsec = (long)(until_us - loop->ended_us) * 1000};
    nanosleep(&left, NULL);
    loop->idle_us = until_us;
}

static void
wait_for_events(struct loop *loop)
{
    int ms = 0;
    if (__builtin_expect(loop->gather_until_us != 0, 0)) {
        gather(loop);
    }
    if (loop->base != NULL) {
        wait_in_base(loop);
    } else {
        ms = patience_ms(loop);
    }
    int n = call_epoll_wait(loop->epoll_fd, loop->ready, READY_MAX, ms);
    loop->ready_at = 0;
    loop->ready_count = n > 0 ? n : 0; /* a signal may have interrupted it */
}

/* Errors are told as whatever is waited for: the call that follows returns them. */
static int
readiness(uint32_t events)
{
    bool failed = events & (EPOLLERR | EPOLLHUP);
    return (events & EPOLLIN || failed ? LOOP_READ : 0) |
           (events & EPOLLOUT || failed ? LOOP_WRITE : 0);
}

static bool
is_late(const struct loop *loop, const struct loop_timer *t)
{
    return t->due_us + STALL_US <= loop->begun_us;
}

/* LOOP_GIVEN_UP or LOOP_HUNG_UP, or nothing. */
static __attribute__((noinline)) int
given_up(const struct loop *loop, uint32_t events)
{
    const struct loop_timer *next = timer_heap_first(&loop->timers);
    bool stalled = (next != NULL && is_late(loop, next)) || loop->begun_us < loop->stalled_until_us;
    if (!stalled) {
        return 0;
    }
    return events & EPOLLERR ? LOOP_GIVEN_UP : LOOP_HUNG_UP;
}

static __attribute__((noinline)) void
tell_rarely(struct loop *loop, const struct epoll_event *event)
{
    struct loop_io *io = event->data.ptr;
    int ready = readiness(event->events);
    int also = event->events & (EPOLLERR | EPOLLHUP) ? given_up(loop, event->events) : 0;
    if (io != NULL && (ready & io->wanted & LOOP_READ)) {
        io->fn(io->arg, LOOP_READ | also);
        io = event->data.ptr;
    }
    if (io != NULL && (ready & io->wanted & LOOP_WRITE)) {
        io->fn(io->arg, LOOP_WRITE | also);
    }
}

/* Reads together who may be, puts them first of those that are ready, and returns how many
 * they are. */
static inline int
read_some_ahead(struct loop *loop)
{
    return read_ahead(&loop->ahead, &loop->ring, loop->ready + loop->ready_at,
                      loop->ready_count - loop->ready_at);
}

/* A callback may end any descriptor, its own included, and want something else.
 * Nearly always there is something to read for one who wants nothing else. */
static inline void
tell_next(struct loop *loop)
{
    const struct epoll_event *event = &loop->ready[loop->ready_at];
    struct loop_io *io = event->data.ptr;
    if (event->events == EPOLLIN && io != NULL && (io->wanted == LOOP_READ || io->ahead != NULL)) {
        io->fn(io->arg, LOOP_READ);
    } else {
        tell_rarely(loop, event);
    }
    loop->ready_at++;
}

/* Those that were due when the turn began; one that a callback starts is due in a
 * coming turn. Of several the others wait if the turn is long. */
static void
run_timers(struct loop *loop)
{
    struct loop_timer *t;
    bool more = false;
    while ((t = timer_heap_first(&loop->timers)) != NULL && t->due_us <= loop->begun_us) {
        if (more && loop_turn_is_long(loop)) {
            break;
        }
        more = true;
        timer_heap_remove(&loop->timers, t);
        if (is_late(loop, t)) {
            loop->stalled_until_us = loop->begun_us + STALL_FOR_US;
        }
        t->fn(t->arg);
    }
}

/* What the others of the same wake-up did counts as waiting for who is still to come,
 * so the time of the wake-up stays. */
static void
next_turn(struct loop *loop)
{
    uint64_t woken_us = loop->moment.now_us;
    run_hooks(loop);
    end_turn(loop);
    begin_turn(loop);
    loop->moment.now_us = woken_us;
    run_timers(loop);
}

/* --- the turn ---------------------------------------------------------------------- */

/* Nobody's turn comes earlier for it, but timers, who has yielded among them, wait for
 * one long callback and not for many. */
static __attribute__((noinline)) void
tell_many(struct loop *loop)
{
    while (loop->ready_at < loop->ready_count) {
        if (loop_turn_is_long(loop)) {
            next_turn(loop);
        }
        /* Between the read and the callback there is no turn: it is little, and would have
         * to be kept for those who go. */
        int n = read_some_ahead(loop);
        do {
            tell_next(loop);
        } while (--n > 0);
    }
}

static void
tell_ready(struct loop *loop)
{
    loop->moment.worked = loop->ready_count > READY_FEW;
    if (loop->ready_count == 0) {
        return;
    }
    int n = loop->ready_count > 1 ? read_some_ahead(loop) : 0;
    do {
        tell_next(loop);
    } while (--n > 0);
    while (loop->ready_at < loop->ready_count) {
        if (__builtin_expect(loop->moment.worked, 0)) {
            tell_many(loop);
            return;
        }
        tell_next(loop);
    }
}

/* Behind a long turn they have the next one, whatever else that does. */
static void
run_timers_in_time(struct loop *loop)
{
    bool wait = loop->moment.worked && !loop->timers_wait && loop_turn_is_long(loop);
    loop->timers_wait = wait;
    if (!wait) {
        run_timers(loop);
    }
}

void
loop_run(struct loop *loop)
{
    loop->busy_us = LOOP_CPU_GRAIN_US; /* whatever the thread has done before */
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
        wait_for_events(loop);
        begin_turn(loop);
        tell_ready(loop);
        run_timers_in_time(loop);
        run_hooks(loop);
        end_turn(loop);
    }
    atomic_store(&loop->stopping, false);
}

void
loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

void
loop_gather(struct loop *loop, unsigned us)
{
    ASSERT(loop->in_turn && us < 1000000);

    loop->gather_until_us = loop->begun_us + us;
}

bool
loop_turn_is_long(const struct loop *loop)
{
    return clock_read().system_us - loop->begun_us >= TURN_US;
}

bool
loop_is_busy(const struct loop *loop)
{
    return loop->works_us > loop->waits_us;
}

bool
loop_others_are_ready(const struct loop *loop)
{
    return loop->ready_at + 1 < loop->ready_count;
}

struct call_ring *
loop_call_ring(struct loop *loop)
{
    return &loop->ring;
}

uint64_t
loop_turns(const struct loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

uint64_t
loop_longest_turn_us(const struct loop *loop)
{
    return atomic_load_explicit(&loop->longest_turn_us, memory_order_relaxed);
}

void
loop_forget_longest_turn(struct loop *loop)
{
    atomic_store_explicit(&loop->longest_turn_us, 0, memory_order_relaxed);
}

uint64_t
loop_slow_turns(const struct loop *loop)
{
    return atomic_load_explicit(&loop->slow_turns, memory_order_relaxed);
}

void
loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct posted *p = mem_alloc(sizeof(*p));
    *p = (struct posted){NULL, fn, arg};
    pthread_mutex_lock(&loop->post_lock);
    *loop->post_tail = p;
    loop->post_tail = &p->next;
    pthread_mutex_unlock(&loop->post_lock);
    wake(loop);
}

const char *
loop_backend_version(void)
{
    return event_get_version();
}

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
    /* What there is to do is done behind the wait that this ends. */
}

struct event_base *
loop_base(struct loop *loop)
{
    if (loop->base != NULL) {
        return loop->base;
    }
    struct event_config *config = event_config_new();
    /* Other threads reach a loop by its eventfd alone, so its base needs no lock. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    ASSERT(loop->base != NULL);
    loop->nested = event_new(loop->base, loop->epoll_fd, EV_READ | EV_PERSIST, on_nothing, NULL);
    loop->alarm = event_new(loop->base, -1, 0, on_nothing, NULL);
    ASSERT(loop->nested != NULL && loop->alarm != NULL && event_add(loop->nested, NULL) == 0);
    return loop->base;
}

/* --- descriptors -------------------------------------------------------------- */

void
loop_io_init(struct loop_io *io, struct loop *loop, int fd, void (*fn)(void *arg, int ready),
             void *arg)
{
    *io = (struct loop_io){.loop = loop, .fn = fn, .arg = arg, .fd = fd};
}

/* One for which nothing is wanted leaves the set, or its errors would end every
 * wait. */
static void
change_wanted(struct loop_io *io, int wanted)
{
    struct epoll_event event = {.data.ptr = io};
    event.events = (wanted & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
                   (wanted & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
    int op = wanted == 0 ? EPOLL_CTL_DEL : io->wanted == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    int failed = epoll_ctl(io->loop->epoll_fd, op, io->fd, &event);
    if (failed != 0 && op == EPOLL_CTL_MOD && errno == ENOENT) {
        /* A library has closed it and opened another of that number. */
        failed = epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_ADD, io->fd, &event);
    }
    ASSERT(failed == 0 || wanted == 0);
    io->wanted = wanted;
}

void
loop_io_want(struct loop_io *io, int wanted)
{
    if (wanted != io->wanted) {
        change_wanted(io, wanted);
    }
}

void
loop_io_deinit(struct loop_io *io)
{
    struct loop *loop = io->loop;
    if (loop == NULL) {
        return;
    }
    if (io->wanted != 0) {
        change_wanted(io, 0);
    }
    for (int i = loop->ready_at; i < loop->ready_count; i++) {
        if (loop->ready[i].data.ptr == io) {
            loop->ready[i].data.ptr = NULL;
        }
    }
}

/* --- timers -------------------------------------------------------------------- */

void
loop_timer_init(struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    *t = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
}

/* Behind the turn that goes on, so that timers which start themselves anew keep
 * nobody else from his turn. */
void
loop_timer_start(struct loop_timer *t, uint64_t ms)
{
    uint64_t now_us = t->loop->in_turn ? t->loop->begun_us + 1 : clock_read().system_us;
    timer_heap_put(&t->loop->timers, t, now_us + ms * 1000);
}

void
loop_timer_stop(struct loop_timer *t)
{
    timer_heap_remove(&t->loop->timers, t);
}

void
loop_timer_deinit(struct loop_timer *t)
{
    if (t->place != 0) {
        loop_timer_stop(t);
    }
}

/* --- hooks --------------------------------------------------------------------- */

void
loop_hook_add(struct loop_hook *h, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    ASSERT(h->loop == NULL);
    h->loop = loop;
    h->fn = fn;
    h->arg = arg;
    bool at_end = loop->hook_next == &loop->hooks;
    list_push_back(&loop->hooks, &h->link);
    if (at_end) {
        loop->hook_next = &h->link;
    }
    if (!loop->in_turn) {
        wake(loop); /* or it would wait for whatever happens next */
    }
}

void
loop_hook_remove(struct loop_hook *h)
{
    if (h->loop == NULL) {
        return;
    }
    if (h->loop->hook_next == &h->link) {
        h->loop->hook_next = h->link.next;
    }
    list_remove(&h->link);
    h->loop = NULL;
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct loop_signal *s = arg;
    begin_turn(s->loop);
    s->fn(s->arg);
}

void
loop_signal_init(struct loop_signal *s, struct loop *loop, int signo, void (*fn)(void *arg),
                 void *arg)
{
    *s = (struct loop_signal){loop, NULL, fn, arg};
    s->event = evsignal_new(loop_base(loop), signo, on_signal, s);
    ASSERT(s->event != NULL && event_add(s->event, NULL) == 0);
}

void
loop_signal_deinit(struct loop_signal *s)
{
    if (s->event != NULL) {
        event_free(s->event);
        s->event = NULL;
    }
}
