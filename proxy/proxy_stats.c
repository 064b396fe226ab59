/* proxy_stats.c - `stats`. The general group carries memcached's names, as far
 * as a proxy can know them, so that dashboards and exporters made for memcached
 * read a proxy too; everything of our own follows under its own names. */
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/core/uri.h"
#include "common/core/version.h"
#include "common/net/call_batch.h"
#include "common/push/follow.h"
#include "proxy/promoter.h"
#include "proxy/proxy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* clang-format off */
/*    memcached's name        our counter */
#define MEMCACHED_STATS(X)                                                                         \
    X("total_connections",    CONNECTIONS)                                                         \
    X("rejected_connections", REJECTED)                                                            \
    X("cmd_get",              CMD_GET)                                                             \
    X("cmd_set",              CMD_SET)                                                             \
    X("cmd_flush",            CMD_FLUSH)                                                           \
    X("cmd_touch",            CMD_TOUCH)                                                           \
    X("cmd_meta",             CMD_META)                                                            \
    X("get_hits",             GET_HITS)                                                            \
    X("bytes_read",           BYTES_READ)                                                          \
    X("bytes_written",        BYTES_WRITTEN)                                                       \
    X("log_watcher_skipped",  WATCH_SKIPPED)                                                       \
    X("log_watcher_sent",     WATCH_LINES)
/* clang-format on */

static void
put_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "STAT %s %" PRIu64 "\r\n", name, value);
}

static uint64_t
since_reset(struct proxy *proxy, unsigned id)
{
    return metric_sum(proxy->metrics, id) -
           atomic_load_explicit(&proxy->stats_base[id], memory_order_relaxed);
}

static void
put_process(struct proxy *proxy, struct buf *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    put_u64(out, "pid", (uint64_t)getpid());
    put_u64(out, "uptime", (clock_mono_ms() - proxy->started_ms) / 1000);
    put_u64(out, "time", clock_wall_ms() / 1000);
    buf_printf(out, "STAT version %s\r\n", WIRE_VERSION);
    put_u64(out, "pointer_size", 8 * sizeof(void *));
    buf_printf(out, "STAT rusage_user %ld.%06ld\r\n", (long)usage.ru_utime.tv_sec,
               (long)usage.ru_utime.tv_usec);
    buf_printf(out, "STAT rusage_system %ld.%06ld\r\n", (long)usage.ru_stime.tv_sec,
               (long)usage.ru_stime.tv_usec);
    put_u64(out, "max_connections", atomic_load(&proxy->connections_max));
    put_u64(out, "curr_connections", atomic_load(&proxy->connections));
    put_u64(out, "threads", proxy->worker_count);
    put_u64(out, "log_watchers", atomic_load(&proxy->watches.watchers));
}

struct row_sink {
    struct proxy *proxy;
    struct buf *out;
    unsigned id;
};

static void
put_row(void *arg, const struct metric_desc *desc, uint64_t value)
{
    struct row_sink *sink = arg;
    uint64_t base =
        atomic_load_explicit(&sink->proxy->stats_base[sink->id++], memory_order_relaxed);
    put_u64(sink->out, desc->name, value - base);
}

static void
put_follow_row(void *arg, const struct metric_desc *desc, uint64_t value)
{
    put_u64(arg, desc->name, value);
}

static void
put_table(struct proxy *proxy, struct buf *out)
{
    put_u64(out, "promoted_keys", proxy_promoted(proxy, NULL));
    put_u64(out, "table_clear_epoch", atomic_load(&proxy->clear_epoch));
    pthread_mutex_lock(&proxy->lock);
    if (proxy->follower != NULL) {
        buf_printf(out, "STAT table_source %s\r\n", follower_source(proxy->follower));
        put_u64(out, "table_age_ms", follower_table_age_ms(proxy->follower));
        metric_each(follower_metrics(proxy->follower), put_follow_row, out);
    }
    pthread_mutex_unlock(&proxy->lock);
}

static void
put_moves(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 0; p != NULL && i < p->table->pool_count; i++) {
        const struct table_pool *pool = &p->table->pools[i];
        if (pool->move != MOVE_NONE) {
            buf_printf(out, "STAT move_step:%s %s\r\n", pool->name, move_step_name(pool->move));
        }
    }
    placement_unref(&p);
}

static void
put_general(struct proxy *proxy, struct buf *out)
{
    put_process(proxy, out);
#define X(name, id) put_u64(out, name, since_reset(proxy, METRIC_ID_##id));
    MEMCACHED_STATS(X)
#undef X
    uint64_t gets = since_reset(proxy, METRIC_ID_CMD_GET);
    uint64_t hits = since_reset(proxy, METRIC_ID_GET_HITS);
    put_u64(out, "get_misses", gets > hits ? gets - hits : 0);
    struct row_sink sink = {proxy, out, 0};
    metric_each(proxy->metrics, put_row, &sink);
    put_table(proxy, out);
    put_moves(proxy, out);
}

