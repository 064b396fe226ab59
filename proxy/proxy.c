#include "proxy/proxy.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/daemon.h"
#include "common/push/follow.h"
#include "proxy/journal_heir.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_POLL_MS     10
#define SPARE_DESCRIPTORS 64
#define HURRY_EVERY_MS    1000 /* a newer table is asked for */
#define LOOP_DESCRIPTORS  4    /* of each worker: its epoll and what wakes it */

/* --- connections --------------------------------------------------------------- */

/* Nodes come first: a client that is refused may connect elsewhere, but a node
 * for which no descriptor is left would be taken for dead. */
static void
share_descriptors(struct proxy *proxy, unsigned nodes)
{
    uint64_t ours = SPARE_DESCRIPTORS + proxy->options->threads * (nodes + LOOP_DESCRIPTORS);
    uint64_t clients = proxy->options->max_connections;
    uint64_t limit = daemon_want_descriptors(ours + clients);
    if (limit < ours + clients) {
        clients = limit > ours ? limit - ours : 1;
    }
    bool fewer = clients < proxy->options->max_connections;
    if (atomic_exchange(&proxy->connections_max, clients) != clients && fewer) {
        log_warn("clients_limited", "max=%" PRIu64 " nodes=%u", clients, nodes);
    }
}

static void
on_client_gone(void *arg)
{
    struct proxy *proxy = arg;
    atomic_fetch_sub(&proxy->connections, 1);
}

/* What a client was told to be remembered is known there before the client is. */
static enum successor_takes
on_client_to_give(void *arg, int fd, unsigned frontend)
{
    struct proxy *proxy = arg;
    if (!journal_heir_send(proxy->heir)) {
        return SUCCESSOR_BUSY;
    }
    return successor_give_client(proxy->successor, fd, &proxy->frontends.rows[frontend]);
}

/* --- the routing table ------------------------------------------------------------ */

/* On the follower's thread. */
static bool
adopt(void *arg, struct table *table, char *why)
{
    struct proxy *proxy = arg;
    struct placement *previous = proxy_placement(proxy);
    struct placement_host host = {proxy->worker_count, proxy->resolver, &proxy->journal_budget,
                                  proxy->journals};
    struct placement *next = placement_create(table, previous, &host, why);
    placement_unref(&previous);
    if (next == NULL) {
        return false;
    }
    share_descriptors(proxy, placement_all(next));
    pthread_mutex_lock(&proxy->lock);
    previous = proxy->placement;
    proxy->placement = next;
    pthread_mutex_unlock(&proxy->lock);
    if (previous != NULL) {
        placement_drop_files(previous, next);
    }
    placement_unref(&previous);
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        worker_give_placement(proxy->workers[i], next);
    }
    log_info("table_in_use", "epoch=%" PRIu64 " pools=%u nodes=%u", table->epoch, table->pool_count,
             next->node_count);
    proxy_check_frontends(proxy, table);
    return true;
}

struct placement *
proxy_placement(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    struct placement *p = proxy->placement != NULL ? placement_ref(proxy->placement) : NULL;
    pthread_mutex_unlock(&proxy->lock);
    return p;
}

static void
on_placement_clear(void *arg, struct placement *placement)
{
    struct proxy *proxy = arg;
    atomic_store(&proxy->clear_epoch, placement->table->epoch);
    pthread_mutex_lock(&proxy->lock);
    if (proxy->follower != NULL) {
        follower_ack(proxy->follower, placement->table->epoch);
    }
    pthread_mutex_unlock(&proxy->lock);
}

/* Any worker's thread, perhaps for each request. */
static void
on_table_is_stale(void *arg)
{
    struct proxy *proxy = arg;
    uint64_t now = clock_mono_ms(), last = atomic_load(&proxy->hurried_ms);
    if (now - last < HURRY_EVERY_MS ||
        !atomic_compare_exchange_strong(&proxy->hurried_ms, &last, now)) {
        return;
    }
    pthread_mutex_lock(&proxy->lock);
    if (proxy->follower != NULL) {
        follower_hurry(proxy->follower);
    }
    pthread_mutex_unlock(&proxy->lock);
}

/* What mfcontrol weighs when it asks who is down. */
static void
on_report(void *arg, json_t *report)
{
    struct proxy *proxy = arg;
    struct placement *p = proxy_placement(proxy);
    json_t *nodes = json_object();
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        const struct node_stats *s = p->nodes[i].stats;
        uint64_t failed = atomic_load(&s->timeouts) + atomic_load(&s->broken);
        json_t *node =
            json_pack("{s:I, s:I, s:i}", "requests", (json_int_t)atomic_load(&s->requests),
                      "failed", (json_int_t)failed, "down", (int)atomic_load(&s->down));
        json_object_set_new(nodes, p->nodes[i].name, node);
    }
    json_object_set_new(report, "nodes", nodes);
    placement_unref(&p);
}

