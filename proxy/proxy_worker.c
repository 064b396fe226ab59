#include "proxy/proxy_worker.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/mem.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/near.h"
#include "proxy/pending.h"
#include "proxy/promoter.h"
#include "proxy/rejoin.h"
#include "proxy/roster.h"
#include "proxy/watcher.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS       1000
#define DRAIN_TICK_MS 20

static void end_turn(void *arg);
static void on_tick(void *arg);

struct worker *
worker_create(unsigned index, const struct worker_limits *limits, const struct worker_host *host,
              struct metric_block *metrics)
{
    struct worker *w = mem_zalloc_lines(sizeof(*w));
    w->loop = loop_create();
    w->index = index;
    w->limits = limits;
    w->host = host;
    w->metrics = metrics;
    w->rng = random_seed();
    objpool_init(&w->pendings, sizeof(struct pending));
    objpool_init(&w->legs, sizeof(struct leg));
    objpool_init(&w->renames, sizeof(struct rename));
    coalesce_init(&w->coalesce, w);
    fanout_init(&w->fanout, w);
    hedge_init(&w->hedge, w);
    herald_init(&w->herald, w);
    moving_init(&w->moving, w);
    w->hotkeys = hotkeys_create(w->rng);
    w->hotkeys_distance = 1;
    list_init(&w->clients);
    list_init(&w->watchers);
    list_init(&w->backends);
    list_init(&w->busy_clients);
    list_init(&w->busy_backends);
    loop_hook_add(&w->flush_hook, w->loop, end_turn, w);
    loop_timer_init(&w->tick_timer, w->loop, on_tick, w);
    atomic_init(&w->beat_us, clock_mono_us());
    return w;
}

static void *
run(void *arg)
{
    struct worker *w = arg;
    loop_timer_start(&w->tick_timer, TICK_MS);
    loop_run(w->loop);
    return NULL;
}

void
worker_start(struct worker *w)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = true;
}

static void
stop(void *arg)
{
    struct worker *w = arg;
    loop_stop(w->loop);
}

void
worker_stop(struct worker *w)
{
    if (w->started) {
        loop_post(w->loop, stop, w); /* behind all that was given before */
        pthread_join(w->thread, NULL);
        w->started = false;
    }
}

void
worker_destroy(struct worker **worker)
{
    struct worker *w = *worker;
    *worker = NULL;
    ASSERT(!w->started);
    w->ending = true;
    while (!list_empty(&w->clients)) {
        struct client *c = LIST_ENTRY(list_first(&w->clients), struct client, link);
        client_destroy(&c);
    }
    while (!list_empty(&w->backends)) {
        struct backend *b = LIST_ENTRY(list_first(&w->backends), struct backend, link);
        backend_destroy(&b);
    }
    moving_tick(w);
    if (w->roster != NULL) {
        roster_unref(&w->roster);
    }
    coalesce_deinit(&w->coalesce);
    fanout_deinit(&w->fanout);
    hedge_deinit(&w->hedge);
    herald_deinit(&w->herald);
    moving_deinit(&w->moving);
    shadow_deinit(&w->shadow);
    hotkeys_destroy(&w->hotkeys);
    loop_hook_remove(&w->flush_hook);
    loop_timer_deinit(&w->tick_timer);
    loop_destroy(&w->loop);
    objpool_deinit(&w->pendings);
    objpool_deinit(&w->legs);
    objpool_deinit(&w->renames);
    buf_deinit(&w->renamed_line);
    multiget_pool_deinit(&w->multigets);
    bufpool_deinit(&w->bufs);
    free(w->split_ways);
    free(w->split_parts);
    buf_deinit(&w->scratch);
    free(w);
}

uint64_t
worker_key_hash(const struct worker *w, struct span key)
{
    return hash_span_seeded(key, w->limits->hash_seed);
}

static void
count_promotions(struct worker *w, struct promotion_changes changes)
{
    worker_count(w, METRIC_ID_PROMOTIONS, changes.promoted);
    worker_count(w, METRIC_ID_DEMOTIONS, changes.demoted);
}

/* Also when nobody asks any more. */
static void
step_promotions(struct worker *w)
{
    const struct roster *r = w->roster;
    for (unsigned i = 0; r != NULL && i < r->placement->table->pool_count; i++) {
        if (r->pools[i].promoter != NULL) {
            count_promotions(w, promoter_step(r->pools[i].promoter, worker_now_us(w)));
        }
    }
}

void
worker_look_at(struct worker *w, const struct lookup_key *key)
{
    w->hotkeys_distance =
        hotkeys_count_request(w->hotkeys, key->bytes, key->hash, worker_now_us(w) / 1000);
    const struct roster_pool *pool = &w->roster->pools[key->pool];
    if (pool->near != NULL) {
        near_look_at(w, key);
    }
    if (pool->promoter != NULL) {
        unsigned owner = route_owner(w->roster->placement->table, key->pool, key->bytes);
        count_promotions(w, promoter_note(pool->promoter, key, owner, worker_now_us(w)));
    }
}

