#include "proxy/fill.h"
#include "common/core/backoff.h"
#include "proxy/backend.h"
#include "proxy/copies.h"
#include "proxy/form.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/write_marks.h"

#include <inttypes.h>
#include <stdio.h>

#define AGAIN_SOON_US  50000        /* somebody else fills it, or nothing is there */
#define AGAIN_LATER_US 1000000      /* the node cannot, or the value may not be copied */
#define TOKEN_BIT      (1ull << 62) /* no node has counted its CAS values so far */

static struct lookup_key
key_of(const struct fill *f)
{
    return (struct lookup_key){span_make(f->key, f->key_bytes), f->hash, f->pool};
}

static void
end(struct worker *w, struct fill *f, uint64_t again_us)
{
    struct lookup_key key = key_of(f);
    struct copy *copy = fanout_copy_of(w, &key, f->target);
    if (copy != NULL) {
        copy->filling = false;
        copy->fill_after_us = worker_now_us(w) + again_us;
    }
    objpool_give_back(&w->fanout.fills, f);
}

/* The copy is there, and may be read for so long. One of a key that is hot here only
 * is made so often only, however often the key is written. */
static void
end_fresh(struct worker *w, struct fill *f, uint64_t until_us)
{
    struct lookup_key key = key_of(f);
    struct copy *copy = fanout_copy_of(w, &key, f->target);
    if (copy != NULL) {
        copy->fresh_until_us = until_us;
        copy->cas = f->cas;
        copy->mark = f->mark;
    }
    end(w, f, f->local ? AGAIN_SOON_US : 0);
}

/* --- asking ---------------------------------------------------------------------------- */

static void
queue(struct worker *w, struct fill *f, struct backend *b, enum proto_command cmd, size_t mark)
{
    enum leg_kind kind = f != NULL ? LEG_FILL : LEG_ASIDE;
    struct leg *leg = leg_create(w, NULL, kind, cmd, w->roster);
    leg->fill = f;
    leg_queue_append(b, leg, mark, b->request_timeout_us);
}

/* "<verb> <key> <rest>", by the name of the copy where that is. */
static bool
put(struct backend *b, const char *verb, const struct fill *f, const char *rest)
{
    size_t bytes = b == f->owner ? f->key_bytes : f->name_bytes;
    return form_put_meta_line(&b->out, verb, span_make(f->key, bytes), rest);
}

/* A request whose answer nobody waits for. */
static void
aside(struct worker *w, const struct fill *f, struct backend *b, const char *rest)
{
    size_t mark = backend_mark(b);
    if (fanout_is_open(b) && put(b, "md", f, rest)) {
        queue(w, NULL, b, CMD_MD, mark);
    } else {
        backend_undo(b, mark);
    }
}

static void
ask(struct worker *w, struct fill *f, struct backend *b, const char *rest)
{
    size_t mark = backend_mark(b);
    if (put(b, "mg", f, rest)) {
        queue(w, f, b, CMD_MG, mark);
    } else {
        backend_undo(b, mark);
        end(w, f, AGAIN_LATER_US);
    }
}

static void
read_owner(struct worker *w, struct fill *f)
{
    f->step = FILL_READS;
    f->read_us = worker_now_us(w);
    ask(w, f, f->owner, "v f c t");
}

void
fill_begin(struct worker *w, struct copied_key *k, unsigned i)
{
    const struct roster_pool *pool = &w->roster->pools[k->pool];
    struct fill *f = objpool_borrow(&w->fanout.fills);
    f->target = pool->backends[k->at[i].node];
    f->owner = pool->backends[k->at[0].node];
    f->hash = k->hash;
    f->pool = k->pool;
    f->local = k->local;
    f->key_bytes = k->key_bytes;
    f->name_bytes = k->name_bytes;
    memcpy(f->key, k->key, k->name_bytes);
    k->at[i].filling = true;
    if (f->local) {
        f->mark = write_marks_read(w->host->writes, f->hash);
        read_owner(w, f);
        return;
    }
    f->token = random_next(&w->rng) >> 2 | TOKEN_BIT;
    char rest[64];
    snprintf(rest, sizeof(rest), "t N%d E%" PRIu64, FILL_TOKEN_S, f->token);
    ask(w, f, f->target, rest);
}

/* --- the answers ------------------------------------------------------------------------ */

static uint64_t
ttl_s(const struct worker *w, const struct fill *f)
{
    return f->local ? FILL_LOCAL_TTL_S : w->roster->pools[f->pool].replica_ttl_us / 1000000;
}

/* The empty item shall not keep others from filling. */
static void
drop_token(struct worker *w, struct fill *f, uint64_t again_us)
{
    char rest[32];
    if (!f->local) {
        snprintf(rest, sizeof(rest), "C%" PRIu64, f->token);
        aside(w, f, f->target, rest);
    }
    end(w, f, again_us);
}

static void
claimed(struct worker *w, struct fill *f)
{
    struct lookup_key key = key_of(f);
    if (!fanout_is_open(f->owner) || journal_blocks(f->owner->journal, key.bytes)) {
        drop_token(w, f, AGAIN_SOON_US);
        return;
    }
    read_owner(w, f);
}

