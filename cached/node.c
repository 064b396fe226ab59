#include "cached/node.h"
#include "cached/announce.h"
#include "cached/metrics_page.h"
#include "cached/restart.h"
#include "cached/worker.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "common/net/sock.h"
#include "common/proto/errorline.h"
#include "common/proto/exptime.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_PORT     11211
#define CRAWLER_SLEEP_US 100 /* memcached's */

static const struct metric_desc metric_descs[] = {NODE_METRICS(METRIC_DESC)};

/* --- the clock --------------------------------------------------------------- */

uint64_t
node_now_ms(const struct node *node)
{
    return node_ms_at(node, clock_mono_us());
}

uint64_t
node_wall_ms(const struct node *node)
{
    return clock_wall_ms() +
           (uint64_t)atomic_load_explicit(&node->clock_shift_ms, memory_order_relaxed);
}

uint64_t
node_expiry_ms(const struct node *node, int64_t exptime, uint64_t now_ms)
{
    if (exptime == 0) {
        return EXPIRES_NEVER;
    }
    /* The date is only needed for dates. */
    uint64_t wall_ms = exptime > EXPTIME_RELATIVE_MAX ? node_wall_ms(node) : 0;
    return exptime_to_expiry_ms(exptime, now_ms, wall_ms);
}

void
node_shift_clock(struct node *node, int64_t seconds)
{
    /* Only forward: nothing here expects time to go back. */
    if (seconds > 0) {
        atomic_fetch_add(&node->clock_shift_ms, seconds * 1000);
    }
}

/* --- accepting --------------------------------------------------------------- */

static void
pause_accepting(struct node *node)
{
    atomic_fetch_add(&node->pauses, 1);
    atomic_store(&node->accepting, false);
    node->paused_since_us = clock_mono_us();
    for (unsigned i = 0; i < node->listener_count; i++) {
        listener_pause(node->listeners[i]);
    }
}

static void
resume_accepting(void *arg)
{
    struct node *node = arg;
    if (atomic_load(&node->accepting) ||
        atomic_load(&node->connection_count) >= node->options.connections_max) {
        return;
    }
    atomic_store(&node->accepting, true);
    atomic_fetch_add(&node->paused_us, clock_mono_us() - node->paused_since_us);
    for (unsigned i = 0; i < node->listener_count; i++) {
        listener_resume(node->listeners[i]);
    }
}

void
node_connection_closed(struct node *node)
{
    atomic_fetch_sub(&node->connection_count, 1);
    if (!atomic_load(&node->accepting)) {
        loop_post(node->loop, resume_accepting, node);
    }
}

uint64_t
node_pauses(const struct node *node)
{
    uint64_t pauses = atomic_load(&node->pauses);
    for (unsigned i = 0; i < node->listener_count; i++) {
        pauses += listener_shortages(node->listeners[i]);
    }
    return pauses;
}

uint64_t
node_paused_us(const struct node *node)
{
    return atomic_load(&node->paused_us);
}

static void
reject(struct node *node, int fd, enum proto_error error)
{
    struct span line = error_line(error);
    ssize_t ignored = send(fd, line.ptr, line.len, MSG_NOSIGNAL);
    (void)ignored;
    close(fd);
}

/* At the limit whoever holds a slot with half a command makes place, so that
 * nobody can lock others out by holding them all. One connection for each worker
 * can so be over the limit, for the moment until that has closed the other. */
static bool
make_place(struct node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        if (worker_shed(node->workers[i])) {
            return true;
        }
    }
    return false;
}

static void
on_accept(void *arg, int fd, const struct addr *peer)
{
    struct node *node = arg;
    uint64_t limit = node->options.connections_max;
    if (conn_memory_crowded(node)) {
        metric_add(node->main_metrics, METRIC_ID_NODE_REFUSED_MEMORY, 1);
        reject(node, fd, PROTO_ERR_OUT_OF_MEMORY);
        return;
    }
    if (atomic_load(&node->connection_count) >= limit && !make_place(node)) {
        metric_add(node->main_metrics, METRIC_ID_NODE_REJECTED, 1);
        reject(node, fd, PROTO_ERR_TOO_MANY_CONNECTIONS);
        return;
    }
    uint64_t now_open = atomic_fetch_add(&node->connection_count, 1) + 1;
    worker_adopt(node->workers[node->next_worker], fd);
    node->next_worker = (node->next_worker + 1) % node->worker_count;
    if (node->options.no_maxconns_fast && now_open >= limit) {
        pause_accepting(node);
        /* A connection may have closed before it could see the pause. */
        resume_accepting(node);
    }
}

