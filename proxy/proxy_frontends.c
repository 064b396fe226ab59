/* proxy_frontends.c - what there is to tell of where clients come in: which pool
 * each listener is bound to, whether the table has it, and how many are connected. */
#include "common/core/log.h"
#include "common/net/page.h"
#include "proxy/proxy.h"
#include "proxy/route/route.h"

#include <inttypes.h>

/* `table` may be NULL: then nothing has a route. */
static bool
has_route(const struct frontend *it, const struct table *table)
{
    return table != NULL &&
           (!frontend_is_bound(it) || route_bound(table, it->pool) != TABLE_NO_POOL);
}

void
proxy_check_frontends(struct proxy *proxy, const struct table *table)
{
    for (unsigned i = 1; i < frontends_count(&proxy->frontends); i++) {
        const struct frontend *it = &proxy->frontends.rows[i];
        if (!has_route(it, table)) {
            LOG_LIMITED(10, LOG_WARN, "listener_without_route", "addr=%s pool=%s epoch=%" PRIu64,
                        LOG_STR(it->addr), it->pool, table->epoch);
        }
    }
}

typedef void frontend_fn(struct buf *out, const struct frontend *it, bool routed);

static void
each(struct proxy *proxy, struct buf *out, frontend_fn *put)
{
    struct placement *p = proxy_placement(proxy);
    const struct table *table = p != NULL ? p->table : NULL;
    for (unsigned i = 1; i < frontends_count(&proxy->frontends); i++) {
        const struct frontend *it = &proxy->frontends.rows[i];
        put(out, it, has_route(it, table));
    }
    placement_unref(&p);
}

static void
put_stats(struct buf *out, const struct frontend *it, bool routed)
{
    buf_printf(out,
               "STAT %s:pool %s\r\nSTAT %s:routed %d\r\nSTAT %s:listens %d\r\n"
               "STAT %s:curr_connections %u\r\n",
               it->addr, it->pool, it->addr, routed, it->addr, it->listens, it->addr,
               atomic_load(&it->clients));
}

void
proxy_frontend_stats(struct proxy *proxy, struct buf *out)
{
    each(proxy, out, put_stats);
}

static void
put_page_row(struct buf *out, const struct frontend *it, bool routed)
{
    page_row(out, it->listens && !routed);
    page_cellf(out, "%s%s", it->addr, it->listens ? "" : " (of the process before)");
    page_cellf(out, "%s%s%s", frontend_is_bound(it) ? "pool " : "by routes", it->pool,
               routed ? "" : " (no route)");
    page_cellf(out, "%u", atomic_load(&it->clients));
}

void
proxy_frontend_rows(struct proxy *proxy, struct buf *out)
{
    static const char *const heads[] = {"address", "keys go", "clients", NULL};
    page_table(out, "Listeners", heads);
    each(proxy, out, put_page_row);
    page_end_table(out);
}

static void
put_labels(struct buf *out, const char *name, const struct frontend *it)
{
    buf_printf(out, "mfproxy_%s{", name);
    metric_put_label(out, "listener", it->addr);
    buf_append(out, ",", 1);
    metric_put_label(out, "pool", it->pool);
}

static void
put_routed(struct buf *out, const struct frontend *it, bool routed)
{
    put_labels(out, "listener_routed", it);
    buf_printf(out, "} %d\n", routed);
}

static void
put_connections(struct buf *out, const struct frontend *it, bool routed)
{
    (void)routed;
    put_labels(out, "listener_connections", it);
    buf_printf(out, "} %u\n", atomic_load(&it->clients));
}

void
proxy_frontend_metrics(struct proxy *proxy, struct buf *out)
{
    buf_append_span(out, SPAN_LIT("# HELP mfproxy_listener_routed Whether the table has the pool "
                                  "that the listener is bound to.\n"
                                  "# TYPE mfproxy_listener_routed gauge\n"));
    each(proxy, out, put_routed);
    buf_append_span(out, SPAN_LIT("# HELP mfproxy_listener_connections Client connections that "
                                  "came by the listener, open now.\n"
                                  "# TYPE mfproxy_listener_connections gauge\n"));
    each(proxy, out, put_connections);
}

static void
put_fault(struct buf *out, const struct frontend *it, bool routed)
{
    if (it->listens && !routed) {
        buf_printf(out, "listener %s: the table has no pool %s\n", it->addr, it->pool);
    }
}

bool
proxy_frontend_faults(struct proxy *proxy, struct buf *out)
{
    bool any = false, bound = false;
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 1; p != NULL && i < frontends_count(&proxy->frontends); i++) {
        const struct frontend *it = &proxy->frontends.rows[i];
        any |= it->listens && has_route(it, p->table);
        bound |= it->listens;
    }
    bool has_table = p != NULL;
    placement_unref(&p);
    if (has_table) {
        each(proxy, out, put_fault);
    }
    return any || !bound;
}