static struct table *
table_of_servers(const struct proxy_options *o)
{
    char error[TABLE_ERROR_MAX];
    struct table_servers from = {.servers = o->servers.items,
                                 .count = (unsigned)o->servers.count,
                                 .gutter = o->gutter.items,
                                 .gutter_count = (unsigned)o->gutter.count,
                                 .gutter_ttl_s = o->gutter_ttl / 1000,
                                 .ring_name = o->ring,
                                 .hash_name = o->hash};
    struct table *table = table_from_servers(&from, error);
    if (table == NULL) {
        fprintf(stderr, "mfproxy: option --servers: %s\n", error);
        return NULL;
    }
    for (unsigned i = 0; i < table->pool_count; i++) {
        struct table_pool *pool = &table->pools[i];
        pool->connect_timeout_ms = o->connect_timeout;
        pool->request_timeout_ms = o->request_timeout;
        pool->coalesce = strcmp(o->coalesce, "on") == 0;
        pool->near_cache_bytes = o->near_cache;
        pool->near_cache_ttl_ms = o->near_cache_ttl;
        rejoin_policy_find(span_cstr(o->rejoin), &pool->rejoin);
    }
    return table;
}

static bool
start_following(struct proxy *proxy, struct follower_options *options)
{
    const struct proxy_options *o = proxy->options;
    if (o->servers.count > 0 && (options->fixed = table_of_servers(o)) == NULL) {
        return false;
    }
    char *error = NULL;
    proxy->follower = follower_create(options, &error);
    if (proxy->follower == NULL) {
        fprintf(stderr, "mfproxy: %s\n", error);
        free(error);
        return false;
    }
    follower_start(proxy->follower);
    struct placement *first = proxy_placement(proxy);
    bool ok = first != NULL || o->servers.count == 0; /* other sources may bring one later */
    placement_unref(&first);
    if (!ok) {
        fprintf(stderr, "mfproxy: option --servers: not usable, see the log above\n");
    }
    return ok;
}

static bool
follow_table(struct proxy *proxy)
{
    const struct proxy_options *o = proxy->options;
    struct follower_options options = {
        .table_file = o->table,
        .control = o->control.count > 0 ? &o->control : NULL,
        .state_dir = o->state_dir,
        .identity = {.role = FOLLOWER_PROXY, .id = proxy->id, .zone = o->zone},
        .adopt = adopt,
        .report = on_report,
        .arg = proxy,
    };
    struct buf inherited = BUF_EMPTY;
    if (predecessor_table(proxy->predecessor, &inherited)) {
        options.inherited = buf_span(&inherited);
    }
    bool ok = start_following(proxy, &options);
    buf_deinit(&inherited);
    return ok;
}

/* Workers may be telling it that an epoch is clear, so it goes under the lock. */
static void
unfollow(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    struct follower *follower = proxy->follower;
    proxy->follower = NULL;
    pthread_mutex_unlock(&proxy->lock);
    if (follower != NULL) {
        follower_destroy(&follower, false);
    }
}

/* --- start and end ------------------------------------------------------------------ */

static void
start_workers(struct proxy *proxy)
{
    proxy->worker_count = (unsigned)proxy->options->threads;
    proxy->workers = mem_zalloc(proxy->worker_count * sizeof(proxy->workers[0]));
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        proxy->workers[i] =
            worker_create(i, &proxy->limits, &proxy->host, metric_set_block(proxy->metrics));
    }
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        worker_start(proxy->workers[i]);
    }
}

/* Who has been relieved keeps nobody waiting, so it delivers what it can, and
 * gives on what its own predecessor still brings. */
static bool
is_drained(struct proxy *proxy)
{
    bool relieved_of_all = !proxy->relieved || (atomic_load(&proxy->journal_budget.entries) == 0 &&
                                                predecessor_is_gone(proxy->predecessor));
    return atomic_load(&proxy->connections) == 0 && relieved_of_all;
}

static void
on_drain_poll(void *arg)
{
    struct proxy *proxy = arg;
    bool over = loop_now_us(proxy->loop) >= proxy->drain_until_us;
    bool given = proxy_heir_has_all(proxy);
    if (over || is_drained(proxy)) {
        uint64_t deletes = atomic_load(&proxy->journal_budget.entries);
        log_info("drained",
                 "connections_cut=%u handed_over=%u deletes_left=%" PRIu64
                 " deletes_handed_over=%" PRIu64,
                 atomic_load(&proxy->connections),
                 proxy->successor != NULL ? successor_clients(proxy->successor) : 0,
                 given ? 0 : deletes, given ? deletes : 0);
        loop_stop(proxy->loop);
        return;
    }
    loop_timer_start(&proxy->drain_timer, DRAIN_POLL_MS);
}

