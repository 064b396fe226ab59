/* proxy_http.c - the HTTP endpoints. They read only and run on the main thread. */
#include "common/push/follow.h"
#include "proxy/admission.h"
#include "proxy/proxy.h"
#include "proxy/shadow_counts.h"

#include <inttypes.h>

#define WORKER_SILENT_MAX_MS 5000
#define HOT_KEY_RANKS        5

/* clang-format off */
/*    name                   of node_stats  kind     one sentence */
#define NODE_METRICS(X)                                                                            \
    X("node_down_workers",   down,          gauge,   "Workers that look on the node as DOWN.")     \
    X("node_requests_total", requests,      counter, "Requests sent to the node.")                 \
    X("node_timeouts_total", timeouts,      counter, "Of them, not answered in time.")             \
    X("node_broken_total",   broken,        counter, "Of them, lost with their connection.")       \
    X("node_refused_total",  refused,       counter,                                               \
      "Requests not sent because the node was DOWN or over the limit.")                            \
    X("node_connects_total", connects,      counter, "Connections made to the node.")              \
    X("node_journal_entries", journal,      gauge,                                                 \
      "Deletes that the node has not had yet; reads of these keys miss.")                          \
    X("node_gutter_requests_total", gutter, counter,                                               \
      "Requests that went to the gutter because the node was DOWN.")
/* clang-format on */

static void
put_node(struct buf *out, const char *name, const struct table_node *node, uint64_t value)
{
    buf_printf(out, "mfproxy_%s{", name);
    metric_put_label(out, "node", node->id);
    buf_append(out, ",", 1);
    metric_put_label(out, "addr", node->addr);
    buf_printf(out, "} %" PRIu64 "\n", value);
}

static void
put_nodes(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
#define X(name, field, kind, help)                                                                 \
    buf_printf(out, "# HELP mfproxy_%s %s\n# TYPE mfproxy_%s %s\n", name, help, name, #kind);      \
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {                                    \
        const struct place_node *n = &p->nodes[i];                                                 \
        put_node(out, name, n->node, (uint64_t)atomic_load(&n->stats->field));                     \
    }
    NODE_METRICS(X)
#undef X
    placement_unref(&p);
}

static void
put_latency(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    buf_append_span(out, SPAN_LIT("# HELP mfproxy_node_latency_seconds From when a request was "
                                  "queued for the node to when its whole reply was there.\n"
                                  "# TYPE mfproxy_node_latency_seconds histogram\n"));
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        const struct place_node *n = &p->nodes[i];
        struct histogram h = node_stats_latency(n->stats);
        struct buf labels = BUF_EMPTY;
        metric_put_label(&labels, "node", n->node->id);
        buf_append(&labels, ",", 1);
        metric_put_label(&labels, "addr", n->node->addr);
        if (buf_append(&labels, "", 1)) {
            histogram_put_prometheus(&h, "mfproxy_node_latency_seconds", buf_span(&labels).ptr,
                                     out);
        }
        buf_deinit(&labels);
    }
    placement_unref(&p);
}

static void
put_limit(struct buf *out, const char *name, const struct table_pool *pool, const char *prefix,
          const char *rate, uint64_t value)
{
    buf_printf(out, "mfproxy_%s{", name);
    metric_put_label(out, "pool", pool->name);
    buf_append(out, ",", 1);
    metric_put_label(out, "prefix", prefix);
    if (rate != NULL) {
        buf_append(out, ",", 1);
        metric_put_label(out, "rate", rate);
    }
    buf_printf(out, "} %" PRIu64 "\n", value);
}

static void
put_admitted(struct buf *out, const struct table_pool *pool, const struct admission_gate *g)
{
    put_limit(out, "limit_admitted_total", pool, g->prefix, NULL, atomic_load(&g->admitted));
}

static void
put_refused(struct buf *out, const struct table_pool *pool, const struct admission_gate *g)
{
    const char *name = "limit_refused_total";
    put_limit(out, name, pool, g->prefix, "requests", atomic_load(&g->refused_requests));
    put_limit(out, name, pool, g->prefix, "bytes", atomic_load(&g->refused_bytes));
}

/* Prefixes are the table's, so there are no more series than it has limits. */
static void
put_gates(const struct placement *p, struct buf *out,
          void (*put)(struct buf *out, const struct table_pool *pool,
                      const struct admission_gate *g))
{
    for (unsigned i = 0; i < p->table->pool_count; i++) {
        const struct admission *a = p->pools[i].admission;
        for (unsigned k = 0; a != NULL && k < a->count; k++) {
            put(out, p->pools[i].pool, a->gates[k]);
        }
    }
}

static void
put_limits(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    if (p == NULL) {
        return;
    }
    buf_append_span(out,
                    SPAN_LIT("# HELP mfproxy_limit_admitted_total Requests, of a multiget each "
                             "key, that were within the limits by rate of their prefix.\n"
                             "# TYPE mfproxy_limit_admitted_total counter\n"));
    put_gates(p, out, put_admitted);
    buf_append_span(out, SPAN_LIT("# HELP mfproxy_limit_refused_total Those that were not, by the "
                                  "rate that was over its limit.\n"
                                  "# TYPE mfproxy_limit_refused_total counter\n"));
    put_gates(p, out, put_refused);
    placement_unref(&p);
}

