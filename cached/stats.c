#include "cached/stats.h"
#include "cached/dump.h"
#include "cached/memory_report.h"
#include "common/core/version.h"
#include "common/net/loop.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

/* Where a row's number comes from. */
enum source { SOURCE_NODE, SOURCE_STORE, SOURCE_OPTION, SOURCE_INFO, SOURCE_ZERO };

enum info {
    INFO_UPTIME,
    INFO_TIME,
    INFO_CONNECTIONS,
    INFO_MEMORY_USED,
    INFO_MEMORY_LIMIT,
    INFO_ACCEPTING,
    INFO_PAUSES,
    INFO_PAUSED_US,
    INFO_HASH_POWER,
    INFO_HASH_BYTES,
    INFO_HASH_GROWING,
    INFO_LONGEST_TURN,
    INFO_SLOW_TURNS,
    INFO_MIN_EPOCH,
};

/* clang-format off */
/*    name                     source  which */
#define STATS_ROWS(X)                                                                              \
    X("cmd_get",               NODE,   METRIC_ID_NODE_GETS)                                        \
    X("cmd_set",               NODE,   METRIC_ID_NODE_SETS)                                        \
    X("cmd_flush",             NODE,   METRIC_ID_NODE_FLUSHES)                                     \
    X("cmd_touch",             NODE,   METRIC_ID_NODE_TOUCHES)                                     \
    X("cmd_meta",              NODE,   METRIC_ID_NODE_META)                                        \
    X("get_hits",              NODE,   METRIC_ID_NODE_GET_HITS)                                    \
    X("get_misses",            NODE,   METRIC_ID_NODE_GET_MISSES)                                  \
    X("get_expired",           STORE,  METRIC_ID_STORE_GET_EXPIRED)                                \
    X("get_flushed",           STORE,  METRIC_ID_STORE_GET_FLUSHED)                                \
    X("delete_misses",         NODE,   METRIC_ID_NODE_DELETE_MISSES)                               \
    X("delete_hits",           NODE,   METRIC_ID_NODE_DELETE_HITS)                                 \
    X("incr_misses",           NODE,   METRIC_ID_NODE_INCR_MISSES)                                 \
    X("incr_hits",             NODE,   METRIC_ID_NODE_INCR_HITS)                                   \
    X("decr_misses",           NODE,   METRIC_ID_NODE_DECR_MISSES)                                 \
    X("decr_hits",             NODE,   METRIC_ID_NODE_DECR_HITS)                                   \
    X("cas_misses",            NODE,   METRIC_ID_NODE_CAS_MISSES)                                  \
    X("cas_hits",              NODE,   METRIC_ID_NODE_CAS_HITS)                                    \
    X("cas_badval",            NODE,   METRIC_ID_NODE_CAS_BADVAL)                                  \
    X("touch_hits",            NODE,   METRIC_ID_NODE_TOUCH_HITS)                                  \
    X("touch_misses",          NODE,   METRIC_ID_NODE_TOUCH_MISSES)                                \
    X("store_too_large",       STORE,  METRIC_ID_STORE_REFUSED_SIZE)                               \
    X("store_no_memory",       STORE,  METRIC_ID_STORE_REFUSED_MEMORY)                             \
    X("auth_cmds",             ZERO,   0)                                                          \
    X("auth_errors",           ZERO,   0)                                                          \
    X("idle_kicks",            NODE,   METRIC_ID_NODE_IDLE_KICKS)                                  \
    X("half_kicks",            NODE,   METRIC_ID_NODE_HALF_KICKS)                                  \
    X("given_up",              NODE,   METRIC_ID_NODE_GIVEN_UP)                                    \
    X("memory_kicks",          NODE,   METRIC_ID_NODE_MEMORY_KICKS)                                \
    X("min_epoch",             INFO,   INFO_MIN_EPOCH)                                             \
    X("fenced_connections",    NODE,   METRIC_ID_NODE_FENCED)                                      \
    X("stale_refused",         NODE,   METRIC_ID_NODE_STALE_REFUSED)                               \
    X("bytes_read",            NODE,   METRIC_ID_NODE_BYTES_READ)                                  \
    X("bytes_written",         NODE,   METRIC_ID_NODE_BYTES_WRITTEN)                               \
    X("dumps",                 NODE,   METRIC_ID_NODE_DUMPS)                                       \
    X("dumped_items",          NODE,   METRIC_ID_NODE_DUMPED_ITEMS)                                \
    X("limit_maxbytes",        INFO,   INFO_MEMORY_LIMIT)                                          \
    X("accepting_conns",       INFO,   INFO_ACCEPTING)                                             \
    X("listen_disabled_num",   INFO,   INFO_PAUSES)                                                \
    X("time_in_listen_disabled_us", INFO, INFO_PAUSED_US)                                          \
    X("threads",               OPTION, offsetof(struct node_options, threads))                     \
    X("conn_yields",           NODE,   METRIC_ID_NODE_YIELDS)                                      \
    X("longest_turn_us",       INFO,   INFO_LONGEST_TURN)                                          \
    X("slow_turns",            INFO,   INFO_SLOW_TURNS)                                            \
    X("conn_oom",              NODE,   METRIC_ID_NODE_OUT_OF_MEMORY)                               \
    X("hash_power_level",      INFO,   INFO_HASH_POWER)                                            \
    X("hash_bytes",            INFO,   INFO_HASH_BYTES)                                            \
    X("hash_is_expanding",     INFO,   INFO_HASH_GROWING)                                          \
    X("bytes",                 STORE,  METRIC_ID_STORE_ITEM_BYTES)                                 \
    X("curr_items",            STORE,  METRIC_ID_STORE_ITEMS)                                      \
    X("total_items",           STORE,  METRIC_ID_STORE_ITEMS_TOTAL)                                \
    X("memory_used",           INFO,   INFO_MEMORY_USED)                                           \
    X("expired_unfetched",     STORE,  METRIC_ID_STORE_EXPIRED_UNFETCHED)                          \
    X("evicted_unfetched",     STORE,  METRIC_ID_STORE_EVICTED_UNFETCHED)                          \
    X("evictions",             STORE,  METRIC_ID_STORE_EVICTIONS)                                  \
    X("reclaimed",             STORE,  METRIC_ID_STORE_RECLAIMED)                                  \
    X("crawler_reclaimed",     STORE,  METRIC_ID_STORE_SWEPT)                                      \
    X("log_worker_dropped",    ZERO,   0)                                                          \
    X("log_worker_written",    NODE,   METRIC_ID_NODE_WATCH_EVENTS)                                \
    X("log_watcher_skipped",   NODE,   METRIC_ID_NODE_WATCH_SKIPPED)                               \
    X("log_watcher_sent",      NODE,   METRIC_ID_NODE_WATCH_LINES)                                 \
    X("log_watchers",          NODE,   METRIC_ID_NODE_WATCHERS)

