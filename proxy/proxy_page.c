/* proxy_page.c - the status page: what somebody wants to see who was told that
 * something is wrong here. Reads only, on the main thread. */
#include "common/core/clock.h"
#include "common/core/uri.h"
#include "common/core/version.h"
#include "common/net/page.h"
#include "common/push/follow.h"
#include "proxy/proxy.h"

#include <inttypes.h>

#define HOT_KEYS_SHOWN 10

static void
put_table(struct proxy *proxy, const struct placement *p, struct buf *out)
{
    if (p == NULL) {
        page_fact(out, "routing table", "none yet: no key has a route");
        return;
    }
    const struct table *table = p->table;
    page_factf(out, "routing table", "epoch %" PRIu64 " (%.12s) %s", table->epoch, table->sha,
               table->cluster);
    pthread_mutex_lock(&proxy->lock);
    if (proxy->follower != NULL) {
        page_factf(out, "its source", "%s, confirmed %" PRIu64 " s ago",
                   follower_source(proxy->follower), follower_table_age_ms(proxy->follower) / 1000);
    }
    pthread_mutex_unlock(&proxy->lock);
    uint64_t clear = atomic_load(&proxy->clear_epoch);
    if (clear < table->epoch) {
        page_factf(out, "still on their way", "requests of epochs before %" PRIu64, table->epoch);
    }
    for (unsigned i = 0; i < table->pool_count; i++) {
        if (table->pools[i].move != MOVE_NONE) {
            page_factf(out, "keys move", "pool %s: %s", table->pools[i].name,
                       move_step_name(table->pools[i].move));
        }
    }
}

static void
put_summary(struct proxy *proxy, const struct placement *p, struct buf *out)
{
    uint64_t up_s = (clock_mono_ms() - proxy->started_ms) / 1000;
    page_table(out, NULL, NULL);
    page_fact(out, "version", MEMFLEET_VERSION);
    page_factf(out, "up", "%" PRIu64 " d %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, up_s / 86400,
               up_s / 3600 % 24, up_s / 60 % 60, up_s % 60);
    page_fact(out, "state",
              atomic_load(&proxy->draining) ? "draining"
              : proxy_is_ready(proxy)       ? "serves"
                                            : "waits for a routing table");
    page_factf(out, "clients", "%u of at most %" PRIu64, atomic_load(&proxy->connections),
               atomic_load(&proxy->connections_max));
    page_factf(out, "replies that they do not take", "%" PRIu64 " KB of at most %" PRIu64,
               metric_sum(proxy->metrics, METRIC_ID_HELD_BYTES) >> 10,
               proxy->options->buffer_memory >> 10);
    page_factf(out, "threads", "%u", proxy->worker_count);
    put_table(proxy, p, out);
    page_end_table(out);
}

static void
put_quantile(struct buf *out, const struct histogram *h, unsigned permille)
{
    if (histogram_count(h) == 0) {
        page_cell(out, "-");
    } else {
        page_cellf(out, "%" PRIu64, histogram_quantile_us(h, permille));
    }
}

static void
put_node(struct proxy *proxy, const struct place_node *n, struct buf *out)
{
    const struct node_stats *s = n->stats;
    struct histogram latency = node_stats_latency(s);
    unsigned down = atomic_load(&s->down);
    char addr[ADDR_TEXT_MAX];
    page_row(out, down > 0);
    page_cell(out, n->pool->name);
    page_cell(out, n->node->id);
    page_cell(out, place_node_addr(n, addr));
    page_cell(out, n->node->zone != NULL ? n->node->zone : "");
    page_cell(out, node_state_name(n->node->state));
    if (down > 0) {
        page_cellf(out, "DOWN at %u of %u threads", down, proxy->worker_count);
    } else {
        page_cell(out, "up");
    }
    page_cellf(out, "%" PRIu64, atomic_load(&s->requests));
    put_quantile(out, &latency, 500);
    put_quantile(out, &latency, 990);
    page_cellf(out, "%" PRIu64, atomic_load(&s->timeouts));
    page_cellf(out, "%" PRIu64, atomic_load(&s->broken));
    page_cellf(out, "%" PRIu64, atomic_load(&s->refused));
    page_cellf(out, "%" PRIu64, atomic_load(&s->journal));
    page_cellf(out, "%" PRIu64, atomic_load(&s->gutter));
}

static void
put_nodes(struct proxy *proxy, const struct placement *p, struct buf *out)
{
    static const char *const heads[] = {
        "pool",       "node",     "address",        "zone",           "in the table",
        "health",     "requests", "p50, \xc2\xb5s", "p99, \xc2\xb5s", "timeouts",
        "broken off", "not sent", "journal",        "to the gutter",  NULL};
    page_table(out, "Nodes", heads);
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        put_node(proxy, &p->nodes[i], out);
    }
    page_end_table(out);
}

/* What clients were told because something failed, of all kinds that there were. */
struct failure_rows {
    struct buf *out;
    bool any;
};

static void
put_failure(void *arg, const struct metric_desc *desc, uint64_t value)
{
    struct failure_rows *rows = arg;
    if (value == 0 || strncmp(desc->name, "failed_", strlen("failed_")) != 0) {
        return;
    }
    if (!rows->any) {
        static const char *const heads[] = {"since the start", "", "", NULL};
        page_table(rows->out, "What failed", heads);
        rows->any = true;
    }
    page_row(rows->out, false);
    page_cellf(rows->out, "%" PRIu64, value);
    page_cell(rows->out, desc->name);
    page_cell(rows->out, desc->help);
}

static void
put_failures(struct proxy *proxy, struct buf *out)
{
    struct failure_rows rows = {out, false};
    metric_each(proxy->metrics, put_failure, &rows);
    if (rows.any) {
        page_end_table(out);
    }
}

struct key_rows {
    struct buf *out;
    uint64_t total;
    bool any;
};

static void
put_key(void *arg, const struct hotkey *key)
{
    struct key_rows *rows = arg;
    if (!rows->any) {
        static const char *const heads[] = {"key", "share of the reads, %", NULL};
        page_table(rows->out, "Hottest keys of the last minutes", heads);
        rows->any = true;
    }
    char text[URI_ENCODED_BYTES(HOTKEYS_KEY_MAX)];
    page_row(rows->out, false);
    page_cellf(rows->out, "%.*s", (int)uri_encode(key->key, text), text);
    page_cellf(rows->out, "%.1f", 100.0 * (double)key->count / (double)rows->total);
}

static void
put_hot_keys(struct proxy *proxy, struct buf *out)
{
    struct key_rows rows = {.out = out};
    proxy_hottest(proxy, HOT_KEYS_SHOWN, &rows.total, put_key, &rows);
    if (rows.any) {
        page_end_table(out);
    }
}

void
proxy_page(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    struct placement *p = proxy_placement(proxy);
    page_begin(reply, "mfproxy", proxy->id);
    put_summary(proxy, p, &reply->body);
    put_nodes(proxy, p, &reply->body);
    placement_unref(&p);
    put_failures(proxy, &reply->body);
    put_hot_keys(proxy, &reply->body);
    proxy_frontend_rows(proxy, &reply->body);
}