/* --- the end of a turn --------------------------------------------------------- */

/* Before anybody is told that a delete is remembered, it is in the file. */
static void
write_journals(struct worker *w)
{
    w->journals_unwritten = false;
    LIST_EACH (it, &w->backends) {
        struct backend *b = LIST_ENTRY(it, struct backend, link);
        if (b->journal_unwritten) {
            b->journal_unwritten = false;
            journal_write(b->journal);
        }
    }
}

static void
gather_more(struct worker *w, unsigned busy_clients)
{
    unsigned asking = w->asking_clients;
    if (gather_pays(&w->gather, asking > busy_clients ? asking : busy_clients, worker_now_us(w)) &&
        w->limits->gather_us > 0) {
        worker_count(w, METRIC_ID_GATHERED, 1);
        loop_gather(w->loop, w->limits->gather_us);
    }
}

/* Who is to be told of a send when the batch has run. */
struct sending {
    void *who;
    const struct batched_call *call; /* NULL: there was nothing to send */
};

static void
add_send(struct worker *w, struct sending *s, void *who, int fd, struct span bytes)
{
    s->who = who;
    s->call = NULL;
    if (bytes.len > 0) {
        s->call = call_batch_add(&w->sends, BATCHED_SEND, fd, bytes.ptr, bytes.len);
    }
}

/* What is told of one may give another more to send, and it may doom him, but does not
 * free him: so they are all there until each has been told. */
static ssize_t
sent(const struct sending *s)
{
    return s->call != NULL ? s->call->result : 0;
}

static void
send_to_backends(struct worker *w)
{
    struct sending sending[CALL_BATCH_MAX];
    struct list *link;
    unsigned n = 0;
    w->sends.count = 0;
    while (n < CALL_BATCH_MAX && (link = list_pop_front(&w->busy_backends)) != NULL) {
        struct backend *b = LIST_ENTRY(link, struct backend, busy_link);
        struct span bytes = backend_unsent(b);
        add_send(w, &sending[n++], b, b->fd, bytes);
    }
    call_batch_run(&w->sends, loop_call_ring(w->loop));
    for (unsigned i = 0; i < n; i++) {
        backend_end_turn(sending[i].who, sent(&sending[i]));
    }
}

/* Returns how many. */
static unsigned
send_to_clients(struct worker *w)
{
    struct sending sending[CALL_BATCH_MAX];
    struct list *link;
    unsigned n = 0;
    w->sends.count = 0;
    if (w->journals_unwritten) {
        write_journals(w);
    }
    while (n < CALL_BATCH_MAX && (link = list_pop_front(&w->busy_clients)) != NULL) {
        struct client *c = LIST_ENTRY(link, struct client, busy_link);
        add_send(w, &sending[n++], c, c->fd, client_unsent(c));
    }
    call_batch_run(&w->sends, loop_call_ring(w->loop));
    for (unsigned i = 0; i < n; i++) {
        client_end_turn(sending[i].who, sent(&sending[i]));
    }
    return n;
}

/* Backends first: one that fails to send answers clients. Clients then may go
 * on parsing what back-pressure held up, which gives backends more to send; so
 * again, until nobody has anything left. Each has at most one send a round, and
 * nearly always there is one round. */
static void
end_turn(void *arg)
{
    struct worker *w = arg;
    unsigned clients = 0;
    while (!list_empty(&w->busy_backends) || !list_empty(&w->busy_clients)) {
        while (!list_empty(&w->busy_backends)) {
            send_to_backends(w);
        }
        while (!list_empty(&w->busy_clients)) {
            clients += send_to_clients(w);
        }
    }
    gather_more(w, clients);
}

/* --- from other threads ----------------------------------------------------------- */

/* What another thread hands to the worker. */
struct gift {
    struct worker *worker;
    struct placement *placement;
    struct node_stats *stats;
    int fd;
    unsigned frontend;
    uint64_t ms;
    bool clients_too;
};

static void
give(struct worker *w, void (*take)(void *arg), struct gift value)
{
    struct gift *gift = mem_dup(&value, sizeof(value));
    gift->worker = w;
    loop_post(w->loop, take, gift);
}

static void
take_client(void *arg)
{
    struct gift *gift = arg;
    struct worker *w = gift->worker;
    if (w->roster != NULL) {
        roster_know_frontends(w->roster);
    }
    client_create(w, gift->fd, gift->frontend);
    free(gift);
}

void
worker_give_client(struct worker *w, int fd, unsigned frontend)
{
    give(w, take_client, (struct gift){.fd = fd, .frontend = frontend});
}

void
worker_roster_gone(struct worker *w)
{
    w->rosters--;
    if (w->rosters == 1 && w->roster != NULL && !w->clear_told) {
        w->clear_told = true;
        herald_clear(w);
        struct placement *placement = w->roster->placement;
        if (atomic_fetch_sub(&placement->uncleared, 1) == 1) {
            w->host->placement_clear(w->host->arg, placement);
        }
    }
}