/* Of parts that memcached has and this node has not: 0, so that who looks for the
 * names finds them. */
#define STATS_FOREIGN_ROWS(X) \
    X(crawler_items_checked) X(direct_reclaims) X(evicted_active) X(lru_bumps_dropped) \
    X(lru_crawler_running) X(lru_crawler_starts) X(lru_maintainer_juggles) \
    X(lrutail_reflocked) X(malloc_fails) X(moves_to_cold) X(moves_to_warm) \
    X(moves_within_lru) X(read_buf_bytes) X(read_buf_bytes_free) X(read_buf_count) \
    X(read_buf_oom) X(reserved_fds) X(response_obj_bytes) X(response_obj_count) \
    X(response_obj_oom) X(round_robin_fallback) X(slab_global_page_pool) \
    X(slab_reassign_busy_deletes) X(slab_reassign_busy_items) \
    X(slab_reassign_chunk_rescues) X(slab_reassign_evictions_nomem) \
    X(slab_reassign_inline_reclaim) X(slab_reassign_rescues) X(slab_reassign_running) \
    X(slabs_moved) X(unexpected_napi_ids)

#define STATS_CONNECTION_ROWS(X)                                                                   \
    X("max_connections",       OPTION, offsetof(struct node_options, connections_max))             \
    X("curr_connections",      INFO,   INFO_CONNECTIONS)                                           \
    X("total_connections",     NODE,   METRIC_ID_NODE_ACCEPTED)                                    \
    X("rejected_connections",  NODE,   METRIC_ID_NODE_REJECTED)                                    \
    X("rejected_for_memory",   NODE,   METRIC_ID_NODE_REFUSED_MEMORY)                              \
    X("connection_structures", INFO,   INFO_CONNECTIONS)
/* clang-format on */

struct row {
    const char *name;
    enum source source;
    size_t which;
};

#define ROW(name, source, which) {name, SOURCE_##source, which},
static const struct row stats_rows[] = {STATS_ROWS(ROW)};
#define X(name) ROW(#name, ZERO, 0)
static const struct row foreign_rows[] = {STATS_FOREIGN_ROWS(X)};
#undef X
static const struct row connection_rows[] = {STATS_CONNECTION_ROWS(ROW)};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- numbers ----------------------------------------------------------------- */

/* `sum` was taken before: a reset may have come since, and have seen more. */
static uint64_t
since(struct node *node, uint64_t sum, const uint64_t *baseline)
{
    pthread_mutex_lock(&node->registry_lock);
    sum = sum > *baseline ? sum - *baseline : 0;
    pthread_mutex_unlock(&node->registry_lock);
    return sum;
}

