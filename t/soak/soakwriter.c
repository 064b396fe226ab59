#include "t/soak/soakwriter.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/mem.h"
#include "t/soak/soakchoice.h"
#include "t/soak/soakclient.h"

#include <inttypes.h>
#include <stdlib.h>

#define BATCH_BYTES (1u << 20) /* about so much is sent at once */
#define GETS_MAX    100

struct writer {
    struct soak_board *board;
    struct soak_client client;
    uint32_t first_id;
    unsigned key_count;
    struct soak_key_state *keys;
    uint64_t rng;
};

/* --- answers ------------------------------------------------------------------------ */

static void
report(struct writer *w, const struct soak_call *call, const struct soak_answer *a,
       const struct soak_state *before, const struct soak_weather *weather)
{
    char possible[2048];
    struct span value = a->value;
    const struct soak_deed *d = &call->deed;
    soak_state_print(before, possible, sizeof(possible));
    value.len = value.len < 64 ? value.len : 64;
    soak_board_wrong(
        w->board,
        "key %08x: %s seq %" PRIu32 " bytes %" PRIu32 " ttl %" PRId64 " dialect %d%s%s%s%s"
        " cas %" PRIu64 " delta %" PRIu64 " sent %" PRIu64 " answered kind %d at %" PRIu64
        " cas %" PRIu64 " flags %" PRIu64 " number %" PRIu64 " ttl %" PRId64
        " stale %d value %zu \"%.*s\"; %s; flushed %" PRIu64 "..%" PRIu64,
        d->id, soak_effect_name(d->effect), d->piece.seq, d->piece.bytes, d->ttl_s, call->dialect,
        d->compare ? " compare" : "", d->touch ? " touch" : "", d->vivify ? " vivify" : "",
        call->quiet ? " quiet" : "", d->compare_cas, d->delta, d->sent_us, a->kind, a->at_us,
        a->cas, a->flags, a->number, a->ttl_s, a->stale, a->value.len, SPAN_FMT(value), possible,
        weather->flushed_lo_us, weather->flushed_hi_us);
}

static bool
brings_value(const struct soak_deed *d, const struct soak_answer *a)
{
    return (d->effect >= EFFECT_SET && d->effect <= EFFECT_DECR) &&
           (a->kind == ANSWER_DONE || a->kind == ANSWER_NUMBER);
}

/* What readers may see from now on. */
static void
publish(struct writer *w, struct soak_key_state *key, const struct soak_call *call,
        const struct soak_answer *a)
{
    const struct soak_deed *d = &call->deed;
    const struct soak_state *s = &key->state;
    if (s->lost) {
        return;
    }
    if (s->count == 0 && a->kind != ANSWER_UNKNOWN) {
        key->bound = (struct soak_bound){.floor = d->piece.seq + 1, .stored_hi_us = SOAK_NEVER};
    } else if (brings_value(d, a)) {
        key->bound = (struct soak_bound){.floor = d->piece.seq, .stored_hi_us = a->at_us};
    }
    bool known = s->count == 1 && key->touches == 0;
    key->bound.expiry_hi_us = known ? s->may[0].expiry_hi_us : SOAK_NEVER;
    soak_board_publish(w->board, d->id, &key->bound);
}

static void
compare_cas(struct writer *w, const struct soak_key_state *key, const struct soak_call *call,
            const struct soak_answer *a)
{
    const struct soak_state *s = &key->state;
    uint32_t id = call->deed.id;
    if (!a->has_cas || s->count != 1 || soak_class(id) != SOAK_BLOB) {
        return;
    }
    uint32_t seq = soak_content_seq(&s->may[0].content);
    if (seq != 0 && !soak_board_cas_seen(w->board, id, seq, a->cas)) {
        soak_board_wrong(w->board,
                         "key %08x: CAS value %" PRIu64 " of write %" PRIu32
                         " contradicts what was seen of another write",
                         id, a->cas, seq);
    }
}

static void
count_answer(struct soak_board *b, const struct soak_deed *d, const struct soak_answer *a)
{
    if (a->kind == ANSWER_REFUSED) {
        soak_board_count(b, COUNT_REFUSED, 1);
    } else if (d->effect == EFFECT_READ) {
        soak_board_count(b, a->kind == ANSWER_HIT ? COUNT_HITS : COUNT_MISSES, 1);
    } else if (a->kind == ANSWER_DONE && d->effect <= EFFECT_PREPEND) {
        soak_board_count(b, COUNT_STORED, 1);
    }
}

