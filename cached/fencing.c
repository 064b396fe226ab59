#include "cached/fencing.h"
#include "cached/announce.h"
#include "cached/conn.h"
#include "cached/exec.h"
#include "cached/words.h"
#include "common/core/log.h"
#include "common/fleet/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a connection has announced. */
struct announced {
    struct list link; /* worker's announced */
    struct conn *conn;
    struct fence_token token;
};

void
fencing_init(struct fencing *f)
{
    pthread_mutex_init(&f->lock, NULL);
}

void
fencing_deinit(struct fencing *f)
{
    pthread_mutex_destroy(&f->lock);
}

void
fencing_restore(struct fencing *f, const struct fence *fence)
{
    f->fence = *fence;
    atomic_store_explicit(&f->applied_min, fence->min_epoch, memory_order_relaxed);
    if (fence->min_epoch > 0) {
        log_info("fence_set", "min_epoch=%" PRIu64 " by=image", fence->min_epoch);
    }
}

struct fence
fencing_now(struct fencing *f)
{
    pthread_mutex_lock(&f->lock);
    struct fence fence = f->fence;
    pthread_mutex_unlock(&f->lock);
    return fence;
}

/* --- at the connections ------------------------------------------------------------ */

/* Half of what it does may not be done behind the fence: a value that is arriving
 * would be stored there. Then the connection ends, as if it had broken. */
static void
look(struct conn *c, const struct fence *fence)
{
    bool fenced = c->announced != NULL && fence_refuses(fence, &c->announced->token);
    if (fenced == c->fenced) {
        return;
    }
    c->fenced = fenced;
    if (!fenced) {
        metric_sub(c->worker->metrics, METRIC_ID_NODE_FENCED, 1);
        return;
    }
    worker_count(c->worker, METRIC_ID_NODE_FENCED);
    c->calm = false;
    LOG_LIMITED(10, LOG_WARN, "proxy_fenced", "epoch=%" PRIu64 " min_epoch=%" PRIu64,
                c->announced->token.epoch, fence->min_epoch);
    if (c->ingest != NULL || c->get.keys_bytes > 0) {
        conn_close(c, END_ERROR);
    }
}

void
fencing_forget(struct conn *c)
{
    if (c->announced == NULL) {
        return;
    }
    if (c->fenced) {
        metric_sub(c->worker->metrics, METRIC_ID_NODE_FENCED, 1);
    }
    list_remove(&c->announced->link);
    free(c->announced);
    c->announced = NULL;
}

/* Under the lock. */
static bool
holds_at_all(const struct node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        if (node->workers[i]->fence_seen < node->fencing.serial) {
            return false;
        }
    }
    return true;
}

/* Worker's thread: the fence as it is now holds here. Returns the epoch of the own
 * table that may be acknowledged by that, or 0. */
static uint64_t
note_seen(struct worker *w, uint64_t serial)
{
    struct fencing *f = &w->node->fencing;
    uint64_t epoch = 0;
    pthread_mutex_lock(&f->lock);
    w->fence_seen = serial;
    if (holds_at_all(w->node)) {
        atomic_store_explicit(&f->applied_min, f->fence.min_epoch, memory_order_relaxed);
        epoch = f->table_epoch;
        f->table_epoch = 0;
    }
    pthread_mutex_unlock(&f->lock);
    return epoch;
}

static struct fence
read_fence(struct fencing *f, uint64_t *serial)
{
    pthread_mutex_lock(&f->lock);
    struct fence fence = f->fence;
    *serial = f->serial;
    pthread_mutex_unlock(&f->lock);
    return fence;
}

static void
on_changed(void *arg)
{
    struct worker *w = arg;
    uint64_t serial;
    struct fence fence = read_fence(&w->node->fencing, &serial);
    LIST_EACH_SAFE (it, &w->announced) {
        look(LIST_ENTRY(it, struct announced, link)->conn, &fence);
    }
    uint64_t epoch = note_seen(w, serial);
    if (epoch > 0) {
        announce_applied(w->node, epoch);
    }
}

static void
tell_workers(struct node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        loop_post(node->workers[i]->loop, on_changed, node->workers[i]);
    }
}

/* --- what the fence is made of ------------------------------------------------------- */

void
fencing_take_table(struct node *node, const struct table *table)
{
    struct fencing *f = &node->fencing;
    struct fence_token token = fence_token_of(table);
    pthread_mutex_lock(&f->lock);
    uint64_t before = f->fence.min_epoch;
    fence_take_table(&f->fence, &token);
    uint64_t now = f->fence.min_epoch;
    f->serial++;
    f->table_epoch = table->epoch;
    pthread_mutex_unlock(&f->lock);
    if (now != before) {
        log_info("fence_set", "min_epoch=%" PRIu64 " before=%" PRIu64 " by=table", now, before);
    }
    tell_workers(node);
}

static void
hear(struct node *node, const struct fence_token *token)
{
    struct fencing *f = &node->fencing;
    pthread_mutex_lock(&f->lock);
    bool raised = fence_hear(&f->fence, token);
    f->serial += raised;
    pthread_mutex_unlock(&f->lock);
    if (raised) {
        log_info("fence_set", "min_epoch=%" PRIu64 " by=proxy", token->min_epoch);
        tell_workers(node);
    }
}

static bool
keep(struct conn *c, const struct fence_token *token)
{
    if (c->announced == NULL) {
        c->announced = calloc(1, sizeof(*c->announced));
        if (c->announced == NULL) {
            return false;
        }
        c->announced->conn = c;
        list_push_back(&c->worker->announced, &c->announced->link);
    }
    if (!fence_token_falls(&c->announced->token, token)) {
        c->announced->token = *token;
    }
    return true;
}

void
exec_epoch(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    struct fence_token token;
    uint64_t serial;
    if (w.count > WORDS_MAX || !fence_token_parse(w.at, w.count, &token)) {
        conn_put_error(c, PROTO_ERR_BAD_FORMAT);
        return;
    }
    if (!keep(c, &token)) {
        c->out.out_of_memory = true;
        return;
    }
    worker_count(c->worker, METRIC_ID_NODE_ANNOUNCED);
    hear(c->worker->node, &token);
    struct fence fence = read_fence(&c->worker->node->fencing, &serial);
    look(c, &fence); /* it is between two requests, so it stays open */
    if (c->fenced) {
        conn_put_error(c, PROTO_ERR_STALE_EPOCH);
    } else {
        outbox_put_span(&c->out, SPAN_LIT("OK\r\n"));
    }
}

/* --- refusing ------------------------------------------------------------------------- */

void
fencing_put_refusal(struct conn *c)
{
    char line[64];
    struct span text = error_line(PROTO_ERR_STALE_EPOCH);
    int n = snprintf(line, sizeof(line), "%.*s %" PRIu64 "\r\n", (int)text.len - 2, text.ptr,
                     c->announced->token.epoch);
    outbox_put(&c->out, line, (size_t)n);
}

void
fencing_refuse(struct conn *c, const struct request *r)
{
    enum proto_error error = r->noreply ? PROTO_OK : PROTO_ERR_STALE_EPOCH;
    worker_count(c->worker, METRIC_ID_NODE_STALE_REFUSED);
    c->room_effort = 0; /* it may have waited for room when the fence came */
    conn_swallow(c, command_has_value(r->cmd) ? r->block_bytes : 0, error);
}