/* Counters of the store stand behind the node's in the baseline. Gauges have
 * none. */
static uint64_t
since_reset(struct node *node, uint64_t sum, unsigned index)
{
    return since(node, sum, &node->stats_baseline[index]);
}

uint64_t
stats_node_sum(struct node *node, enum node_metric id)
{
    return since_reset(node, metric_sum(node->metrics, id), id);
}

uint64_t
stats_store_sum(struct node *node, enum store_metric id)
{
    return since_reset(node, metric_sum(store_metrics(node->store), id), NODE_METRIC_COUNT + id);
}

static void
reset(struct node *node)
{
    static const enum metric_kind node_kinds[] = {
#define X(id, name, kind, help) METRIC_##kind,
        NODE_METRICS(X)};
    static const enum metric_kind store_kinds[] = {STORE_METRICS(X)};
#undef X
    pthread_mutex_lock(&node->registry_lock);
    for (unsigned i = 0; i < NODE_METRIC_COUNT; i++) {
        node->stats_baseline[i] =
            node_kinds[i] == METRIC_COUNTER ? metric_sum(node->metrics, i) : 0;
    }
    for (unsigned i = 0; i < STORE_METRIC_COUNT; i++) {
        node->stats_baseline[NODE_METRIC_COUNT + i] =
            store_kinds[i] == METRIC_COUNTER ? metric_sum(store_metrics(node->store), i) : 0;
    }
    node->pauses_baseline = node_pauses(node);
    node->paused_us_baseline = node_paused_us(node);
    pthread_mutex_unlock(&node->registry_lock);
    stats_reset_classes(node);
    stats_reset_latency(node);
}

static uint64_t
info_value(struct node *node, enum info which)
{
    struct store_info info = store_info(node->store);
    switch (which) {
    case INFO_UPTIME: return (node_wall_ms(node) - node->started_wall_ms) / 1000;
    case INFO_TIME: return node_wall_ms(node) / 1000;
    case INFO_CONNECTIONS: return atomic_load(&node->connection_count);
    case INFO_MEMORY_USED: return info.memory_bytes;
    case INFO_MEMORY_LIMIT: return info.memory_limit;
    case INFO_ACCEPTING: return atomic_load(&node->accepting);
    case INFO_PAUSED_US: return since(node, node_paused_us(node), &node->paused_us_baseline);
    case INFO_PAUSES: return since(node, node_pauses(node), &node->pauses_baseline);
    case INFO_HASH_POWER: return info.table_bits;
    case INFO_HASH_BYTES: return info.table_bytes;
    case INFO_HASH_GROWING: return info.growing;
    case INFO_LONGEST_TURN: return workers_longest_turn_us(node);
    case INFO_SLOW_TURNS: return workers_slow_turns(node);
    case INFO_MIN_EPOCH: return fencing_min_epoch(&node->fencing);
    }
    return 0;
}

static uint64_t
row_value(struct node *node, const struct row *row)
{
    switch (row->source) {
    case SOURCE_NODE: return stats_node_sum(node, (enum node_metric)row->which);
    case SOURCE_STORE: return stats_store_sum(node, (enum store_metric)row->which);
    case SOURCE_OPTION: return *(const uint64_t *)((const char *)&node->options + row->which);
    case SOURCE_INFO: return info_value(node, (enum info)row->which);
    case SOURCE_ZERO: return 0;
    }
    return 0;
}

/* --- printing ---------------------------------------------------------------- */

static void
put_rows(struct node *node, const struct row *rows, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "STAT %s %" PRIu64 "\r\n", rows[i].name, row_value(node, &rows[i]));
    }
}

static void
put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "STAT %s %s\r\n", name, value);
}

static void
put_general(struct node *node, struct buf *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    buf_printf(out, "STAT pid %ld\r\n", (long)getpid());
    buf_printf(out, "STAT uptime %" PRIu64 "\r\n", info_value(node, INFO_UPTIME));
    /* Proxies ask what was stored since when: more than the uptime after a warm restart. */
    buf_printf(out, "STAT memory_uptime %" PRIu64 "\r\n", node_now_ms(node) / 1000);
    buf_printf(out, "STAT time %" PRIu64 "\r\n", info_value(node, INFO_TIME));
    put_text(out, "version", WIRE_VERSION);
    put_text(out, "libevent", loop_backend_version());
    buf_printf(out, "STAT pointer_size %zu\r\n", 8 * sizeof(void *));
    buf_printf(out, "STAT rusage_user %ld.%06ld\r\n", (long)usage.ru_utime.tv_sec,
               (long)usage.ru_utime.tv_usec);
    buf_printf(out, "STAT rusage_system %ld.%06ld\r\n", (long)usage.ru_stime.tv_sec,
               (long)usage.ru_stime.tv_usec);
    put_rows(node, connection_rows, COUNT_OF(connection_rows), out);
    put_rows(node, stats_rows, COUNT_OF(stats_rows), out);
    memory_report_stats(node, out);
    put_rows(node, foreign_rows, COUNT_OF(foreign_rows), out);
}

