/* Those who read what others wrote: they know no more than bounds. */
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "t/soak/soakchoice.h"
#include "t/soak/soakclient.h"
#include "t/soak/soakwriter.h"

#include <inttypes.h>

#define GETS_MAX 100

struct reader {
    struct soak_board *board;
    struct soak_client client;
    uint64_t rng;
};

static void
wrong(struct reader *r, const struct soak_call *call, const struct soak_answer *a, const char *what)
{
    struct span value = a->value;
    value.len = value.len < 64 ? value.len : 64;
    soak_board_wrong(r->board,
                     "key %08x, read by another at %" PRIu64 "..%" PRIu64
                     ": %s; no older than write %" PRIu32 " (stored by %" PRIu64
                     ", expires by %" PRId64 "), cas %" PRIu64 " flags %" PRIu64
                     " value %zu \"%.*s\"",
                     call->deed.id, call->deed.sent_us, a->at_us, what, call->bound.floor,
                     call->bound.stored_hi_us, (int64_t)call->bound.expiry_hi_us, a->cas, a->flags,
                     a->value.len, SPAN_FMT(value));
}

/* --- values of writers ----------------------------------------------------------------- */

static void
judge_age(struct reader *r, const struct soak_call *call, const struct soak_answer *a, uint32_t seq)
{
    const struct soak_bound *bound = &call->bound;
    struct soak_weather weather = soak_board_weather(r->board, call->deed.sent_us);
    if (seq < bound->floor) {
        wrong(r, call, a, "older than the last acknowledged write");
    } else if (seq == bound->floor && bound->stored_hi_us < weather.flushed_lo_us) {
        wrong(r, call, a, "flushed before");
    } else if (seq == bound->floor && bound->expiry_hi_us != SOAK_NEVER &&
               weather.slack_us != SOAK_NEVER &&
               bound->expiry_hi_us + weather.slack_us < call->deed.sent_us) {
        wrong(r, call, a, "expired before");
    }
}

static void
on_answer(void *arg, const struct soak_call *call, const struct soak_answer *a)
{
    struct reader *r = arg;
    uint32_t id = call->deed.id;
    soak_board_count(r->board, a->kind == ANSWER_HIT ? COUNT_HITS : COUNT_MISSES, 1);
    if (a->kind != ANSWER_HIT) {
        return;
    }
    struct soak_content content = {.flags = a->flags};
    uint32_t sent = soak_board_sent_seq(r->board, id);
    if (!soak_content_read(id, a->value, call->bound.floor, sent, &content)) {
        wrong(r, call, a, "not a whole value of its key");
        return;
    }
    uint32_t seq = soak_class(id) == SOAK_BLOB ? soak_content_seq(&content) : 0;
    if (seq == 0) {
        return;
    }
    if (seq > sent) {
        wrong(r, call, a, "a write that was not sent");
    }
    judge_age(r, call, a, seq);
    if (a->has_cas && !soak_board_cas_seen(r->board, id, seq, a->cas)) {
        wrong(r, call, a, "its CAS value contradicts what was seen of another write");
    }
}

static void
read_gets(struct reader *r, uint32_t id, unsigned count, uint32_t ids)
{
    bool cas = random_next(&r->rng) % 2 == 0;
    for (unsigned i = 0; i < count; i++) {
        struct soak_call call = {
            .dialect = SAY_GET, .ask_cas = cas, .first = i == 0, .last = i + 1 == count};
        call.deed.id = (id + i) % ids;
        call.bound = soak_board_bound(r->board, call.deed.id);
        soak_client_call(&r->client, &call);
    }
}

static void
read_meta(struct reader *r, uint32_t id)
{
    struct soak_call call = {.dialect = SAY_META,
                             .ask_value = true,
                             .ask_flags = true,
                             .ask_cas = soak_board_plan(r->board)->cas,
                             .ask_key = random_next(&r->rng) % 4 == 0,
                             .quiet = random_next(&r->rng) % 2 == 0,
                             .base64 = random_next(&r->rng) % 4 == 0,
                             .opaque = (uint32_t)random_next(&r->rng)};
    call.deed.id = id;
    call.bound = soak_board_bound(r->board, id);
    soak_client_call(&r->client, &call);
}