static void
put_copies(const struct place_pool *pool, struct buf *out)
{
#define X(id, word)                                                                                \
    buf_append_span(out, SPAN_LIT("mfproxy_shadow_copies_total{"));                                \
    metric_put_label(out, "pool", pool->pool->name);                                               \
    buf_printf(out, ",what=\"" word "\"} %" PRIu64 "\n",                                           \
               shadow_counts_sum(pool->copied, SHADOW_COUNT_##id));
    SHADOW_COUNTS(X)
#undef X
}

static void
put_shadows(struct proxy *proxy, struct buf *out)
{
    struct placement *p = proxy_placement(proxy);
    buf_append_span(out,
                    SPAN_LIT("# HELP mfproxy_shadow_copies_total What became of the copies for a "
                             "pool's shadow: mfproxy_shadow_..._total of this pool.\n"
                             "# TYPE mfproxy_shadow_copies_total counter\n"));
    for (unsigned i = 0; p != NULL && i < p->table->pool_count; i++) {
        if (p->pools[i].copied != NULL) {
            put_copies(&p->pools[i], out);
        }
    }
    placement_unref(&p);
}

static void
put_table(struct proxy *proxy, struct buf *out)
{
    buf_printf(out,
               "# HELP mfproxy_table_clear_epoch Epoch before which nothing is on its way any "
               "more.\n# TYPE mfproxy_table_clear_epoch gauge\nmfproxy_table_clear_epoch %" PRIu64
               "\n",
               atomic_load(&proxy->clear_epoch));
    pthread_mutex_lock(&proxy->lock);
    if (proxy->follower != NULL) {
        metric_render_prometheus(follower_metrics(proxy->follower), "", out);
        uint64_t age_ms = follower_table_age_ms(proxy->follower);
        buf_printf(out,
                   "# HELP mfproxy_table_age_seconds Time since the table in use was confirmed as "
                   "the newest.\n# TYPE mfproxy_table_age_seconds gauge\n"
                   "mfproxy_table_age_seconds %" PRIu64 ".%03" PRIu64 "\n",
                   age_ms / 1000, age_ms % 1000);
    }
    pthread_mutex_unlock(&proxy->lock);
}

struct shares {
    struct buf *out;
    uint64_t total;
    unsigned rank;
};

/* What is certain of it: the count without its possible error. Never the key
 * itself, or every new one would be a new series. */
static void
put_share(void *arg, const struct hotkey *key)
{
    struct shares *shares = arg;
    buf_printf(shares->out, "mfproxy_hot_key_share{rank=\"%u\"} %.4f\n", ++shares->rank,
               (double)(key->count - key->error) / (double)shares->total);
}

static void
put_hot_keys(struct proxy *proxy, struct buf *out)
{
    struct shares shares = {.out = out};
    buf_append_span(out, SPAN_LIT("# HELP mfproxy_hot_key_share Share of the reads of the last "
                                  "minutes that asked for the key of this rank, at least.\n"
                                  "# TYPE mfproxy_hot_key_share gauge\n"));
    proxy_hottest(proxy, HOT_KEY_RANKS, &shares.total, put_share, &shares);
    buf_printf(out,
               "# HELP mfproxy_promoted_keys Keys that are hot by what this proxy sees.\n"
               "# TYPE mfproxy_promoted_keys gauge\nmfproxy_promoted_keys %u\n",
               proxy_promoted(proxy, NULL));
}

static void
on_metrics(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_render_prometheus(proxy->metrics, "", &reply->body);
    put_nodes(proxy, &reply->body);
    put_latency(proxy, &reply->body);
    proxy_frontend_metrics(proxy, &reply->body);
    put_table(proxy, &reply->body);
    put_limits(proxy, &reply->body);
    put_shadows(proxy, &reply->body);
    put_hot_keys(proxy, &reply->body);
}

static void
on_healthz(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    for (unsigned i = 0; i < proxy->worker_count; i++) {
        if (worker_silent_ms(proxy->workers[i]) > WORKER_SILENT_MAX_MS) {
            reply->status = 503;
            buf_printf(&reply->body, "worker %u hangs\n", i);
            return;
        }
    }
    buf_append_span(&reply->body, SPAN_LIT("ok\n"));
}

static void
on_readyz(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    if (proxy_is_ready(proxy)) {
        struct buf faults = BUF_EMPTY;
        bool routed = proxy_frontend_faults(proxy, &faults);
        reply->status = routed ? reply->status : 503;
        buf_append_span(&reply->body, routed ? SPAN_LIT("ready\n") : SPAN_LIT("no route\n"));
        buf_append_span(&reply->body, buf_span(&faults));
        buf_deinit(&faults);
        return;
    }
    reply->status = 503;
    buf_printf(&reply->body, "%s\n",
               atomic_load(&proxy->draining) ? "draining" : "no routing table");
}

void
proxy_http_routes(struct proxy *proxy)
{
    http_server_route(proxy->http, "/metrics", on_metrics, proxy);
    http_server_route(proxy->http, "/healthz", on_healthz, proxy);
    http_server_route(proxy->http, "/readyz", on_readyz, proxy);
    http_server_route(proxy->http, "/", proxy_page, proxy);
}
