#include "control/status_page.h"
#include "common/core/clock.h"
#include "common/core/mem.h"

#include <inttypes.h>
#include <stdlib.h>

#define FOLLOWERS_SHOWN 1000

struct status_page {
    struct http_server *http;
    struct status_sources from;
};

/* --- words -------------------------------------------------------------------- */

/* Names and addresses are others' words. */
static void
put_escaped(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '<': buf_append_span(out, SPAN_LIT("&lt;")); break;
        case '>': buf_append_span(out, SPAN_LIT("&gt;")); break;
        case '&': buf_append_span(out, SPAN_LIT("&amp;")); break;
        case '"': buf_append_span(out, SPAN_LIT("&quot;")); break;
        default: buf_append(out, c, 1); break;
        }
    }
}

static void
put_cell(struct buf *out, const char *text)
{
    buf_append_span(out, SPAN_LIT("<td>"));
    put_escaped(out, text);
    buf_append_span(out, SPAN_LIT("</td>"));
}

static void
put_fact(struct buf *out, const char *name, const char *text)
{
    buf_append_span(out, SPAN_LIT("<tr>"));
    put_cell(out, name);
    put_cell(out, text);
    buf_append_span(out, SPAN_LIT("</tr>\n"));
}

/* --- the page ------------------------------------------------------------------- */

static void
put_summary(const struct status_sources *from, struct buf *out)
{
    char text[TABLE_ERROR_MAX];
    const struct table *table = mirror_table(from->mirror);
    buf_append_span(out, SPAN_LIT("<table>\n"));
    put_fact(out, "this mfcontrol", from->id);
    put_fact(out, "leader",
             leader_is_leading(from->leader) ? from->id : leader_current(from->leader));
    snprintf(text, sizeof(text), "%s, heard %" PRIu64 " ms ago",
             mirror_is_regressed(from->mirror) ? "behind a table in use: restored from a backup"
             : mirror_is_live(from->mirror)    ? "live"
                                               : "stale: serving what we have",
             mirror_lag_ms(from->mirror));
    put_fact(out, "view of etcd", text);
    if (table != NULL) {
        snprintf(text, sizeof(text), "%" PRIu64 " (%.12s)", table->epoch, table->sha);
        put_fact(out, "epoch", text);
        put_fact(out, "by", table->by != NULL ? table->by : "");
        put_fact(out, "reason", table->reason != NULL ? table->reason : "");
    } else {
        put_fact(out, "epoch", "no table yet");
    }
    if (leader_trouble(from->leader)[0] != '\0') {
        put_fact(out, "not followed", leader_trouble(from->leader));
    }
    buf_append_span(out, SPAN_LIT("</table>\n"));
}

static void
put_node(struct buf *out, const struct status_sources *from, const struct table_pool *pool,
         const struct table_node *node)
{
    bool alive =
        inventory_find(mirror_inventory(from->mirror), KEY_NODE, span_cstr(node->id)) != NULL;
    char text[64];
    buf_append_span(out, SPAN_LIT("<tr>"));
    put_cell(out, pool->name);
    put_cell(out, node->id);
    put_cell(out, node->addr);
    put_cell(out, node->ring_name != NULL ? node->ring_name : "");
    put_cell(out, node->zone != NULL ? node->zone : "");
    snprintf(text, sizeof(text), "%" PRIu32, node->weight);
    put_cell(out, text);
    put_cell(out, node_state_name(node->state));
    put_cell(out, node->kind == NODE_KIND_MEMCACHED ? "-" : alive ? "registered" : "lease lost");
    buf_append_span(out, SPAN_LIT("</tr>\n"));
}

static void
put_nodes(const struct status_sources *from, struct buf *out)
{
    const struct table *table = mirror_table(from->mirror);
    buf_append_span(out, SPAN_LIT("<h2>Nodes</h2>\n<table><tr><th>pool<th>node<th>address"
                                  "<th>ring name<th>zone<th>weight<th>state<th>lease</tr>\n"));
    for (unsigned p = 0; table != NULL && p < table->pool_count; p++) {
        for (unsigned n = 0; n < table->pools[p].node_count; n++) {
            put_node(out, from, &table->pools[p], &table->pools[p].nodes[n]);
        }
    }
    buf_append_span(out, SPAN_LIT("</table>\n"));
}