static void
take_placement(void *arg)
{
    struct gift *gift = arg;
    struct worker *w = gift->worker;
    struct roster *previous = w->roster;
    w->roster = roster_create(w, gift->placement, previous);
    coalesce_forget(&w->coalesce);
    w->clear_told = false;
    w->rosters += 2; /* the new one, and this function's hold on the old */
    if (previous != NULL) {
        roster_unref(&previous);
    }
    worker_roster_gone(w);
    placement_unref(&gift->placement);
    free(gift);
}

void
worker_give_placement(struct worker *w, struct placement *placement)
{
    give(w, take_placement, (struct gift){.placement = placement_ref(placement)});
}

/* A node that we are connected to has been found by ourselves. */
static void
hear_of_down(void *arg)
{
    struct gift *gift = arg;
    LIST_EACH (it, &gift->worker->backends) {
        struct backend *b = LIST_ENTRY(it, struct backend, link);
        if (b->stats == gift->stats && !b->retired && b->state != BACKEND_CONNECTED) {
            backend_note(b, HEALTH_INHERITED);
        }
    }
    node_stats_unref(&gift->stats);
    free(gift);
}

void
worker_tell_down(struct worker *w, struct node_stats *stats)
{
    give(w, hear_of_down, (struct gift){.fd = -1, .stats = node_stats_ref(stats)});
}

static void
look_at_journals(void *arg)
{
    struct gift *gift = arg;
    LIST_EACH (it, &gift->worker->backends) {
        rejoin_look(LIST_ENTRY(it, struct backend, link));
    }
    free(gift);
}

void
worker_look_at_journals(struct worker *w)
{
    give(w, look_at_journals, (struct gift){.fd = -1});
}

/* --- draining and ticking -------------------------------------------------------- */

/* So many idle clients that all are closed when the time is over: their peers
 * connect elsewhere, and not all at once. */
static void
close_some_idle(struct worker *w)
{
    uint64_t now = worker_now_us(w);
    uint64_t left_ms = w->drain_until_us > now ? (w->drain_until_us - now) / 1000 : 0;
    size_t idle = 0;
    LIST_EACH (it, &w->clients) {
        idle += client_is_idle(LIST_ENTRY(it, struct client, link));
    }
    size_t quota = idle / (left_ms / DRAIN_TICK_MS + 1) + 1;
    LIST_EACH_SAFE (it, &w->clients) {
        struct client *c = LIST_ENTRY(it, struct client, link);
        if (quota > 0 && client_is_idle(c)) {
            client_finish(c);
            quota--;
        }
    }
}

bool
worker_give_away(struct worker *w, struct client *c)
{
    if (!w->gives_clients || !client_is_portable(c)) {
        return false;
    }
    switch (w->host->give_client(w->host->arg, c->fd, c->frontend)) {
    case SUCCESSOR_TOOK: break;
    case SUCCESSOR_BUSY: return false; /* the next tick finds it */
    case SUCCESSOR_GONE: w->gives_clients = false; return false;
    }
    worker_count(w, METRIC_ID_GIVEN, 1);
    client_destroy(&c);
    return true;
}

static void
give_idle(struct worker *w)
{
    LIST_EACH_SAFE (it, &w->clients) {
        struct client *c = LIST_ENTRY(it, struct client, link);
        if (!worker_give_away(w, c)) {
            client_busy(c); /* so that it sees that it shall */
        }
    }
}

static void
on_tick(void *arg)
{
    struct worker *w = arg;
    uint64_t now = worker_now_us(w);
    atomic_store_explicit(&w->beat_us, now, memory_order_relaxed);
    LIST_EACH (it, &w->clients) {
        client_check_half(LIST_ENTRY(it, struct client, link), now);
    }
    LIST_EACH (it, &w->backends) {
        backend_tick(LIST_ENTRY(it, struct backend, link));
    }
    step_promotions(w);
    moving_tick(w);
    if (w->index == 0) {
        w->host->watch_tick(w->host->arg);
    }
    if (w->gives_clients) {
        give_idle(w);
    } else if (w->draining) {
        close_some_idle(w);
    }
    bufpool_trim(&w->bufs);
    loop_timer_start(&w->tick_timer, w->draining ? DRAIN_TICK_MS : TICK_MS);
}

static void
begin_drain(void *arg)
{
    struct gift *gift = arg;
    struct worker *w = gift->worker;
    w->draining = true;
    w->gives_clients = gift->clients_too;
    w->drain_until_us = worker_now_us(w) + gift->ms * 1000;
    free(gift);
    watcher_end_all(w);
    on_tick(w);
}

void
worker_drain(struct worker *w, uint64_t ms, bool clients_too)
{
    give(w, begin_drain, (struct gift){.ms = ms, .clients_too = clients_too});
}

uint64_t
worker_silent_ms(const struct worker *w)
{
    uint64_t beat = atomic_load_explicit(&w->beat_us, memory_order_relaxed);
    uint64_t now = clock_mono_us();
    return now > beat ? (now - beat) / 1000 : 0;
}