static void
read_batch(struct reader *r)
{
    const struct soak_plan *plan = soak_board_plan(r->board);
    uint32_t ids = plan->writers * plan->keys;
    unsigned count = 1 + (unsigned)(random_next(&r->rng) % plan->depth);
    for (unsigned i = 0; i < count; i++) {
        uint32_t id = (uint32_t)(random_next(&r->rng) % ids);
        unsigned many = (unsigned)(random_next(&r->rng) % GETS_MAX);
        switch (random_next(&r->rng) % 16) {
        case 0: read_gets(r, id, 1 + (many < ids ? many : ids - 1), ids); break;
        case 1:
        case 2:
        case 3:
        case 4:
        case 5: read_meta(r, id); break;
        default: read_gets(r, id, 1, ids); break;
        }
    }
    struct soak_call barrier = {.dialect = SAY_MN};
    soak_client_call(&r->client, &barrier);
}

/* The barrier's answer is nobody's value. */
static void
on_reader_answer(void *arg, const struct soak_call *call, const struct soak_answer *a)
{
    if (call->dialect != SAY_MN) {
        on_answer(arg, call, a);
    }
}

/* --- values of fillers ------------------------------------------------------------------- */

/* A filler's value is from one of a few writes, so that it need not remember. */
#define FILLER_SEQS 64

static void
on_filler_answer(void *arg, const struct soak_call *call, const struct soak_answer *a)
{
    struct reader *r = arg;
    struct soak_content content = {.flags = a->flags};
    if (call->dialect == SAY_GET && a->kind == ANSWER_HIT &&
        !soak_content_read(call->deed.id, a->value, 1, FILLER_SEQS, &content)) {
        wrong(r, call, a, "not a whole value of its key, which a filler stored");
    }
}

static uint32_t
filler_id(struct reader *r)
{
    const struct soak_plan *plan = soak_board_plan(r->board);
    uint32_t id = plan->writers * plan->keys + (uint32_t)(random_next(&r->rng) % plan->filler_keys);
    return soak_class(id) == SOAK_BLOB ? id : id | 3;
}

static void
fill_batch(struct reader *r)
{
    const struct soak_plan *plan = soak_board_plan(r->board);
    unsigned count = 1 + (unsigned)(random_next(&r->rng) % plan->depth);
    for (unsigned i = 0; i < count && buf_len(&r->client.conn.out) < 1u << 20; i++) {
        struct soak_call call = {.dialect = SAY_GET, .first = true, .last = true};
        call.deed.id = filler_id(r);
        if (random_next(&r->rng) % 3 != 0) {
            call.dialect = SAY_TEXT;
            call.silent = true;
            call.deed.effect = EFFECT_SET;
            call.deed.ttl_s = random_next(&r->rng) % 8 == 0 ? 5 : 0;
            call.deed.piece.seq = 1 + (uint32_t)(random_next(&r->rng) % FILLER_SEQS);
            call.deed.piece.bytes = soak_choose_bytes(r->board, &r->rng);
        }
        soak_client_call(&r->client, &call);
    }
    struct soak_call barrier = {.dialect = SAY_MN};
    soak_client_call(&r->client, &barrier);
}

/* --- the threads ------------------------------------------------------------------------- */

static void
live(struct reader *r, const struct soak_actor *actor, soak_answered answered,
     void (*batch)(struct reader *r))
{
    soak_client_init(&r->client, r->board, actor->addr, answered, r);
    while (!soak_board_ending(r->board)) {
        if (!soak_client_connect(&r->client)) {
            soak_board_wrong(r->board, "a reader cannot connect");
            break;
        }
        batch(r);
        soak_client_settle(&r->client, (unsigned)(random_next(&r->rng) % 16));
    }
    if (r->client.conn.fd >= 0) {
        soak_client_settle(&r->client, 0);
    }
    soak_client_deinit(&r->client);
}

void *
soak_reader(void *arg)
{
    const struct soak_actor *actor = arg;
    uint64_t seed = soak_board_plan(actor->board)->seed + 1000 + actor->number;
    struct reader r = {.board = actor->board, .rng = seed * 0x9e3779b97f4a7c15u | 1};
    live(&r, actor, on_reader_answer, read_batch);
    return NULL;
}

void *
soak_filler(void *arg)
{
    const struct soak_actor *actor = arg;
    uint64_t seed = soak_board_plan(actor->board)->seed + 2000 + actor->number;
    struct reader r = {.board = actor->board, .rng = seed * 0x9e3779b97f4a7c15u | 1};
    live(&r, actor, on_filler_answer, fill_batch);
    return NULL;
}