static void
on_answer(void *arg, const struct soak_call *call, const struct soak_answer *a)
{
    struct writer *w = arg;
    const struct soak_deed *d = &call->deed;
    if (call->dialect == SAY_MN || call->dialect == SAY_ME) {
        return;
    }
    struct soak_key_state *key = &w->keys[d->id - w->first_id];
    struct soak_state before = key->state;
    struct soak_weather weather = soak_board_weather(w->board, d->sent_us);
    key->touches -= d->touch;
    switch (soak_judge(&key->state, d, a, &weather)) {
    case SOAK_WRONG: report(w, call, a, &before, &weather); break;
    case SOAK_VANISHED:
        soak_board_count(w->board, COUNT_VANISHED, 1);
        if (soak_board_plan(w->board)->roomy) {
            report(w, call, a, &before, &weather);
        }
        break;
    case SOAK_RIGHT: break;
    }
    count_answer(w->board, d, a);
    compare_cas(w, key, call, a);
    publish(w, key, call, a);
}

/* --- commands ------------------------------------------------------------------------ */

/* A touch may be carried out from now on: nobody knows when the item expires. */
static void
announce_touch(struct writer *w, struct soak_key_state *key, const struct soak_call *call)
{
    if (call->deed.touch) {
        key->touches++;
        key->bound.expiry_hi_us = SOAK_NEVER;
        soak_board_publish(w->board, call->deed.id, &key->bound);
    }
}

static void
call_barrier(struct writer *w)
{
    struct soak_call call = {.dialect = SAY_MN};
    soak_client_call(&w->client, &call);
}

static void
call_one(struct writer *w)
{
    uint32_t id = w->first_id + (uint32_t)(random_next(&w->rng) % w->key_count);
    struct soak_key_state *key = &w->keys[id - w->first_id];
    struct soak_call call;
    soak_choose(w->board, key, id, &w->rng, &call);
    announce_touch(w, key, &call);
    soak_client_call(&w->client, &call);
    /* An error line has no opaque: whose it is must be plain. */
    if (call.quiet && call.deed.effect != EFFECT_READ) {
        call_barrier(w);
    }
}

/* One line with many keys. */
static void
call_gets(struct writer *w)
{
    unsigned count = 2 + (unsigned)(random_next(&w->rng) % (GETS_MAX - 1));
    uint32_t at = (uint32_t)random_next(&w->rng);
    bool cas = random_next(&w->rng) % 2 == 0;
    count = count < w->key_count ? count : w->key_count;
    for (unsigned i = 0; i < count; i++) {
        struct soak_call call = {
            .dialect = SAY_GET, .ask_cas = cas, .first = i == 0, .last = i + 1 == count};
        call.deed.id = w->first_id + (at + i) % w->key_count;
        call.deed.piece.seq = soak_board_next_seq(w->board, call.deed.id);
        soak_client_call(&w->client, &call);
    }
}

static void
call_debug(struct writer *w)
{
    struct soak_call call = {.dialect = SAY_ME, .base64 = random_next(&w->rng) % 2 == 0};
    call.deed.id = w->first_id + (uint32_t)(random_next(&w->rng) % w->key_count);
    soak_client_call(&w->client, &call);
}

static void
call_batch(struct writer *w)
{
    unsigned count = 1 + (unsigned)(random_next(&w->rng) % soak_board_plan(w->board)->depth);
    for (unsigned i = 0; i < count && buf_len(&w->client.conn.out) < BATCH_BYTES; i++) {
        unsigned dice = (unsigned)(random_next(&w->rng) % 64);
        if (dice == 0) {
            call_gets(w);
        } else if (dice == 1) {
            call_debug(w);
        } else {
            call_one(w);
        }
    }
    call_barrier(w);
}

void *
soak_writer(void *arg)
{
    const struct soak_actor *actor = arg;
    const struct soak_plan *plan = soak_board_plan(actor->board);
    struct writer w = {.board = actor->board,
                       .first_id = actor->number * plan->keys,
                       .key_count = plan->keys,
                       .keys = mem_zalloc(plan->keys * sizeof(struct soak_key_state)),
                       .rng = (plan->seed + actor->number) * 0x9e3779b97f4a7c15u | 1};
    soak_client_init(&w.client, w.board, actor->addr, on_answer, &w);
    while (!soak_board_ending(w.board)) {
        if (!soak_client_connect(&w.client)) {
            soak_board_wrong(w.board, "a writer cannot connect");
            break;
        }
        call_batch(&w);
        if (random_next(&w.rng) % 1000 == 0) {
            soak_client_leave(&w.client, SPAN_LIT("set k00000000 0 0 100\r\nnot a whole value"));
        } else {
            soak_client_settle(&w.client, (unsigned)(random_next(&w.rng) % 16));
        }
    }
    if (w.client.conn.fd >= 0) {
        soak_client_settle(&w.client, 0);
    }
    soak_client_deinit(&w.client);
    free(w.keys);
    return NULL;
}