/* --- reports without numbers -------------------------------------------------- */

static void
put_nothing(struct node *node, struct buf *out)
{
}

static const struct {
    const char *word;
    void (*put)(struct node *node, struct buf *out);
} reports[] = {
    {"hotkeys", stats_put_hotkeys}, {"settings", stats_put_settings}, {"slabs", stats_put_slabs},
    {"latency", stats_put_latency}, {"conns", stats_put_conns},       {"extstore", put_nothing},
};

/* --- reports ------------------------------------------------------------------- */

static void
report(struct conn *c, void (*put)(struct node *node, struct buf *out))
{
    struct buf out = BUF_EMPTY;
    put(c->worker->node, &out);
    buf_append_span(&out, SPAN_LIT("END\r\n"));
    outbox_put_span(&c->out, buf_span(&out));
    buf_deinit(&out);
}

static void
reply_items(struct conn *c)
{
    struct buf out = BUF_EMPTY;
    stats_put_items(c->worker, &out);
    buf_append_span(&out, SPAN_LIT("END\r\n"));
    outbox_put_span(&c->out, buf_span(&out));
    buf_deinit(&out);
}

/* --- detail and sizes ---------------------------------------------------------- */

static void
clear_details(struct node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        prefix_table_clear(node->workers[i]->prefixes);
    }
}

static void
put_details(struct node *node, struct buf *out)
{
    struct prefix_table *all = prefix_table_create(PREFIXES_MAX * node->worker_count);
    for (unsigned i = 0; i < node->worker_count; i++) {
        prefix_table_add(all, node->workers[i]->prefixes);
    }
    prefix_table_put(all, out);
    prefix_table_destroy(&all);
}

/* "stats detail on|off|dump". */
static void
reply_detail(struct conn *c, const struct span *words, unsigned count)
{
    struct node *node = c->worker->node;
    struct span what = count > 1 ? words[1] : SPAN_LIT("");
    if (span_eq_cstr(what, "dump")) {
        report(c, put_details);
    } else if (span_eq_cstr(what, "on") || span_eq_cstr(what, "off")) {
        atomic_store(&node->detail.enabled, span_eq_cstr(what, "on"));
        outbox_put_span(&c->out, SPAN_LIT("OK\r\n"));
    } else {
        conn_put_error(c, PROTO_ERR_DETAIL_USAGE);
    }
}

/* "stats sizes", "stats sizes_enable", "stats sizes_disable". Nothing need be
 * tracked for it: the items are counted when somebody asks. */
static void
reply_sizes(struct conn *c, struct span word)
{
    struct node *node = c->worker->node;
    if (span_eq_cstr(word, "sizes") && atomic_load(&node->sizes_enabled)) {
        dump_begin(c, DUMP_SIZES, UINT64_MAX);
        return;
    }
    if (!span_eq_cstr(word, "sizes")) {
        atomic_store(&node->sizes_enabled, span_eq_cstr(word, "sizes_enable"));
    }
    outbox_put_span(&c->out, atomic_load(&node->sizes_enabled)
                                 ? SPAN_LIT("STAT sizes_status enabled\r\nEND\r\n")
                                 : SPAN_LIT("STAT sizes_status disabled\r\nEND\r\n"));
}

/* --- the command ------------------------------------------------------------- */

void
stats_reply(struct conn *c, const struct span *words, unsigned count)
{
    if (count == 0) {
        report(c, put_general);
        return;
    }
    if (span_eq_cstr(words[0], "reset")) {
        reset(c->worker->node);
        workers_forget_longest_turn(c->worker->node);
        clear_details(c->worker->node);
        outbox_put_span(&c->out, SPAN_LIT("RESET\r\n"));
        return;
    }
    if (span_eq_cstr(words[0], "detail")) {
        reply_detail(c, words, count);
        return;
    }
    if (span_eq_cstr(words[0], "sizes") || span_eq_cstr(words[0], "sizes_enable") ||
        span_eq_cstr(words[0], "sizes_disable")) {
        reply_sizes(c, words[0]);
        return;
    }
    if (span_eq_cstr(words[0], "cachedump")) {
        stats_cachedump(c, words, count);
        return;
    }
    if (span_eq_cstr(words[0], "items")) {
        reply_items(c);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        if (span_eq_cstr(words[0], reports[i].word)) {
            report(c, reports[i].put);
            return;
        }
    }
    conn_put_error(c, PROTO_ERR_UNKNOWN_COMMAND);
}