/* What lives longer than a copy may is from another table, or not ours. */
static void
found(struct worker *w, struct fill *f, const struct fetched *item)
{
    int64_t ttl;
    if (fetched_number(item, FORM_WORD_TTL, &ttl) && ttl >= 0 && (uint64_t)ttl <= ttl_s(w, f)) {
        end_fresh(w, f, worker_now_us(w) + (uint64_t)ttl * 1000000);
        return;
    }
    aside(w, f, f->target, "");
    end(w, f, 0);
}

static void
claim_answered(struct worker *w, struct fill *f, const struct fetched *item)
{
    if (item->kind != REPLY_HD) {
        end(w, f, AGAIN_LATER_US);
    } else if (item->taken) {
        end(w, f, AGAIN_SOON_US);
    } else if (item->won && !item->stale) {
        claimed(w, f);
    } else {
        found(w, f, item);
    }
}

static bool
put_store(struct backend *b, const struct fill *f, const struct fetched *item, uint64_t ttl)
{
    char rest[128], claim[32] = "";
    if (!f->local) {
        snprintf(claim, sizeof(claim), "C%" PRIu64 " ", f->token);
    }
    snprintf(rest, sizeof(rest), "%zu %sE%" PRIu64 " F%" PRIu64 " T%" PRIu64, item->value.len,
             claim, item->cas, item->flags, ttl);
    return put(b, "ms", f, rest) && buf_append_span(&b->out, item->value) &&
           buf_append(&b->out, "\r\n", 2);
}

/* `ttl` of the owner's item; -1: none. */
static void
store(struct worker *w, struct fill *f, const struct fetched *item, int64_t ttl)
{
    uint64_t longest = ttl_s(w, f);
    uint64_t lives = ttl < 0 || (uint64_t)ttl > longest ? longest : (uint64_t)ttl;
    struct backend *b = f->target;
    size_t mark = backend_mark(b);
    if (!fanout_is_open(b) || !put_store(b, f, item, lives)) {
        backend_undo(b, mark);
        end(w, f, AGAIN_LATER_US);
        return;
    }
    f->step = FILL_STORES;
    f->fresh_us = lives * 1000000;
    f->cas = f->local ? item->cas : 0; /* who deletes copies may fill them, too */
    if (f->local && f->fresh_us > w->roster->pools[f->pool].local_ttl_us) {
        f->fresh_us = w->roster->pools[f->pool].local_ttl_us;
    }
    queue(w, f, b, CMD_MS, mark);
}

/* Whoever reads a stale item first is told to refill it. That was us, and it
 * shall be a client. */
static void
give_win_back(struct worker *w, const struct fill *f, uint64_t cas)
{
    char rest[64];
    snprintf(rest, sizeof(rest), "I C%" PRIu64 " E%" PRIu64, cas, cas);
    aside(w, f, f->owner, rest);
}

static void
read_answered(struct worker *w, struct fill *f, struct fetched *item)
{
    int64_t ttl;
    bool hit = item->kind == REPLY_VA && fetched_number(item, FORM_WORD_TTL, &ttl);
    if (!hit) {
        drop_token(w, f, AGAIN_SOON_US);
        return;
    }
    fetched_as_text(item);
    if (item->won) {
        give_win_back(w, f, item->cas);
    }
    if (item->won || item->stale || item->taken || ttl == 0 || item->value.len > FILL_VALUE_MAX) {
        drop_token(w, f, AGAIN_LATER_US);
        return;
    }
    store(w, f, item, ttl);
}

static void
store_answered(struct worker *w, struct fill *f, const struct fetched *item)
{
    if (item->kind == REPLY_HD) {
        worker_count(w, METRIC_ID_REPLICA_FILLS, 1);
        end_fresh(w, f, f->read_us + f->fresh_us);
    } else {
        worker_count(w, METRIC_ID_REPLICA_REFUSED, 1);
        end(w, f, AGAIN_SOON_US);
    }
}

/* By another table than it was begun by, the nodes may be others. The empty item
 * goes by itself. */
static bool
is_of_now(const struct worker *w, const struct leg *leg)
{
    return leg->roster == w->roster && !w->ending;
}

void
fill_piece(struct leg *leg, const struct reply_piece *piece)
{
    struct worker *w = leg->roster->worker;
    struct fill *f = leg->fill;
    struct fetched item;
    if (f == NULL) {
        return;
    }
    leg->fill = NULL;
    if (!is_of_now(w, leg)) {
        objpool_give_back(&w->fanout.fills, f);
        return;
    }
    fetched_read(piece, &item);
    switch (f->step) {
    case FILL_CLAIMS: claim_answered(w, f, &item); break;
    case FILL_READS: read_answered(w, f, &item); break;
    case FILL_STORES: store_answered(w, f, &item); break;
    }
}

void
fill_failed(struct leg *leg)
{
    struct worker *w = leg->roster->worker;
    struct fill *f = leg->fill;
    if (f == NULL) {
        return;
    }
    leg->fill = NULL;
    if (is_of_now(w, leg)) {
        end(w, f, AGAIN_LATER_US);
    } else {
        objpool_give_back(&w->fanout.fills, f);
    }
}