struct follower_rows {
    struct buf *out;
    uint64_t now_ms;
    unsigned shown, total;
};

static void
put_follower(void *arg, const struct session *s)
{
    struct follower_rows *rows = arg;
    rows->total++;
    if (rows->shown == FOLLOWERS_SHOWN) {
        return;
    }
    rows->shown++;
    char text[64];
    buf_append_span(rows->out, SPAN_LIT("<tr>"));
    put_cell(rows->out, session_role_name(s->role));
    put_cell(rows->out, s->id);
    put_cell(rows->out, stream_peer(s->stream));
    put_cell(rows->out, s->build);
    snprintf(text, sizeof(text), "%" PRIu64, s->held.epoch);
    put_cell(rows->out, text);
    snprintf(text, sizeof(text), "%" PRIu64, rows->now_ms - s->heard_ms);
    put_cell(rows->out, text);
    put_cell(rows->out, s->nack_reason != NULL ? s->nack_reason : "");
    buf_append_span(rows->out, SPAN_LIT("</tr>\n"));
}

static void
put_followers(const struct status_sources *from, struct buf *out)
{
    struct follower_rows rows = {.out = out, .now_ms = clock_mono_ms()};
    buf_append_span(out, SPAN_LIT("<h2>Followers</h2>\n<table><tr><th>role<th>id<th>peer<th>build"
                                  "<th>epoch<th>heard, ms ago<th>last refusal</tr>\n"));
    push_server_each(from->push, put_follower, &rows);
    buf_printf(out, "</table>\n<p>%u of %u shown, %u behind</p>\n", rows.shown, rows.total,
               push_server_behind(from->push));
}

static void
page(void *arg, struct http_reply *reply)
{
    const struct status_sources *from = &((struct status_page *)arg)->from;
    struct buf *out = &reply->body;
    reply->content_type = "text/html; charset=utf-8";
    buf_append_span(out, SPAN_LIT("<!doctype html><meta charset=utf-8><title>mfcontrol</title>\n"
                                  "<style>body{font:14px sans-serif;margin:2em}td,th{padding:2px "
                                  "10px;text-align:left;border-bottom:1px solid #ddd}</style>\n"
                                  "<h1>"));
    put_escaped(out, from->cluster);
    buf_append_span(out, SPAN_LIT("</h1>\n"));
    put_summary(from, out);
    put_nodes(from, out);
    put_followers(from, out);
}

/* --- machines ------------------------------------------------------------------- */

static void
metrics(void *arg, struct http_reply *reply)
{
    const struct status_page *it = arg;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_render_prometheus(it->from.metrics, "", &reply->body);
    metric_render_prometheus(it->from.etcd_metrics, "", &reply->body);
}

static void
healthz(void *arg, struct http_reply *reply)
{
    buf_append_span(&reply->body, SPAN_LIT("ok\n"));
}

/* Who has a table serves it, with or without etcd; who sees etcd will have one
 * as soon as there is one. */
static void
readyz(void *arg, struct http_reply *reply)
{
    const struct status_page *it = arg;
    if (mirror_table(it->from.mirror) != NULL || mirror_is_live(it->from.mirror)) {
        buf_append_span(&reply->body, SPAN_LIT("ready\n"));
        return;
    }
    reply->status = 503;
    buf_append_span(&reply->body, SPAN_LIT("no table and no view of etcd yet\n"));
}

struct status_page *
status_page_create(struct loop *loop, const struct addr *addr, const struct status_sources *sources,
                   char **error)
{
    struct status_page *it = mem_zalloc(sizeof(*it));
    it->from = *sources;
    it->http = http_server_create(loop, addr, error);
    if (it->http == NULL) {
        free(it);
        return NULL;
    }
    http_server_route(it->http, "/", page, it);
    http_server_route(it->http, "/metrics", metrics, it);
    http_server_route(it->http, "/healthz", healthz, it);
    http_server_route(it->http, "/readyz", readyz, it);
    return it;
}

void
status_page_destroy(struct status_page **s)
{
    struct status_page *it = *s;
    if (it == NULL) {
        return;
    }
    http_server_destroy(&it->http);
    free(it);
    *s = NULL;
}

const struct addr *
status_page_addr(const struct status_page *it)
{
    return http_server_addr(it->http);
}
