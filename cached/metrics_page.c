#include "cached/metrics_page.h"
#include "cached/announce.h"
#include "cached/memory_report.h"
#include "cached/stats.h"
#include "cached/worker.h"
#include "common/core/log.h"
#include "common/core/version.h"
#include "common/net/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* clang-format off */
/*    command   status     counter */
#define COMMAND_ROWS(X)                                          \
    X("get",    "hit",     METRIC_ID_NODE_GET_HITS)              \
    X("get",    "miss",    METRIC_ID_NODE_GET_MISSES)            \
    X("delete", "hit",     METRIC_ID_NODE_DELETE_HITS)           \
    X("delete", "miss",    METRIC_ID_NODE_DELETE_MISSES)         \
    X("incr",   "hit",     METRIC_ID_NODE_INCR_HITS)             \
    X("incr",   "miss",    METRIC_ID_NODE_INCR_MISSES)           \
    X("decr",   "hit",     METRIC_ID_NODE_DECR_HITS)             \
    X("decr",   "miss",    METRIC_ID_NODE_DECR_MISSES)           \
    X("cas",    "hit",     METRIC_ID_NODE_CAS_HITS)              \
    X("cas",    "miss",    METRIC_ID_NODE_CAS_MISSES)            \
    X("cas",    "badval",  METRIC_ID_NODE_CAS_BADVAL)            \
    X("touch",  "hit",     METRIC_ID_NODE_TOUCH_HITS)            \
    X("touch",  "miss",    METRIC_ID_NODE_TOUCH_MISSES)          \
    X("flush",  "hit",     METRIC_ID_NODE_FLUSHES)

/*    name                                set    which                               kind     sentence */
#define EXPORTER_ROWS(X)                                                                                   \
    X("memcached_connections_total",      NODE,  METRIC_ID_NODE_ACCEPTED,            COUNTER, "Connections opened.")      \
    X("memcached_connections_rejected_total", NODE, METRIC_ID_NODE_REJECTED,         COUNTER, "Connections over the limit.") \
    X("memcached_connections_yielded_total", NODE, METRIC_ID_NODE_YIELDS,            COUNTER, "Turns given up to other connections.") \
    X("memcached_current_connections",    NODE,  METRIC_ID_NODE_CONNECTIONS,         GAUGE,   "Connections open.")        \
    X("memcached_read_bytes_total",       NODE,  METRIC_ID_NODE_BYTES_READ,          COUNTER, "Bytes received.")          \
    X("memcached_written_bytes_total",    NODE,  METRIC_ID_NODE_BYTES_WRITTEN,       COUNTER, "Bytes sent.")              \
    X("memcached_current_items",          STORE, METRIC_ID_STORE_ITEMS,              GAUGE,   "Items stored.")            \
    X("memcached_items_total",            STORE, METRIC_ID_STORE_ITEMS_TOTAL,        COUNTER, "Items ever stored.")       \
    X("memcached_current_bytes",          STORE, METRIC_ID_STORE_ITEM_BYTES,         GAUGE,   "Memory of stored items.")  \
    X("memcached_items_evicted_total",    STORE, METRIC_ID_STORE_EVICTIONS,          COUNTER, "Live items removed for room.") \
    X("memcached_items_reclaimed_total",  STORE, METRIC_ID_STORE_RECLAIMED,          COUNTER, "Dead items removed for room.") \
    X("memcached_lru_crawler_reclaimed_total", STORE, METRIC_ID_STORE_SWEPT,         COUNTER, "Dead items that the sweep removed.") \
    X("memcached_item_too_large_total",   STORE, METRIC_ID_STORE_REFUSED_SIZE,       COUNTER, "Values refused for size.") \
    X("memcached_item_no_memory_total",   STORE, METRIC_ID_STORE_REFUSED_MEMORY,     COUNTER, "Values refused for lack of memory.")
/* clang-format on */

enum { SET_NODE, SET_STORE };

static const struct {
    const char *command, *status;
    unsigned id;
} command_rows[] = {
#define X(command, status, id) {command, status, id},
    COMMAND_ROWS(X)
#undef X
};

static const struct {
    const char *name;
    int set;
    unsigned id;
    enum metric_kind kind;
    const char *help;
} exporter_rows[] = {
#define X(name, set, id, kind, help) {name, SET_##set, id, METRIC_##kind, help},
    EXPORTER_ROWS(X)
#undef X
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void
put_one(struct buf *out, const char *name, enum metric_kind kind, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name,
               kind == METRIC_COUNTER ? "counter" : "gauge", name, value);
}

static void
put_command(struct buf *out, const char *command, const char *status, uint64_t count)
{
    buf_printf(out, "memcached_commands_total{command=\"%s\",status=\"%s\"} %" PRIu64 "\n", command,
               status, count);
}

/* The exporter counts a cas as such and not as a set. The counters are read one
 * after the other, so the difference may come out below 0 for a moment. */
static uint64_t
plain_sets(const struct node *node)
{
    uint64_t cas = metric_sum(node->metrics, METRIC_ID_NODE_CAS_HITS) +
                   metric_sum(node->metrics, METRIC_ID_NODE_CAS_MISSES) +
                   metric_sum(node->metrics, METRIC_ID_NODE_CAS_BADVAL);
    uint64_t all = metric_sum(node->metrics, METRIC_ID_NODE_SETS);
    return all > cas ? all - cas : 0;
}

