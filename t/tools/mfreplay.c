/* mfreplay.c - replays a trace of keys against a memcached or a proxy.
 *
 *   trace -> [by key] -> connection 1 .. N -> get, and set on a miss -> totals
 *
 * A trace is a row of 32-bit numbers, one a request. A key always goes over the
 * same connection, so its requests stay in order and the hit ratio does not
 * depend on how fast anything is. With --repeat it is a load for other tests:
 * it goes on until SIGTERM, and its last line says whether any reply was wrong. */
#include "common/core/buf.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/option.h"
#include "common/core/version.h"
#include "common/net/loop.h"
#include "t/tools/replayconn.h"
#include "t/tools/selfvalue.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
#define MFREPLAY_OPTIONS(X)                                                                        \
    X('f', "trace", STRING, trace, "FILE", NULL, "the trace; without it, standard input")          \
    X('b', "big-endian", BOOL, big_endian, "", NULL,                                               \
      "the trace's numbers have their high byte first")                                            \
    X('c', "connections", NUMBER, connections, "N", "8", "connections, 1 to 1000")                 \
    X('d', "depth", NUMBER, depth, "N", "32", "gets on their way per connection, 1 to 10000")      \
    X('n', "limit", NUMBER, limit, "N", NULL, "end after so many requests of the trace")           \
    X('k', "skip", NUMBER, skip, "N", NULL, "begin so many requests later")                        \
    X('r', "repeat", BOOL, repeat, "", NULL, "begin again at the end, until SIGTERM or SIGINT")    \
    X('w', "set-every", NUMBER, set_every, "N", NULL,                                              \
      "each N'th request of a connection is a set, whatever is cached")                            \
    X(0, "value-min", SIZE, value_min, "BYTES", "64", "size of the smallest value, from 10")       \
    X(0, "value-max", SIZE, value_max, "BYTES", "2k", "size of the largest value, to 512k")        \
    X(0, "patience", DURATION, patience_ms, "TIME", "30s",                                         \
      "give up when nothing was answered for so long")
/* clang-format on */