static void
put_backends(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        const struct place_node *n = &p->nodes[i];
        char addr[ADDR_TEXT_MAX];
        buf_printf(out,
                   "STAT %s:addr %s\r\nSTAT %s:state %s\r\nSTAT %s:down_workers %u\r\n"
                   "STAT %s:requests %" PRIu64 "\r\nSTAT %s:timeouts %" PRIu64 "\r\n"
                   "STAT %s:broken %" PRIu64 "\r\nSTAT %s:refused %" PRIu64 "\r\n"
                   "STAT %s:connects %" PRIu64 "\r\nSTAT %s:journal %" PRIu64 "\r\n"
                   "STAT %s:gutter %" PRIu64 "\r\n",
                   n->name, place_node_addr(n, addr), n->name, node_state_name(n->node->state),
                   n->name, atomic_load(&n->stats->down), n->name, atomic_load(&n->stats->requests),
                   n->name, atomic_load(&n->stats->timeouts), n->name,
                   atomic_load(&n->stats->broken), n->name, atomic_load(&n->stats->refused),
                   n->name, atomic_load(&n->stats->connects), n->name,
                   atomic_load(&n->stats->journal), n->name, atomic_load(&n->stats->gutter));
        struct histogram h = node_stats_latency(n->stats);
        histogram_put_stats(&h, n->name, out);
    }
    placement_unref(&p);
}

static void
put_settings(struct proxy *proxy, struct buf *out)
{
    const struct proxy_options *o = proxy->options;
    put_u64(out, "maxconns", o->max_connections);
    put_u64(out, "num_threads", o->threads);
    put_u64(out, "item_size_max", o->max_value_size);
    put_u64(out, "max_inflight", o->max_inflight);
    put_u64(out, "gather_us", o->gather_us);
    buf_printf(out, "STAT io_uring %s\r\n", call_ring_use());
    put_u64(out, "buffer_memory", o->buffer_memory);
    put_u64(out, "half_command_timeout_ms", o->half_command);
    put_u64(out, "drain_ms", o->drain);
}

struct hotkeys **
proxy_sketches(const struct proxy *proxy)
{
    struct hotkeys **sketches = mem_alloc(proxy->worker_count * sizeof(sketches[0]));
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        sketches[i] = proxy->workers[i]->hotkeys;
    }
    return sketches;
}

void
proxy_hottest(const struct proxy *proxy, unsigned n, uint64_t *total,
              void (*fn)(void *arg, const struct hotkey *key), void *arg)
{
    struct hotkeys **sketches = proxy_sketches(proxy);
    uint64_t now_ms = clock_mono_ms();
    *total = hotkeys_total(sketches, proxy->worker_count, now_ms);
    hotkeys_report(sketches, proxy->worker_count, HOTKEYS_RECENT, HOTKEYS_REQUESTS, n, now_ms, fn,
                   arg);
    free(sketches);
}

void
proxy_hotkeys(void *arg, unsigned top, struct buf *out)
{
    struct proxy *proxy = arg;
    struct hotkeys **sketches = proxy_sketches(proxy);
    hotkeys_put_lines(sketches, proxy->worker_count, HOTKEYS_REQUESTS, top, clock_mono_ms(), out);
    free(sketches);
}

/* Of all pools, by the newest table. `out` may be NULL; returns how many. */
unsigned
proxy_promoted(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    unsigned n = 0;
    for (unsigned i = 0; p != NULL && i < p->table->pool_count; i++) {
        struct promoted known = {.version = 0};
        if (p->pools[i].promoter != NULL) {
            promoter_learn(p->pools[i].promoter, &known);
        }
        for (unsigned k = 0; k < known.count; k++) {
            char room[URI_ENCODED_BYTES(KEY_MAX_BYTES)];
            struct span key = span_make(known.keys[k].text, known.keys[k].bytes);
            n++;
            if (out != NULL) {
                buf_printf(out, "STAT promoted:%u:key %.*s\r\nSTAT promoted:%u:pool %s\r\n", n,
                           (int)uri_encode(key, room), room, n, p->pools[i].pool->name);
            }
        }
    }
    placement_unref(&p);
    return n;
}

static void
put_hotkeys(struct proxy *proxy, struct buf *out)
{
    struct hotkeys **sketches = proxy_sketches(proxy);
    hotkeys_put_stats(sketches, proxy->worker_count, HOTKEYS_REQUESTS, clock_mono_ms(), out);
    free(sketches);
    proxy_promoted(proxy, out);
}

/* The groups that describe a node's memory are there and empty: a proxy has
 * none, and a client that asks must not get an error. */
bool
proxy_stats(void *arg, struct span group, struct buf *out)
{
    struct proxy *proxy = arg;
    if (group.len == 0) {
        put_general(proxy, out);
    } else if (span_eq(group, SPAN_LIT("backends"))) {
        put_backends(proxy, out);
    } else if (span_eq(group, SPAN_LIT("listeners"))) {
        proxy_frontend_stats(proxy, out);
    } else if (span_eq(group, SPAN_LIT("hotkeys"))) {
        put_hotkeys(proxy, out);
    } else if (span_eq(group, SPAN_LIT("settings"))) {
        put_settings(proxy, out);
    } else if (span_eq(group, SPAN_LIT("slabs"))) {
        put_u64(out, "active_slabs", 0);
        put_u64(out, "total_malloced", 0);
    } else if (span_eq(group, SPAN_LIT("sizes"))) {
        buf_append_span(out, SPAN_LIT("STAT sizes_status disabled\r\n"));
    } else if (!span_eq(group, SPAN_LIT("items")) && !span_eq(group, SPAN_LIT("conns"))) {
        return false;
    }
    return buf_append_span(out, SPAN_LIT("END\r\n"));
}

void
proxy_stats_reset(void *arg)
{
    struct proxy *proxy = arg;
    static const struct metric_desc descs[] = {PROXY_METRICS(METRIC_DESC)};
    for (unsigned i = 0; i < PROXY_METRIC_COUNT; i++) {
        if (descs[i].kind == METRIC_COUNTER) {
            atomic_store_explicit(&proxy->stats_base[i], metric_sum(proxy->metrics, i),
                                  memory_order_relaxed);
        }
    }
}
