#include "control/status_page.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/net/page.h"

#include <inttypes.h>
#include <stdlib.h>

#define FOLLOWERS_SHOWN 1000

struct status_page {
    struct http_server *http;
    struct status_sources from;
};

/* --- the page ------------------------------------------------------------------- */

static void
put_summary(const struct status_sources *from, struct buf *out)
{
    const struct table *table = mirror_table(from->mirror);
    page_table(out, NULL, NULL);
    page_fact(out, "this mfcontrol", from->id);
    page_fact(out, "leader",
              leader_is_leading(from->leader) ? from->id : leader_current(from->leader));
    page_factf(out, "view of etcd", "%s, heard %" PRIu64 " ms ago",
               mirror_is_regressed(from->mirror) ? "behind a table in use: restored from a backup"
               : mirror_is_live(from->mirror)    ? "live"
                                                 : "stale: serving what we have",
               mirror_lag_ms(from->mirror));
    if (table != NULL) {
        page_factf(out, "epoch", "%" PRIu64 " (%.12s)", table->epoch, table->sha);
        page_fact(out, "by", table->by != NULL ? table->by : "");
        page_fact(out, "reason", table->reason != NULL ? table->reason : "");
    } else {
        page_fact(out, "epoch", "no table yet");
    }
    if (leader_trouble(from->leader)[0] != '\0') {
        page_fact(out, "not followed", leader_trouble(from->leader));
    }
    page_end_table(out);
}

static void
put_node(struct buf *out, const struct status_sources *from, const struct table_pool *pool,
         const struct table_node *node)
{
    bool registers = node->kind != NODE_KIND_MEMCACHED;
    bool alive =
        inventory_find(mirror_inventory(from->mirror), KEY_NODE, span_cstr(node->id)) != NULL;
    page_row(out, registers && !alive);
    page_cell(out, pool->name);
    page_cell(out, node->id);
    page_cell(out, node->addr);
    page_cell(out, node->ring_name != NULL ? node->ring_name : "");
    page_cell(out, node->zone != NULL ? node->zone : "");
    page_cellf(out, "%" PRIu32, node->weight);
    page_cell(out, node_state_name(node->state));
    page_cell(out, !registers ? "-" : alive ? "registered" : "lease lost");
}

static void
put_nodes(const struct status_sources *from, struct buf *out)
{
    static const char *const heads[] = {"pool",   "node",  "address", "ring name", "zone",
                                        "weight", "state", "lease",   NULL};
    const struct table *table = mirror_table(from->mirror);
    page_table(out, "Nodes", heads);
    for (unsigned p = 0; table != NULL && p < table->pool_count; p++) {
        for (unsigned n = 0; n < table->pools[p].node_count; n++) {
            put_node(out, from, &table->pools[p], &table->pools[p].nodes[n]);
        }
    }
    page_end_table(out);
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
    page_row(rows->out, s->nack_reason != NULL);
    page_cell(rows->out, session_role_name(s->role));
    page_cell(rows->out, s->id);
    page_cell(rows->out, stream_peer(s->stream));
    page_cell(rows->out, s->build);
    page_cellf(rows->out, "%" PRIu64, s->held.epoch);
    page_cellf(rows->out, "%" PRIu64, rows->now_ms - s->heard_ms);
    page_cell(rows->out, s->nack_reason != NULL ? s->nack_reason : "");
}

static void
put_followers(const struct status_sources *from, struct buf *out)
{
    static const char *const heads[] = {"role",          "id",           "peer", "build", "epoch",
                                        "heard, ms ago", "last refusal", NULL};
    struct follower_rows rows = {.out = out, .now_ms = clock_mono_ms()};
    page_table(out, "Followers", heads);
    push_server_each(from->push, put_follower, &rows);
    page_end_table(out);
    char text[96];
    snprintf(text, sizeof(text), "%u of %u shown, %u behind", rows.shown, rows.total,
             push_server_behind(from->push));
    page_text(out, text);
}

static void
page(void *arg, struct http_reply *reply)
{
    const struct status_sources *from = &((struct status_page *)arg)->from;
    page_begin(reply, "mfcontrol", from->cluster);
    put_summary(from, &reply->body);
    put_nodes(from, &reply->body);
    put_followers(from, &reply->body);
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
