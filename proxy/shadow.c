#include "proxy/shadow.h"
#include "common/core/mem.h"
#include "proxy/backend.h"
#include "proxy/form.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/shadow_counts.h"
#include "proxy/way.h"

#include <stdlib.h>

void
shadow_deinit(struct shadow *s)
{
    free(s->lines);
}

/* Beside its pool, and over all. */
#define COUNT(w, copied, id, n)                                                                    \
    do {                                                                                           \
        worker_count(w, METRIC_ID_SHADOW_##id, n);                                                 \
        metric_bump(&(copied)->of[SHADOW_COUNT_##id], n);                                          \
    } while (0)

/* --- which requests --------------------------------------------------------------------- */

static bool
is_wanted(enum shadow_requests wanted, enum proto_command cmd)
{
    bool reads = command_shape(cmd) == SHAPE_GET || cmd == CMD_MG;
    switch (wanted) {
    case SHADOW_ALL: return cmd != CMD_ME;
    case SHADOW_READS: return reads;
    case SHADOW_WRITES: return !reads && cmd != CMD_ME;
    }
    return false;
}

static struct backend *
target_of(const struct worker *w, const struct roster_pool *pool, const struct lookup_key *key)
{
    struct lookup_key there = *key;
    there.pool = pool->table->shadow.pool;
    return pool->shadow[way_owner(w->roster, &there)];
}

/* May a copy be queued there? If not, it has been counted. */
static bool
admit(struct worker *w, const struct roster_pool *pool, const struct backend *b)
{
    if (b == NULL) {
        COUNT(w, pool->copied, SAME_NODE, 1);
        return false;
    }
    if (b->masked || b->health.state != HEALTH_UP ||
        (b->state == BACKEND_CLOSED && worker_now_us(w) < b->connect_after_us)) {
        COUNT(w, pool->copied, DOWN, 1);
        return false;
    }
    if (b->queued >= w->limits->max_inflight || buf_len(&b->out) > SHADOW_OUT_MAX ||
        w->shadow.bytes > SHADOW_BYTES_MAX) {
        COUNT(w, pool->copied, OVERLOADED, 1);
        return false;
    }
    return true;
}

/* --- sending ------------------------------------------------------------------------------ */

/* `asked`: how many keys may be found. */
static void
queue(struct worker *w, const struct roster_pool *pool, struct backend *b, enum proto_command cmd,
      uint32_t asked, size_t mark)
{
    struct leg *leg = leg_create(w, NULL, LEG_SHADOW, cmd, w->roster);
    leg->asked = asked;
    leg->copied = pool->copied;
    leg_queue_append(b, leg, mark, b->request_timeout_us);
    w->shadow.bytes += leg->bytes;
    w->retry_budget.copies++;
    COUNT(w, pool->copied, REQUESTS, 1);
}

static void
out_of_memory(struct worker *w, const struct roster_pool *pool, struct backend *b, size_t mark)
{
    backend_undo(b, mark);
    COUNT(w, pool->copied, OVERLOADED, 1);
}

/* A CAS value is a node's own, and the one that a client has from another would refuse
 * every such change, so that the old value stayed. */
static bool
depends_on_cas(const struct request *r)
{
    return r->cmd == CMD_CAS || (command_shape(r->cmd) == SHAPE_META && meta_has(&r->meta, 'C'));
}

static bool
compose(struct buf *out, const struct request *r, struct span key, struct span block,
        enum proto_command *cmd)
{
    *cmd = r->cmd;
    if (command_shape(r->cmd) == SHAPE_GET) {
        return request_put_get_begin(out, r) && request_put_get_key(out, r->wire_key) &&
               request_put_get_end(out);
    }
    if (depends_on_cas(r)) {
        return request_put_delete(out, key, cmd);
    }
    return request_put_line(out, r) && buf_append_span(out, block);
}

void
shadow_copy(struct worker *w, const struct roster_pool *pool, const struct request *r,
            const struct lookup_key *key, struct span block)
{
    if (!is_wanted(pool->table->shadow.requests, r->cmd) ||
        !route_is_shadowed(pool->table, key->bytes)) {
        return;
    }
    struct backend *b = target_of(w, pool, key);
    if (!admit(w, pool, b)) {
        return;
    }
    if (block.len > SHADOW_VALUE_MAX) {
        COUNT(w, pool->copied, TOO_LARGE, 1);
        return;
    }
    enum proto_command cmd;
    size_t mark = backend_mark(b);
    if (!compose(&b->out, r, key->bytes, block, &cmd)) {
        out_of_memory(w, pool, b, mark);
        return;
    }
    bool reads = command_shape(cmd) == SHAPE_GET || cmd == CMD_MG;
    queue(w, pool, b, cmd, reads ? 1 : 0, mark);
}

/* --- a multiget ----------------------------------------------------------------------------- */

static bool
is_open(const struct worker *w, const struct backend *b)
{
    return b->split_round == w->split_round;
}

static bool
open_line(struct worker *w, const struct roster_pool *pool, struct backend *b,
          const struct request *r)
{
    struct shadow *s = &w->shadow;
    size_t mark = backend_mark(b);
    if (!request_put_get_begin(&b->out, r)) {
        out_of_memory(w, pool, b, mark);
        return false;
    }
    b->split_round = w->split_round;
    b->split_shard = 0; /* keys */
    b->split_mark = mark;
    b->split_pool = pool;
    if (s->line_count == s->line_room) {
        s->line_room = s->line_room != 0 ? s->line_room * 2 : 16;
        s->lines = mem_realloc(s->lines, s->line_room * sizeof(s->lines[0]));
    }
    s->lines[s->line_count++] = b;
    return true;
}

static void
close_line(struct worker *w, struct backend *b)
{
    b->split_round = 0;
    if (b->split_shard == 0 || !request_put_get_end(&b->out)) {
        out_of_memory(w, b->split_pool, b, b->split_mark);
        return;
    }
    queue(w, b->split_pool, b, w->shadow.cmd, b->split_shard, b->split_mark);
}

void
shadow_add_key(struct worker *w, const struct roster_pool *pool, const struct request *r,
               const struct lookup_key *key)
{
    if (!is_wanted(pool->table->shadow.requests, r->cmd) ||
        !route_is_shadowed(pool->table, key->bytes)) {
        return;
    }
    struct backend *b = target_of(w, pool, key);
    w->shadow.cmd = r->cmd;
    if (b != NULL && is_open(w, b) &&
        (b->split_pool != pool ||
         buf_len(&b->out) - b->split_mark > SHADOW_LINE_MAX - KEY_MAX_BYTES)) {
        close_line(w, b);
    }
    bool open = b != NULL && is_open(w, b);
    if (!open && (!admit(w, pool, b) || !open_line(w, pool, b, r))) {
        return;
    }
    if (request_put_get_key(&b->out, key->bytes)) {
        b->split_shard++;
    } else {
        COUNT(w, pool->copied, OVERLOADED, 1);
    }
}

void
shadow_end_multiget(struct worker *w)
{
    for (unsigned i = 0; i < w->shadow.line_count; i++) {
        if (is_open(w, w->shadow.lines[i])) {
            close_line(w, w->shadow.lines[i]);
        }
    }
    w->shadow.line_count = 0;
}

/* --- what became of it ------------------------------------------------------------------------ */

/* From now on nobody looks at what may still come. */
static void
end(struct worker *w, struct leg *leg)
{
    leg->kind = LEG_ASIDE;
    w->shadow.bytes -= leg->bytes;
    w->retry_budget.copies--;
}

/* What has just been made by the N of an mg, or shall be filled, is no hit. */
static bool
is_hit(const struct reply_piece *piece)
{
    struct fetched f;
    fetched_read(piece, &f);
    return fetched_is_hit(&f) && !f.won && !f.taken;
}

void
shadow_piece(struct leg *leg, const struct reply_piece *piece)
{
    struct worker *w = leg->roster->worker;
    if (leg->asked > 0 && is_hit(piece)) {
        COUNT(w, leg->copied, HITS, 1);
        leg->asked--;
    }
    if (!piece->final) {
        return;
    }
    if (reply_is_error(piece->kind)) {
        COUNT(w, leg->copied, FAILURES, 1);
    } else {
        COUNT(w, leg->copied, MISSES, leg->asked);
    }
    end(w, leg);
}

void
shadow_failed(struct leg *leg)
{
    struct worker *w = leg->roster->worker;
    COUNT(w, leg->copied, FAILURES, 1);
    end(w, leg);
}