struct options {
    MFREPLAY_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct options
static const struct option_row rows[] = {MFREPLAY_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .program = "mfreplay",
    .usage = "[OPTION]... HOST:PORT <TRACE",
    .summary = "Replays a trace of 32-bit keys: get, and set on a miss. Every value can be told\n"
               "from every other, and a wrong one is counted.",
    .epilog =
        "The last line says: requests, hits, hit_ratio, sets, errors, wrong, seconds. The exit\n"
        "status is 0 if no error line and no wrong value came and no connection was lost.",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

#define TICK_MS 500

struct replay {
    struct options options;
    struct loop *loop;
    uint32_t *ids;
    size_t id_count;
    size_t next;
    struct replay_plan plan;
    struct replay_events events;
    struct replay_totals totals;
    struct replayconn **conns;
    bool ending; /* a signal came: what is on its way is the last */
    bool failed;
    struct loop_timer tick;
    uint64_t answered; /* at the last tick */
    uint64_t moved_ms; /* when that number last grew */
};

/* --- the trace ------------------------------------------------------------ */

static bool
read_all(int fd, struct buf *out)
{
    for (;;) {
        char *room = buf_room(out, 1 << 16);
        ssize_t n = room != NULL ? read(fd, room, 1 << 16) : -1;
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        buf_grew(out, n > 0 ? (size_t)n : 0);
    }
}

static uint32_t
read_id(const unsigned char *p, bool big_endian)
{
    uint32_t id;
    memcpy(&id, p, sizeof(id));
    return big_endian ? be32toh(id) : le32toh(id);
}

/* Keeps requests skip .. skip + limit. */
static bool
load_trace(struct replay *r)
{
    const struct options *o = &r->options;
    struct buf bytes = BUF_EMPTY;
    int fd = o->trace != NULL ? open(o->trace, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    bool whole = fd >= 0 && read_all(fd, &bytes);
    if (!whole) {
        fprintf(stderr, "mfreplay: cannot read the trace: %s\n", strerror(errno));
    }
    size_t all = buf_len(&bytes) / sizeof(uint32_t);
    size_t from = o->skip < all ? o->skip : all;
    size_t to = o->limit > 0 && o->limit < all - from ? from + o->limit : all;
    r->id_count = to - from;
    r->ids = mem_alloc(r->id_count * sizeof(uint32_t) + 1);
    const unsigned char *p = (const unsigned char *)buf_span(&bytes).ptr;
    for (size_t i = from; i < to; i++) {
        r->ids[i - from] = read_id(p + i * sizeof(uint32_t), o->big_endian);
    }
    buf_deinit(&bytes);
    if (fd > STDIN_FILENO) {
        close(fd);
    }
    if (whole && r->id_count == 0) {
        fprintf(stderr, "mfreplay: the trace has no request\n");
    }
    return whole && r->id_count > 0;
}

/* --- the run --------------------------------------------------------------- */

static bool
all_idle(const struct replay *r)
{
    for (uint64_t i = 0; i < r->options.connections; i++) {
        if (!replayconn_idle(r->conns[i])) {
            return false;
        }
    }
    return true;
}

static void
feed(void *arg)
{
    struct replay *r = arg;
    while (!r->ending && r->next < r->id_count) {
        uint32_t id = r->ids[r->next];
        uint64_t at = (id * 0x9e3779b97f4a7c15u >> 32) % r->options.connections;
        if (!replayconn_offer(r->conns[at], id)) {
            return;
        }
        if (++r->next == r->id_count && r->options.repeat) {
            r->next = 0;
        }
    }
    if (all_idle(r)) {
        loop_stop(r->loop);
    }
}

static void
on_broken(void *arg, const char *reason)
{
    struct replay *r = arg;
    log_error("connection_lost", "reason=%s", LOG_STR(reason));
    r->failed = true;
    loop_stop(r->loop);
}

static void
on_signal(void *arg)
{
    struct replay *r = arg;
    r->ending = true;
    feed(r);
}

static void
on_tick(void *arg)
{
    struct replay *r = arg;
    uint64_t answered = r->totals.requests + r->totals.sets;
    uint64_t now = clock_mono_ms();
    if (answered != r->answered) {
        log_info("progress", "requests=%" PRIu64 " errors=%" PRIu64 " wrong=%" PRIu64,
                 r->totals.requests, r->totals.errors, r->totals.wrong);
        r->answered = answered;
        r->moved_ms = now;
    } else if (now - r->moved_ms > r->options.patience_ms) {
        on_broken(r, "nothing was answered any more");
        return;
    }
    loop_timer_start(&r->tick, TICK_MS);
}

static void
run(struct replay *r, const struct addr *addr)
{
    struct loop_signal term, interrupt;
    r->loop = loop_create();
    r->plan = (struct replay_plan){.depth = (unsigned)r->options.depth,
                                   .set_every = (unsigned)r->options.set_every,
                                   .value_min = r->options.value_min,
                                   .value_max = r->options.value_max};
    r->events = (struct replay_events){.progress = feed, .broken = on_broken, .arg = r};
    r->conns = mem_zalloc(r->options.connections * sizeof(struct replayconn *));
    for (uint64_t i = 0; i < r->options.connections; i++) {
        r->conns[i] = replayconn_create(r->loop, addr, &r->plan, &r->events, &r->totals);
    }
    loop_signal_init(&term, r->loop, SIGTERM, on_signal, r);
    loop_signal_init(&interrupt, r->loop, SIGINT, on_signal, r);
    loop_timer_init(&r->tick, r->loop, on_tick, r);
    loop_timer_start(&r->tick, TICK_MS);
    r->moved_ms = clock_mono_ms();
    feed(r);
    loop_run(r->loop);

    loop_timer_deinit(&r->tick);
    loop_signal_deinit(&interrupt);
    loop_signal_deinit(&term);
    for (uint64_t i = 0; i < r->options.connections; i++) {
        replayconn_destroy(&r->conns[i]);
    }
    free(r->conns);
    loop_destroy(&r->loop);
}

static bool
options_sane(const struct options *o)
{
    if (o->connections < 1 || o->connections > 1000 || o->depth < 1 || o->depth > 10000) {
        fprintf(stderr, "mfreplay: 1 to 1000 connections of 1 to 10000 gets\n");
        return false;
    }
    if (o->value_min < SELFVALUE_BYTES_MIN || o->value_max > SELFVALUE_BYTES_MAX ||
        o->value_min > o->value_max) {
        fprintf(stderr, "mfreplay: values have %d to %u bytes\n", SELFVALUE_BYTES_MIN,
                SELFVALUE_BYTES_MAX);
        return false;
    }
    return true;
}

static bool
find_server(const char *text, struct addr *out)
{
    struct addr_name name;
    const char *error = "not HOST:PORT";
    if (!addr_parse(span_cstr(text), 11211, &name) || !addr_resolve(&name, false, out, &error)) {
        fprintf(stderr, "mfreplay: %s: %s\n", text, error);
        return false;
    }
    return true;
}

static int
replay_to(struct replay *r, const char *server)
{
    struct addr addr;
    if (!options_sane(&r->options) || !find_server(server, &addr)) {
        return OPTIONS_EXIT_BAD;
    }
    if (!load_trace(r)) {
        return EXIT_FAILURE;
    }
    uint64_t began = clock_mono_us();
    run(r, &addr);
    const struct replay_totals *t = &r->totals;
    printf("requests=%" PRIu64 " hits=%" PRIu64 " hit_ratio=%.4f sets=%" PRIu64 " errors=%" PRIu64
           " wrong=%" PRIu64 " seconds=%.2f\n",
           t->requests, t->hits, t->requests > 0 ? (double)t->hits / (double)t->requests : 0.0,
           t->sets, t->errors, t->wrong, (double)(clock_mono_us() - began) / 1e6);
    return r->failed || t->errors > 0 || t->wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    struct replay r = {0};
    int rest;
    enum options_outcome outcome = options_parse(&table, argc, argv, &r.options, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome == OPTIONS_EXIT ? EXIT_SUCCESS : OPTIONS_EXIT_BAD;
    }
    int status = OPTIONS_EXIT_BAD;
    if (rest == argc - 1) {
        status = replay_to(&r, argv[rest]);
    } else {
        fprintf(stderr, "mfreplay: name one server, HOST:PORT (see --help)\n");
    }
    free(r.ids);
    options_deinit(&table, &r.options);
    return status;
}
