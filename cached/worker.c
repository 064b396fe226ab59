#include "cached/worker.h"
#include "cached/conn.h"
#include "cached/watch.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"

#include <stdlib.h>
#include <unistd.h>

#define TICK_MS          100
#define SWEEP_SLICE_NS   50000  /* of a tick's sweep */
#define SWEEP_ITEMS      50     /* between two looks at the clock */
#define SWEEP_ROUNDS_MAX 100    /* an empty store is not swept for the whole slice */
#define AGAIN_MS         1      /* with work left behind: a twentieth of the thread */
#define LAST_US          250000 /* for those who go on */
#define LAST_TURNS       8      /* in which what was sent before the end is answered */

struct handover {
    struct worker *worker;
    int fd;
};

static struct conn *
oldest(const struct list *head, size_t offset)
{
    struct list *link = list_first(head);
    return link != NULL ? (struct conn *)(void *)((char *)link - offset) : NULL;
}

static void
cut_halves(struct worker *w)
{
    struct conn *c;
    while ((c = oldest(&w->halves, offsetof(struct conn, half))) != NULL &&
           c->half_since_ms + CONN_HALF_MAX_MS <= w->now_ms) {
        worker_count(w, METRIC_ID_NODE_HALF_KICKS);
        conn_close(c, END_ERROR);
    }
}

void
worker_note_halves(struct worker *w)
{
    const struct conn *c = oldest(&w->halves, offsetof(struct conn, half));
    atomic_store_explicit(&w->oldest_half_ms, c != NULL ? c->half_since_ms : WORKER_NO_HALF,
                          memory_order_relaxed);
}

static void
on_shed(void *arg)
{
    struct worker *w = arg;
    struct conn *c = oldest(&w->halves, offsetof(struct conn, half));
    w->now_ms = node_now_ms(w->node);
    if (c != NULL && c->half_since_ms + WORKER_SHED_MS <= w->now_ms) {
        worker_count(w, METRIC_ID_NODE_HALF_KICKS);
        conn_close(c, END_ERROR);
    }
    atomic_store(&w->shedding, false);
}

bool
worker_shed(struct worker *w)
{
    uint64_t since_ms = atomic_load_explicit(&w->oldest_half_ms, memory_order_relaxed);
    if (since_ms == WORKER_NO_HALF || since_ms + WORKER_SHED_MS > node_now_ms(w->node) ||
        atomic_load(&w->shedding)) {
        return false;
    }
    atomic_store(&w->shedding, true);
    loop_post(w->loop, on_shed, w);
    return true;
}

static void
cut_idle(struct worker *w)
{
    uint64_t limit_ms = w->node->options.idle_timeout_s * 1000;
    struct conn *c;
    while (limit_ms > 0 && (c = oldest(&w->conns, offsetof(struct conn, link))) != NULL &&
           atomic_load_explicit(&c->active_ms, memory_order_relaxed) + limit_ms <= w->now_ms) {
        worker_count(w, METRIC_ID_NODE_IDLE_KICKS);
        conn_close(c, END_IDLE);
    }
}

/* A slice of our share of the store. True if it left work behind. */
static bool
sweep(struct worker *w)
{
    unsigned workers = (unsigned)w->node->options.threads;
    bool again = false;
    uint64_t until_ns = clock_mono_ns() + SWEEP_SLICE_NS;
    for (int i = 0; i < SWEEP_ROUNDS_MAX; i++) {
        store_sweep(w->store, w->index, workers, SWEEP_ITEMS, w->now_ms);
        again |= store_sweep_again(w->store);
        if (clock_mono_ns() >= until_ns) {
            break;
        }
    }
    return again;
}

static void
on_tick(void *arg)
{
    struct worker *w = arg;
    w->now_ms = node_now_ms(w->node);
    cut_halves(w);
    cut_idle(w);
    if (w->index == 0) {
        watch_hotkeys(w);
    }
    bool again = conn_memory_tick(w);
    again |= sweep(w);
    loop_timer_start(&w->tick_timer, again ? AGAIN_MS : TICK_MS);
}

/* Each goes on once, as far as the turn allows; whoever yields again stands behind those
 * who still wait. */
static void
on_yield_timer(void *arg)
{
    struct worker *w = arg;
    struct list *last = w->yielded.prev, *link;
    bool final = false;
    while (!final && (link = list_pop_front(&w->yielded)) != NULL) {
        final = link == last;
        conn_continue(LIST_ENTRY(link, struct conn, yield));
        final |= loop_turn_is_long(w->loop);
    }
    if (!list_empty(&w->yielded)) {
        loop_timer_start(&w->yield_timer, 0);
    }
}

