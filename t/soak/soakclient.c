#include "t/soak/soakclient.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define SILENCE_MS 30000 /* a server that says nothing for so long hangs */
#define POLL_MS    200

void
soak_client_init(struct soak_client *c, struct soak_board *board, const struct addr *addr,
                 soak_answered answered, void *arg)
{
    *c = (struct soak_client){.board = board,
                              .addr = addr,
                              .answered = answered,
                              .arg = arg,
                              .conn = SOAK_CONN_CLOSED,
                              .room = 64};
    c->calls = mem_alloc(c->room * sizeof(c->calls[0]));
}

static void
hang_up(struct soak_client *c)
{
    if (c->conn.fd >= 0) {
        soak_board_connected(c->board, -1);
        soak_conn_close(&c->conn, false);
    }
}

void
soak_client_deinit(struct soak_client *c)
{
    hang_up(c);
    free(c->calls);
}

bool
soak_client_connect(struct soak_client *c)
{
    if (c->conn.fd >= 0) {
        return true;
    }
    if (!soak_conn_open(&c->conn, c->addr)) {
        return false;
    }
    soak_board_connected(c->board, 1);
    return true;
}

static void
grow(struct soak_client *c)
{
    struct soak_call *calls = mem_alloc(2 * c->room * sizeof(calls[0]));
    for (unsigned i = 0; i < c->count; i++) {
        calls[i] = c->calls[(c->head + i) % c->room];
    }
    free(c->calls);
    c->calls = calls;
    c->head = 0;
    c->room *= 2;
}

void
soak_client_call(struct soak_client *c, const struct soak_call *call)
{
    if (c->count == c->room) {
        grow(c);
    }
    struct soak_call *slot = &c->calls[(c->head + c->count++) % c->room];
    *slot = *call;
    slot->deed.sent_us = clock_mono_us();
    soak_call_put(slot, &c->conn.out);
    soak_board_count(c->board, COUNT_COMMANDS, 1);
}

static struct soak_call
pop(struct soak_client *c)
{
    ASSERT(c->count > 0);
    struct soak_call call = c->calls[c->head];
    c->head = (c->head + 1) % c->room;
    c->count--;
    return call;
}

/* What was on its way may have been carried out or not. */
static void
cut_all(struct soak_client *c)
{
    hang_up(c);
    soak_board_count(c->board, COUNT_RECONNECTS, 1);
    while (c->count > 0) {
        struct soak_call call = pop(c);
        struct soak_answer unknown = {
            .kind = ANSWER_UNKNOWN, .cut = true, .at_us = clock_mono_us()};
        c->answered(c->arg, &call, &unknown);
    }
}

static void
broken_stream(struct soak_client *c, const struct soak_call *call)
{
    struct span in = buf_span(&c->conn.in);
    in.len = in.len < 200 ? in.len : 200;
    soak_board_wrong(c->board, "not an answer to \"%s\" (dialect %d) of key %08x: \"%.*s\"",
                     soak_effect_name(call->deed.effect), call->dialect, call->deed.id,
                     SPAN_FMT(in));
    cut_all(c);
}

/* Takes the answers that are there; false when the stream broke. */
static bool
take_answers(struct soak_client *c)
{
    while (c->count > 0) {
        const struct soak_call *first = &c->calls[c->head];
        struct soak_answer answer;
        size_t bytes;
        /* A command without a reply was carried out when a later one is
         * answered, and who knows before? */
        if (first->silent && buf_len(&c->conn.in) == 0) {
            return true;
        }
        enum soak_reply reply = soak_reply_take(&c->conn, first, &answer, &bytes);
        if (reply == REPLY_NEED_MORE) {
            return true;
        }
        if (reply == REPLY_BROKEN) {
            broken_stream(c, first);
            return false;
        }
        struct soak_call call = pop(c);
        answer.at_us = clock_mono_us();
        c->answered(c->arg, &call, &answer);
        buf_consume(&c->conn.in, bytes);
    }
    return true;
}

void
soak_client_settle(struct soak_client *c, unsigned left)
{
    uint64_t heard_ms = clock_mono_ms();
    while (take_answers(c) && (c->count > left || buf_len(&c->conn.out) > 0)) {
        size_t had = buf_len(&c->conn.in), owed = buf_len(&c->conn.out);
        if (!soak_conn_pump(&c->conn, POLL_MS) || c->conn.ended) {
            soak_board_wrong(c->board, "the server closed a connection with %u calls on it",
                             c->count);
            cut_all(c);
            return;
        }
        if (buf_len(&c->conn.in) != had || buf_len(&c->conn.out) != owed) {
            heard_ms = clock_mono_ms();
        } else if (clock_mono_ms() - heard_ms > SILENCE_MS) {
            soak_board_wrong(c->board, "no answer for %u s, %u calls waiting", SILENCE_MS / 1000,
                             c->count);
            cut_all(c);
            return;
        }
    }
}

void
soak_client_leave(struct soak_client *c, struct span tail)
{
    uint64_t end_ms = clock_mono_ms() + SILENCE_MS;
    if (c->conn.fd < 0) {
        return;
    }
    buf_append_span(&c->conn.out, tail);
    while (buf_len(&c->conn.out) > 0 && soak_conn_pump(&c->conn, POLL_MS) && !c->conn.ended) {
        ASSERT(clock_mono_ms() < end_ms + SILENCE_MS);
    }
    soak_conn_half_close(&c->conn);
    while (take_answers(c) && c->conn.fd >= 0 && !c->conn.ended) {
        if (!soak_conn_pump(&c->conn, POLL_MS)) {
            break;
        }
        if (clock_mono_ms() > end_ms) {
            soak_board_wrong(c->board, "the server keeps a connection that has ended");
            break;
        }
    }
    if (c->conn.fd >= 0) {
        cut_all(c);
    }
}
