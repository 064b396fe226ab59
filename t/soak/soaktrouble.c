/* Clients that behave badly, one after the other. */
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "t/soak/soakclient.h"
#include "t/soak/soakwriter.h"

#include <poll.h>

#define HOLD_MS 1500 /* a bad client stays for up to so long */

struct trouble {
    struct soak_board *board;
    const struct addr *addr;
    struct soak_conn conn;
    unsigned number;
    uint64_t rng;
    uint32_t halves; /* values that were sent half, ever */
};

static uint64_t
pick(struct trouble *t, uint64_t n)
{
    return random_next(&t->rng) % n;
}

static bool
connected(struct trouble *t)
{
    if (!soak_conn_open(&t->conn, t->addr)) {
        return false;
    }
    soak_board_connected(t->board, 1);
    return true;
}

static void
leave(struct trouble *t, bool reset)
{
    soak_conn_close(&t->conn, reset);
    soak_board_connected(t->board, -1);
    soak_board_count(t->board, COUNT_TROUBLES, 1);
}

/* Sends what the server takes, for so long at most, and reads nothing. */
static void
push(struct trouble *t, uint64_t ms)
{
    uint64_t end_ms = clock_mono_ms() + ms;
    while (buf_len(&t->conn.out) > 0 && clock_mono_ms() < end_ms) {
        struct pollfd p = {.fd = t->conn.fd, .events = POLLOUT};
        poll(&p, 1, 50);
        if ((p.revents & (POLLERR | POLLHUP)) != 0) {
            return;
        }
        if ((p.revents & POLLOUT) != 0) {
            struct span s = buf_span(&t->conn.out);
            ssize_t n = send(t->conn.fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
            buf_consume(&t->conn.out, n > 0 ? (size_t)n : 0);
        }
    }
}

static void
stay(struct trouble *t)
{
    uint64_t end_ms = clock_mono_ms() + pick(t, HOLD_MS);
    for (uint64_t now = clock_mono_ms(); now < end_ms && !soak_board_ending(t->board);
         now = clock_mono_ms()) {
        poll(NULL, 0, end_ms - now < 50 ? (int)(end_ms - now) : 50);
    }
}

/* Asks for much and reads none of it. */
static void
never_read(struct trouble *t)
{
    const struct soak_plan *plan = soak_board_plan(t->board);
    for (unsigned i = 0; i < 2000; i++) {
        struct soak_call call = {.dialect = SAY_GET, .first = true, .last = true};
        call.deed.id = (uint32_t)pick(t, plan->writers * plan->keys + plan->filler_keys);
        soak_call_put(&call, &t->conn.out);
    }
    push(t, 500);
    stay(t);
    leave(t, pick(t, 2) == 0);
}

/* A line that does not end. */
static void
half_command(struct trouble *t)
{
    static const char *const halves[] = {"g",
                                         "get ",
                                         "get k00000001",
                                         "set half 0 0",
                                         "ms half",
                                         "mg half v\r",
                                         "set half 0 0 10\r\n01234567",
                                         "\r"};
    const char *half = halves[pick(t, sizeof(halves) / sizeof(halves[0]))];
    buf_append_span(&t->conn.out, span_cstr(half));
    push(t, 200);
    stay(t);
    leave(t, pick(t, 2) == 0);
}

/* Promises a value and goes away in the middle of it. Its key is never stored
 * otherwise. */
static void
half_value(struct trouble *t)
{
    unsigned bytes = 10 + (unsigned)pick(t, soak_board_plan(t->board)->value_max - 10);
    buf_printf(&t->conn.out, "set half.%u.%u 0 0 %u\r\n", t->number, t->halves++, bytes);
    unsigned come = (unsigned)pick(t, bytes);
    char *room = buf_room(&t->conn.out, come + 1);
    memset(room, 'h', come);
    buf_grew(&t->conn.out, come);
    push(t, 1000);
    if (pick(t, 2) == 0) {
        stay(t);
    }
    leave(t, pick(t, 2) == 0);
}

/* None of the halves may ever be read. */
static void
look_for_halves(struct trouble *t)
{
    uint32_t from = t->halves > 50 ? t->halves - 50 : 0;
    for (uint32_t i = from; i < t->halves; i++) {
        buf_printf(&t->conn.out, "mg half.%u.%u k v q\r\n", t->number, i);
    }
    buf_append_span(&t->conn.out, SPAN_LIT("mn\r\n"));
    struct span line = {0};
    size_t end;
    uint64_t end_ms = clock_mono_ms() + 30000;
    while (!soak_conn_line(&t->conn, 0, &line, &end) && clock_mono_ms() < end_ms &&
           !t->conn.ended && soak_conn_pump(&t->conn, 200)) {
    }
    if (!span_eq_cstr(line, "MN")) {
        soak_board_wrong(t->board, "a value that was never sent whole is answered: \"%.*s\"",
                         SPAN_FMT(line));
    }
    leave(t, false);
}

void *
soak_troublemaker(void *arg)
{
    const struct soak_actor *actor = arg;
    struct trouble t = {.board = actor->board,
                        .addr = actor->addr,
                        .conn = SOAK_CONN_CLOSED,
                        .number = actor->number,
                        .rng = (soak_board_plan(actor->board)->seed + 3000 + actor->number) *
                                   0x9e3779b97f4a7c15u |
                               1};
    while (!soak_board_ending(t.board)) {
        if (!connected(&t)) {
            soak_board_wrong(t.board, "a troublemaker cannot connect");
            break;
        }
        switch (pick(&t, 4)) {
        case 0: never_read(&t); break;
        case 1: half_command(&t); break;
        case 2: half_value(&t); break;
        case 3: look_for_halves(&t); break;
        }
    }
    return NULL;
}