static void
put_commands(const struct node *node, struct buf *out)
{
    buf_printf(out, "# HELP memcached_commands_total Commands by outcome.\n"
                    "# TYPE memcached_commands_total counter\n");
    for (size_t i = 0; i < COUNT_OF(command_rows); i++) {
        put_command(out, command_rows[i].command, command_rows[i].status,
                    metric_sum(node->metrics, command_rows[i].id));
    }
    put_command(out, "set", "hit", plain_sets(node));
}

static void
put_cpu_time(struct buf *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    buf_printf(out,
               "# HELP memcached_process_user_cpu_seconds_total CPU time outside the kernel.\n"
               "# TYPE memcached_process_user_cpu_seconds_total counter\n"
               "memcached_process_user_cpu_seconds_total %ld.%06ld\n"
               "# HELP memcached_process_system_cpu_seconds_total CPU time in the kernel.\n"
               "# TYPE memcached_process_system_cpu_seconds_total counter\n"
               "memcached_process_system_cpu_seconds_total %ld.%06ld\n",
               (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
               (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec);
}

static void
put_process(const struct node *node, struct buf *out)
{
    struct store_info info = store_info(node->store);
    put_one(out, "memcached_up", METRIC_GAUGE, "1: this node answers.", 1);
    put_one(out, "memcached_uptime_seconds", METRIC_COUNTER, "Seconds since the start.",
            (node_wall_ms(node) - node->started_wall_ms) / 1000);
    put_one(out, "memcached_time_seconds", METRIC_GAUGE, "The node's clock.",
            node_wall_ms(node) / 1000);
    put_cpu_time(out);
    put_one(out, "memcached_accepting_connections", METRIC_GAUGE, "1: connections are accepted.",
            atomic_load(&node->accepting));
    put_one(out, "memcached_connections_listener_disabled_total", METRIC_COUNTER,
            "Times that accepting has stopped.", node_pauses(node));
    put_one(out, "memcached_malloced_bytes", METRIC_GAUGE, "Memory that counts against the limit.",
            info.memory_bytes);
    put_one(out, "memcached_max_connections", METRIC_GAUGE, "Connections allowed.",
            node->options.connections_max);
    put_one(out, "memcached_limit_bytes", METRIC_GAUGE, "Memory allowed.", info.memory_limit);
    put_one(out, "memfleet_memory_used_bytes", METRIC_GAUGE,
            "Memory that counts against the limit.", info.memory_bytes);
    memory_report_metrics(node, out);
    put_one(out, "memfleet_node_longest_turn_microseconds", METRIC_GAUGE,
            "Most CPU time of one turn of a worker.", workers_longest_turn_us(node));
    put_one(out, "memfleet_node_slow_turns_total", METRIC_COUNTER,
            "Turns of a millisecond of CPU time or more.", workers_slow_turns(node));
    put_one(out, "memfleet_node_min_epoch", METRIC_GAUGE,
            "Proxies that announced a lower epoch are refused; 0: none are.",
            fencing_min_epoch(&node->fencing));
    buf_printf(out,
               "# HELP memcached_version The version, as a label.\n"
               "# TYPE memcached_version gauge\nmemcached_version{version=\"%s\"} 1\n",
               WIRE_VERSION);
}

static void
on_metrics(void *arg, struct http_reply *reply)
{
    struct node *node = arg;
    struct buf *out = &reply->body;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    put_process(node, out);
    put_commands(node, out);
    for (size_t i = 0; i < COUNT_OF(exporter_rows); i++) {
        const struct metric_set *set =
            exporter_rows[i].set == SET_NODE ? node->metrics : store_metrics(node->store);
        put_one(out, exporter_rows[i].name, exporter_rows[i].kind, exporter_rows[i].help,
                metric_sum(set, exporter_rows[i].id));
    }
    stats_put_class_metrics(node, out);
    stats_put_service_seconds(node, out);
    metric_render_prometheus(node->metrics, "", out);
    metric_render_prometheus(store_metrics(node->store), "", out);
    if (node->announce != NULL) {
        metric_render_prometheus(announce_metrics(node), "", out);
    }
}

/* Alive and ready are the same for a cache node: there is nothing it waits for. */
static void
on_health(void *arg, struct http_reply *reply)
{
    buf_append(&reply->body, "ok\n", 3);
}

bool
metrics_page_start(struct node *node)
{
    struct addr_name name;
    struct addr addr;
    const char *why = "malformed";
    const char *text = node->options.metrics_addr;
    if (!addr_parse(span_cstr(text), 0, &name) || !addr_resolve(&name, true, &addr, &why)) {
        fprintf(stderr, "mfcached: option --metrics: '%s' is no address: %s\n", text, why);
        return false;
    }
    char *error;
    node->http = http_server_create(node->loop, &addr, &error);
    if (node->http == NULL) {
        fprintf(stderr, "mfcached: %s\n", error);
        free(error);
        return false;
    }
    http_server_route(node->http, "/metrics", on_metrics, node);
    http_server_route(node->http, "/healthz", on_health, node);
    http_server_route(node->http, "/readyz", on_health, node);
    char bound[ADDR_TEXT_MAX];
    log_info("listening_http", "addr=%s", addr_format(http_server_addr(node->http), bound));
    return true;
}

void
metrics_page_stop(struct node *node)
{
    http_server_destroy(&node->http);
}