void
worker_yield(struct worker *w, struct conn *c)
{
    worker_count(w, METRIC_ID_NODE_YIELDS);
    list_remove(&c->yield);
    if (list_empty(&w->yielded)) {
        loop_timer_start(&w->yield_timer, 0);
    }
    list_push_back(&w->yielded, &c->yield);
}

static void
on_handover(void *arg)
{
    struct handover *h = arg;
    worker_count(h->worker, METRIC_ID_NODE_ACCEPTED);
    conn_open(h->worker, h->fd);
    free(h);
}

void
worker_adopt(struct worker *w, int fd)
{
    struct handover *h = mem_alloc(sizeof(*h));
    *h = (struct handover){w, fd};
    loop_post(w->loop, on_handover, h);
}

void
worker_look_at(struct worker *w, const struct store_key *key, uint64_t bytes, bool hit)
{
    w->hotkeys_distance = hotkeys_count(w->hotkeys, key->key, key->hash, bytes, w->now_ms);
    worker_count(w, METRIC_ID_NODE_HOTKEY_SAMPLES);
    if (hit) {
        metric_bump(&w->class_hits[store_band_of(key->key.len, bytes)], HOTKEYS_EVERY);
    }
}

uint64_t
worker_turns(const struct worker *w)
{
    return loop_turns(w->loop);
}

uint64_t
workers_longest_turn_us(const struct node *node)
{
    uint64_t longest_us = 0;
    for (unsigned i = 0; i < node->worker_count; i++) {
        uint64_t us = loop_longest_turn_us(node->workers[i]->loop);
        longest_us = us > longest_us ? us : longest_us;
    }
    return longest_us;
}

void
workers_forget_longest_turn(struct node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        loop_forget_longest_turn(node->workers[i]->loop);
    }
}

uint64_t
workers_slow_turns(const struct node *node)
{
    uint64_t slow = 0;
    for (unsigned i = 0; i < node->worker_count; i++) {
        slow += loop_slow_turns(node->workers[i]->loop);
    }
    return slow;
}

static void *
run(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
    struct list *link;
    while ((link = list_first(&w->conns)) != NULL) {
        conn_close(LIST_ENTRY(link, struct conn, link), END_SHUTDOWN);
    }
    return NULL;
}

struct worker *
worker_start(struct node *node, unsigned index)
{
    struct worker *w = mem_zalloc(sizeof(*w));
    w->node = node;
    w->index = index;
    w->loop = loop_create();
    w->store = store_join(node->store);
    store_note_effort(w->store, loop_work_note(w->loop));
    w->metrics = metric_set_block(node->metrics);
    w->scratch = mem_alloc(WORKER_SCRATCH_BYTES);
    w->now_ms = node_now_ms(node);
    conn_memory_init(&w->memory);
    sends_init(&w->sends, w->loop);
    list_init(&w->conns);
    list_init(&w->halves);
    list_init(&w->announced);
    atomic_init(&w->oldest_half_ms, WORKER_NO_HALF);
    list_init(&w->yielded);
    w->hotkeys = hotkeys_create(index);
    service_init(&w->service_times, index + 1);
    w->hotkeys_distance = 1;
    w->prefixes = prefix_table_create(PREFIXES_MAX);
    watch_init_worker(w);
    loop_timer_init(&w->yield_timer, w->loop, on_yield_timer, w);
    loop_timer_init(&w->tick_timer, w->loop, on_tick, w);
    loop_timer_start(&w->tick_timer, TICK_MS);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        log_error("thread_failed", "worker=%u", index);
        abort();
    }
    return w;
}

/* Somebody has sent so much that he goes on in a coming turn; but not for ever. */
static bool
is_at_work(const struct worker *w)
{
    return !list_empty(&w->yielded) && loop_now_us(w->loop) < w->last_us;
}

/* Posted, so that it comes behind what is there already: connections that were
 * handed over, and requests, since the kernel reports them in order. And again for
 * some turns, since who has sent many goes on in the next. */
static void
on_stop(void *arg)
{
    struct worker *w = arg;
    if (w->last_us == 0) {
        w->last_us = loop_now_us(w->loop) + LAST_US;
    }
    if (is_at_work(w) || w->last_turns-- > 0) {
        loop_post(w->loop, on_stop, w);
    } else {
        loop_stop(w->loop);
    }
}

void
worker_stop(struct worker *w)
{
    w->last_turns = LAST_TURNS;
    loop_post(w->loop, on_stop, w);
}

void
worker_wait(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

void
worker_free(struct worker **w)
{
    struct worker *it = *w;
    loop_timer_deinit(&it->yield_timer);
    loop_timer_deinit(&it->tick_timer);
    watch_deinit_worker(it);
    prefix_table_destroy(&it->prefixes);
    hotkeys_destroy(&it->hotkeys);
    sends_deinit(&it->sends);
    loop_destroy(&it->loop);
    free(it->scratch);
    free(it);
    *w = NULL;
}