/* --- listening --------------------------------------------------------------- */

static bool
listen_on(struct node *node, const struct addr_name *name, const char *text)
{
    struct addr addr;
    const char *why;
    if (!addr_resolve(name, true, &addr, &why)) {
        fprintf(stderr, "mfcached: cannot listen on %s: %s\n", text, why);
        return false;
    }
    struct listener_options options = {.backlog = (int)node->options.backlog,
                                       .unix_mode = node->options.unix_mode};
    char *error;
    struct listener *l = listener_create(node->loop, &addr, &options, on_accept, node, &error);
    if (l == NULL) {
        fprintf(stderr, "mfcached: %s\n", error);
        free(error);
        return false;
    }
    node->listeners =
        mem_realloc(node->listeners, (node->listener_count + 1) * sizeof(node->listeners[0]));
    node->listeners[node->listener_count++] = l;
    char bound[ADDR_TEXT_MAX];
    log_info("listening", "addr=%s", addr_format(listener_addr(l), bound));
    return true;
}

static bool
listen_on_text(struct node *node, const char *text, uint16_t port)
{
    struct addr_name name;
    /* A port of 0 as default would mean that one is required. */
    bool given = addr_parse(span_cstr(text), DEFAULT_PORT, &name);
    if (!given) {
        fprintf(stderr, "mfcached: option -l: '%s' is no address\n", text);
        return false;
    }
    struct addr_name without;
    if (!addr_parse(span_cstr(text), 0, &without)) {
        name.port = port; /* the text names no port */
    }
    return listen_on(node, &name, text);
}

/* One socket that takes IPv6 and IPv4, where the system has IPv6. */
static bool
listen_on_all(struct node *node, uint16_t port)
{
    struct addr_name name = {.host = "::", .port = port};
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        name.host[0] = '\0';
        return listen_on(node, &name, "0.0.0.0");
    }
    close(probe);
    return listen_on(node, &name, "[::]");
}

/* A line for each family that reaches the listener: one on [::] takes IPv4 too. */
static void
write_ports(FILE *f, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX];
    const char *port = strrchr(addr_format(addr, text), ':') + 1;
    bool is_v6 = addr->sa.ss_family == AF_INET6;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addr->sa;
    if (addr->sa.ss_family == AF_INET || (is_v6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))) {
        fprintf(f, "TCP INET: %s\n", port);
    }
    if (is_v6) {
        fprintf(f, "TCP INET6: %s\n", port);
    }
}

/* Where tests and scripts look for the port that the kernel chose. Written beside
 * its place and moved there whole, so that nobody reads half of it. */
static void
write_port_file(const struct node *node)
{
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    struct buf half = BUF_EMPTY;
    if (path == NULL || !buf_printf(&half, "%s.lck%c", path, '\0')) {
        return;
    }
    FILE *f = fopen(half.mem, "we");
    for (unsigned i = 0; f != NULL && i < node->listener_count; i++) {
        const struct addr *addr = listener_addr(node->listeners[i]);
        if (addr->sa.ss_family == AF_INET || addr->sa.ss_family == AF_INET6) {
            write_ports(f, addr);
        }
    }
    if (f == NULL || fclose(f) != 0 || rename(half.mem, path) != 0) {
        log_warn("port_file_failed", "path=%s", path);
    }
    buf_deinit(&half);
}

static bool
listen_everywhere(struct node *node)
{
    const struct node_options *o = &node->options;
    if (o->unix_socket != NULL) {
        struct addr_name name = {.is_unix = true};
        if (strlen(o->unix_socket) >= sizeof(name.host)) {
            fprintf(stderr, "mfcached: option -s: the path is too long\n");
            return false;
        }
        strcpy(name.host, o->unix_socket);
        return listen_on(node, &name, o->unix_socket);
    }
    for (size_t i = 0; i < o->listen.count; i++) {
        if (!listen_on_text(node, o->listen.items[i], o->tcp_port)) {
            return false;
        }
    }
    return o->listen.count > 0 || listen_on_all(node, o->tcp_port);
}

/* --- life -------------------------------------------------------------------- */

void
node_set_verbosity(struct node *node, uint64_t level)
{
    atomic_store(&node->verbosity, level);
    log_set_level(level > 0 ? LOG_DEBUG : LOG_INFO);
}

void
node_stop(struct node *node)
{
    loop_stop(node->loop);
}

