#include "common/net/loop.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#define SLOW_TURN_US 1000

struct posted {
    struct posted *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base;
    uint64_t now_us;
    bool in_turn; /* now_us is this turn's */
    _Atomic uint64_t turns;
    _Atomic uint64_t longest_turn_us;
    _Atomic uint64_t slow_turns;
    uint64_t cpu_us;    /* of this thread, when it was last read, */
    uint64_t cpu_at_us; /* which was at this time */
    atomic_bool stopping;
    struct list hooks;
    struct list *hook_next; /* the hook to run next; removal moves it on */
    int wake_fd;
    struct loop_io wake_io;
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

/* Reading the thread's CPU time is a system call, so it is read only if the last
 * reading is so old that it would tell too much, and after turns that were long
 * by the cheap clock. */
static void
read_cpu_time(struct loop *loop, uint64_t now_us)
{
    loop->cpu_us = clock_thread_cpu_ns() / 1000;
    loop->cpu_at_us = now_us;
}

static void
measure_turn(struct loop *loop)
{
    uint64_t now_us = clock_mono_us(), took_us = now_us - loop->now_us;
    if (__builtin_expect(took_us < LOOP_CPU_GRAIN_US, 1)) {
        return;
    }
    uint64_t before_us = loop->cpu_us;
    read_cpu_time(loop, now_us);
    uint64_t cpu_us = loop->cpu_us - before_us;
    cpu_us = cpu_us < took_us ? cpu_us : took_us;
    if (cpu_us > atomic_load_explicit(&loop->longest_turn_us, memory_order_relaxed)) {
        atomic_store_explicit(&loop->longest_turn_us, cpu_us, memory_order_relaxed);
    }
    if (cpu_us >= SLOW_TURN_US) {
        atomic_fetch_add_explicit(&loop->slow_turns, 1, memory_order_relaxed);
    }
}

/* The turn begins with its first callback, not when the wait for it began: an
 * idle loop may have waited for minutes. */
static inline void
begin_turn(struct loop *loop)
{
    if (!loop->in_turn) {
        loop->in_turn = true;
        loop->now_us = clock_mono_us();
        if (loop->now_us - loop->cpu_at_us >= LOOP_CPU_GRAIN_US) {
            read_cpu_time(loop, loop->now_us);
        }
    }
}

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
on_wake(void *arg, int ready)
{
    struct loop *loop = arg;
    uint64_t count;
    ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));
    (void)ignored;
    struct posted *p = take_posted(loop);
    while (p != NULL) {
        struct posted *next = p->next;
        p->fn(p->arg);
        free(p);
        p = next;
    }
}

struct loop *
loop_create(void)
{
    pthread_once(&prepared, prepare_process);
    struct loop *loop = mem_zalloc(sizeof(*loop));
    struct event_config *config = event_config_new();
    /* Other threads reach a loop by its eventfd alone, so its base needs no lock.
     * Timers go by the kernel's coarse clock, and so are exact to a few
     * milliseconds: exact ones would cost libevent a system call in every turn. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    ASSERT(loop->base != NULL);
    loop->now_us = clock_mono_us();
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
    struct posted *p = take_posted(l);
    while (p != NULL) {
        struct posted *next = p->next;
        free(p);
        p = next;
    }
    loop_io_deinit(&l->wake_io);
    close(l->wake_fd);
    event_base_free(l->base);
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

void
loop_run(struct loop *loop)
{
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
        event_base_loop(loop->base, EVLOOP_ONCE);
        begin_turn(loop); /* in case only a library's own events ran */
        run_hooks(loop);
        measure_turn(loop);
        loop->in_turn = false;
        atomic_store_explicit(&loop->turns,
                              atomic_load_explicit(&loop->turns, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
    atomic_store(&loop->stopping, false);
}

static void
wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored;
}

void
loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

uint64_t
loop_now_us(const struct loop *loop)
{
    return loop->now_us;
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

struct event_base *
loop_base(struct loop *loop)
{
    return loop->base;
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;
    begin_turn(io->loop);
    int ready = (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0);
    io->fn(io->arg, ready);
}

void
loop_io_init(struct loop_io *io, struct loop *loop, int fd, void (*fn)(void *arg, int ready),
             void *arg)
{
    *io = (struct loop_io){.loop = loop, .fn = fn, .arg = arg, .fd = fd};
}

static void
want_one(struct loop_io *io, struct event **event, short what, bool on)
{
    if (on && *event == NULL) {
        *event = event_new(io->loop->base, io->fd, what | EV_PERSIST, on_io, io);
        ASSERT(*event != NULL);
    }
    if (on) {
        ASSERT(event_add(*event, NULL) == 0);
    } else {
        event_del(*event);
    }
}

void
loop_io_want(struct loop_io *io, int wanted)
{
    int change = io->wanted ^ wanted;
    if (change & LOOP_READ) {
        want_one(io, &io->read_event, EV_READ, wanted & LOOP_READ);
    }
    if (change & LOOP_WRITE) {
        want_one(io, &io->write_event, EV_WRITE, wanted & LOOP_WRITE);
    }
    io->wanted = wanted;
}

void
loop_io_deinit(struct loop_io *io)
{
    if (io->read_event != NULL) {
        event_free(io->read_event);
    }
    if (io->write_event != NULL) {
        event_free(io->write_event);
    }
    io->read_event = io->write_event = NULL;
    io->wanted = 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *t = arg;
    begin_turn(t->loop);
    t->fn(t->arg);
}

void
loop_timer_init(struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    *t = (struct loop_timer){loop, NULL, fn, arg};
    t->event = event_new(loop->base, -1, 0, on_timer, t);
    ASSERT(t->event != NULL);
}

void
loop_timer_start(struct loop_timer *t, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    ASSERT(event_add(t->event, &tv) == 0);
}

void
loop_timer_stop(struct loop_timer *t)
{
    event_del(t->event);
}

bool
loop_timer_running(const struct loop_timer *t)
{
    return event_pending(t->event, EV_TIMEOUT, NULL);
}

void
loop_timer_deinit(struct loop_timer *t)
{
    if (t->event != NULL) {
        event_free(t->event);
        t->event = NULL;
    }
}

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
    s->event = evsignal_new(loop->base, signo, on_signal, s);
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