void
proxy_drain(struct proxy *proxy)
{
    log_info("draining", "connections=%u limit_ms=%" PRIu64, atomic_load(&proxy->connections),
             proxy->options->drain);
    atomic_store(&proxy->draining, true);
    proxy_stop_listening(proxy);
    proxy->drain_until_us = loop_now_us(proxy->loop) + proxy->options->drain * 1000;
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        worker_drain(proxy->workers[i], proxy->options->drain, proxy->relieved);
    }
    loop_timer_start(&proxy->drain_timer, 0);
}

static void
on_signal(void *arg)
{
    struct proxy *proxy = arg;
    if (atomic_load(&proxy->draining)) {
        loop_stop(proxy->loop); /* the second time somebody means it */
        return;
    }
    proxy_drain(proxy);
}

static void
fill_limits(struct proxy *proxy)
{
    const struct proxy_options *o = proxy->options;
    uint64_t share = o->buffer_memory / o->threads;
    uint64_t one_value = o->max_value_size + REQUEST_LINE_MAX_OTHER;
    proxy->limits = (struct worker_limits){
        .max_inflight = (unsigned)o->max_inflight,
        .max_value_bytes = o->max_value_size,
        .buffer_bytes = share > one_value ? share : one_value, /* one always fits */
        .half_command_ms = o->half_command,
        .zone = o->zone,
        .hash_seed = random_seed(),
        .threads = (unsigned)o->threads,
        .gather_us = (unsigned)o->gather_us,
        .replay_rate = o->replay_rate > o->threads ? o->replay_rate / o->threads : 1,
    };
    proxy->host = (struct worker_host){
        .arg = proxy,
        .frontends = &proxy->frontends,
        .writes = &proxy->writes,
        .stats = proxy_stats,
        .stats_reset = proxy_stats_reset,
        .hotkeys = proxy_hotkeys,
        .watches = &proxy->watches,
        .watch_tick = proxy_watch_tick,
        .client_gone = on_client_gone,
        .give_client = on_client_to_give,
        .placement_clear = on_placement_clear,
        .table_is_stale = on_table_is_stale,
    };
}

bool
proxy_start(struct proxy *proxy, const struct proxy_options *options)
{
    static const struct metric_desc descs[] = {PROXY_METRICS(METRIC_DESC)};
    *proxy = (struct proxy){.options = options};
    proxy->started_ms = clock_mono_ms();
    proxy_options_log_ignored(options);
    frontends_init(&proxy->frontends);
    proxy->loop = loop_create();
    proxy->resolver = resolver_create(NULL);
    proxy->journal_budget.max_entries = options->journal_entries;
    proxy->journal_budget.max_bytes = options->journal_memory;
    proxy->metrics = metric_set_create("mfproxy", descs, PROXY_METRIC_COUNT);
    proxy->accept_metrics = metric_set_block(proxy->metrics);
    pthread_mutex_init(&proxy->lock, NULL);
    loop_timer_init(&proxy->drain_timer, proxy->loop, on_drain_poll, proxy);
    loop_signal_init(&proxy->sigterm, proxy->loop, SIGTERM, on_signal, proxy);
    loop_signal_init(&proxy->sigint, proxy->loop, SIGINT, on_signal, proxy);
    share_descriptors(proxy, 0);
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    proxy->id =
        options->id != NULL ? mem_strdup(options->id) : mem_printf("%s-%d", host, (int)getpid());
    fill_limits(proxy);
    start_workers(proxy);
    return proxy_meet_predecessor(proxy) && proxy_keep_journals(proxy) && follow_table(proxy) &&
           proxy_await_table(proxy) && proxy_listen(proxy) && proxy_meet_successor(proxy);
}

void
proxy_run(struct proxy *proxy)
{
    log_info("ready", "pid=%d threads=%u", (int)getpid(), proxy->worker_count);
    loop_run(proxy->loop);
}

void
proxy_stop(struct proxy *proxy)
{
    for (unsigned i = 0; i < proxy->listener_count; i++) {
        listener_destroy(&proxy->listeners[i].listener);
    }
    free(proxy->listeners);
    http_server_destroy(&proxy->http);
    resolver_interrupt(proxy->resolver); /* a table that comes must not wait for DNS now */
    unfollow(proxy);
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        worker_stop(proxy->workers[i]);
    }
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        worker_destroy(&proxy->workers[i]);
    }
    free(proxy->workers);
    proxy_end_journals(proxy);
    successor_destroy(&proxy->successor); /* workers and journals give it what there is */
    predecessor_destroy(&proxy->predecessor);
    resolver_destroy(&proxy->resolver);
    loop_signal_deinit(&proxy->sigterm);
    loop_signal_deinit(&proxy->sigint);
    loop_timer_deinit(&proxy->drain_timer);
    loop_destroy(&proxy->loop);
    metric_set_destroy(&proxy->metrics);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy->id);
}

bool
proxy_is_ready(struct proxy *proxy)
{
    struct placement *p = proxy_placement(proxy);
    bool ready = p != NULL && !atomic_load(&proxy->draining);
    placement_unref(&p);
    return ready;
}