static void
on_signal(void *arg)
{
    struct node *node = arg;
    log_info("shutdown", "reason=signal");
    node_stop(node);
}

static void
init_signals(struct node *node)
{
    static const int ending[NODE_SIGNALS] = {SIGTERM, SIGINT, SIGUSR1};
    for (unsigned i = 0; i < NODE_SIGNALS; i++) {
        loop_signal_init(&node->signals[i], node->loop, ending[i], on_signal, node);
    }
}

/* As memcached decides it. */
static void
init_crawler(struct node *node)
{
    const struct node_options *o = &node->options;
    bool off = o->no_lru_crawler || (o->no_modern && !o->lru_crawler);
    atomic_init(&node->crawler.enabled, !off);
    atomic_init(&node->crawler.sleep_us, CRAWLER_SLEEP_US);
}

static void
init_reports(struct node *node)
{
    const struct node_options *o = &node->options;
    tuning_init(&node->tuning);
    node->detail.delimiter = o->prefix_delimiter != NULL ? o->prefix_delimiter[0] : ':';
    atomic_init(&node->detail.enabled, o->prefix_delimiter != NULL);
    atomic_init(&node->sizes_enabled, o->track_sizes);
}

static void
start_workers(struct node *node)
{
    node->worker_count = (unsigned)node->options.threads;
    node->workers = mem_zalloc(node->worker_count * sizeof(node->workers[0]));
    for (unsigned i = 0; i < node->worker_count; i++) {
        node->workers[i] = worker_start(node, i);
    }
}

static bool
open_doors(struct node *node)
{
    if (!listen_everywhere(node)) {
        return false;
    }
    write_port_file(node);
    if (node->options.metrics_addr != NULL && !metrics_page_start(node)) {
        return false;
    }
    return node->options.control.count == 0 || announce_start(node);
}

static bool
start(struct node *node)
{
    start_workers(node);
    return open_doors(node);
}

struct node *
node_create(struct node_options *options)
{
    struct node *node = mem_zalloc(sizeof(*node));
    node->options = *options;
    *options = (struct node_options){0};
    node->started_mono_ms = clock_mono_ms();
    node->started_wall_ms = clock_wall_ms();
    node_set_verbosity(node, node->options.verbose);
    node_options_log_ignored(&node->options);
    atomic_init(&node->accepting, true);
    init_crawler(node);
    init_reports(node);
    pthread_mutex_init(&node->registry_lock, NULL);
    pthread_mutex_init(&node->watch.lock, NULL);
    fencing_init(&node->fencing);
    list_init(&node->registry);
    node->loop = loop_create();
    node->metrics = metric_set_create("memfleet_node", metric_descs, NODE_METRIC_COUNT);
    node->main_metrics = metric_set_block(node->metrics);
    node->stats_baseline = mem_zalloc((NODE_METRIC_COUNT + STORE_METRIC_COUNT) * sizeof(uint64_t));
    init_signals(node);
    if (!restart_make_store(node) || !start(node)) {
        node_destroy(&node);
    }
    return node;
}

void
node_run(struct node *node)
{
    loop_run(node->loop);
}

void
node_destroy(struct node **node)
{
    struct node *it = *node;
    /* The main loop runs no more, so nobody is accepted. Workers end first:
     * their statistics look at listeners and follower. They are freed later,
     * because the follower asks whether they live. */
    for (unsigned i = 0; i < it->worker_count; i++) {
        worker_stop(it->workers[i]);
    }
    for (unsigned i = 0; i < it->worker_count; i++) {
        worker_wait(it->workers[i]);
    }
    announce_stop(it);
    metrics_page_stop(it);
    for (unsigned i = 0; i < it->worker_count; i++) {
        worker_free(&it->workers[i]);
    }
    for (unsigned i = 0; i < it->listener_count; i++) {
        listener_destroy(&it->listeners[i]);
    }
    restart_end_store(it);
    for (unsigned i = 0; i < NODE_SIGNALS; i++) {
        loop_signal_deinit(&it->signals[i]);
    }
    loop_destroy(&it->loop);
    metric_set_destroy(&it->metrics);
    ASSERT(list_empty(&it->registry));
    pthread_mutex_destroy(&it->registry_lock);
    pthread_mutex_destroy(&it->watch.lock);
    fencing_deinit(&it->fencing);
    tuning_deinit(&it->tuning);
    free(it->stats_baseline);
    free(it->listeners);
    free(it->workers);
    node_options_deinit(&it->options);
    free(it);
    *node = NULL;
}
