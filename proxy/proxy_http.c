/* proxy_http.c - the HTTP endpoints. They read only and run on the main thread. */
#include "common/core/version.h"
#include "proxy/proxy.h"

#include <inttypes.h>

#define WORKER_SILENT_MAX_MS 5000

static void
on_metrics(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_render_prometheus(proxy->metrics, "", &reply->body);
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        const struct place_node *n = &p->nodes[i];
        const struct {
            const char *name;
            uint64_t value;
        } rows[] = {
            {"node_down_workers", atomic_load(&n->stats->down)},
            {"node_requests_total", atomic_load(&n->stats->requests)},
            {"node_timeouts_total", atomic_load(&n->stats->timeouts)},
            {"node_broken_total", atomic_load(&n->stats->broken)},
            {"node_refused_total", atomic_load(&n->stats->refused)},
            {"node_connects_total", atomic_load(&n->stats->connects)},
        };
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            buf_printf(&reply->body, "mfproxy_%s{node=\"%s\"} %" PRIu64 "\n", rows[j].name,
                       n->node->id, rows[j].value);
        }
    }
    placement_unref(&p);
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
        buf_append_span(&reply->body, SPAN_LIT("ready\n"));
        return;
    }
    reply->status = 503;
    buf_printf(&reply->body, "%s\n",
               atomic_load(&proxy->draining) ? "draining" : "no routing table");
}

static void
on_status(void *arg, struct http_reply *reply)
{
    struct proxy *proxy = arg;
    struct placement *p = proxy_placement(proxy);
    buf_printf(&reply->body, "mfproxy %s\nclients %u\nworkers %u\n", MEMFLEET_VERSION,
               atomic_load(&proxy->connections), proxy->worker_count);
    if (p == NULL) {
        buf_append_span(&reply->body, SPAN_LIT("no routing table\n"));
        return;
    }
    buf_printf(&reply->body,
               "table cluster=%s epoch=%" PRIu64 " sha=%s\n\n%-24s %-28s %-9s %9s %12s %9s\n",
               p->table->cluster, p->table->epoch, p->table->sha, "node", "address", "state",
               "down", "requests", "timeouts");
    for (unsigned i = 0; i < p->node_count; i++) {
        const struct place_node *n = &p->nodes[i];
        char addr[ADDR_TEXT_MAX];
        buf_printf(&reply->body, "%-24s %-28s %-9s %5u/%-3u %12" PRIu64 " %9" PRIu64 "\n",
                   n->node->id, addr_format(&n->addr, addr), node_state_name(n->node->state),
                   atomic_load(&n->stats->down), proxy->worker_count,
                   atomic_load(&n->stats->requests), atomic_load(&n->stats->timeouts));
    }
    placement_unref(&p);
}

void
proxy_http_routes(struct proxy *proxy)
{
    http_server_route(proxy->http, "/metrics", on_metrics, proxy);
    http_server_route(proxy->http, "/healthz", on_healthz, proxy);
    http_server_route(proxy->http, "/readyz", on_readyz, proxy);
    http_server_route(proxy->http, "/", on_status, proxy);
}
