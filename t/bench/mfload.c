/* mfload.c - a load for one server, and what it cost the server.
 *
 *   keychoice -> loadwork (bytes) -> loadconn 1 .. N -> latency
 *                                        |
 *                    CPU time of the server's process, before and after
 *
 * Closed loop: a connection sends its next batch when the last is answered. One
 * thread, so that the load itself is one CPU's work. */
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "common/core/option.h"
#include "common/core/version.h"
#include "t/bench/keychoice.h"
#include "t/bench/latency.h"
#include "t/bench/loadconn.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* clang-format off */
#define MFLOAD_OPTIONS(X)                                                                          \
    X('w', "work", STRING, work, "NAME", "get", "get, mget, mg or set")                            \
    X('d', "depth", NUMBER, depth, "N", "1", "requests of a batch, sent at once")                  \
    X('c', "connections", NUMBER, connections, "N", "16", "connections, 1 to 1000")                \
    X('K', "keys", NUMBER, keys, "N", "100000", "how many keys there are")                         \
    X('k', "key-bytes", NUMBER, key_bytes, "N", "16", "length of a key, 12 to 250")                \
    X('v', "value-bytes", NUMBER, value_bytes, "N", "100", "length of a value")                    \
    X('n', "keys-each", NUMBER, keys_each, "N", "100", "keys of an mget")                          \
    X('t', "time", DURATION, time_ms, "TIME", "1s", "measure for so long")                         \
    X('W', "warm-up", DURATION, warm_ms, "TIME", "200ms", "after so long")                         \
    X('N', "operations", NUMBER, operations, "N", NULL, "instead: so many requests and no more")   \
    X('i', "in-turn", BOOL, in_turn, "", NULL, "take the keys in turn, not at random")             \
    X('z', "zipf", STRING, zipf, "EXPONENT", "0", "take them by Zipf's law")                       \
    X('s', "seed", NUMBER, seed, "N", "1", "for the random keys, not 0")                           \
    X('p', "pid", NUMBER, pid, "PID", NULL, "the server: its CPU time is told")                    \
    X('C', "cpu", STRING, cpu, "N", NULL, "run on this CPU only")
/* clang-format on */

struct options {
    MFLOAD_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct options
static const struct option_row rows[] = {MFLOAD_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .program = "mfload",
    .usage = "[OPTION]... HOST:PORT",
    .summary = "Sends requests to a cache server from one thread and tells how long they took and\n"
               "what they cost the server. Keys that are read must be there; see --in-turn.",
    .epilog = "The last line says: operations (keys), requests, seconds, cpu_ns (per operation),\n"
              "p50_us, p99_us, p999_us, max_us (of a batch).",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

#define EVENTS      64
#define SILENCE_MS  30000
#define SPARE_TURNS 64 /* the clock is looked at once in so many */

struct load {
    struct options options;
    struct load_work work;
    struct keychoice *choice;
    struct loadconn *conns;
    int epoll;
    uint64_t requests_left; /* to be sent; UINT64_MAX while the time decides */
    unsigned busy;          /* connections that wait for replies */
    bool wrong;
    uint64_t requests; /* answered since the measuring began */
    struct latency latency;
};

/* --- what the server used --------------------------------------------------------- */

/* CPU time of all threads in nanoseconds; the clock ticks of /proc/PID/stat are
 * too coarse for half a second. */
static uint64_t
cpu_ns_of(uint64_t pid)
{
    char path[300];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%" PRIu64 "/task", pid);
    DIR *tasks = pid != 0 ? opendir(path) : NULL;
    for (struct dirent *d; tasks != NULL && (d = readdir(tasks)) != NULL;) {
        unsigned long long ns;
        snprintf(path, sizeof(path), "/proc/%" PRIu64 "/task/%.20s/schedstat", pid, d->d_name);
        FILE *f = fopen(path, "re");
        if (f != NULL) {
            sum += fscanf(f, "%llu", &ns) == 1 ? ns : 0;
            fclose(f);
        }
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return sum;
}

/* --- connections -------------------------------------------------------------------- */

static void
watch(struct load *l, struct loadconn *c, int how)
{
    struct epoll_event e = {.events = EPOLLIN | (loadconn_wants_out(c) ? EPOLLOUT : 0),
                            .data.ptr = c};
    epoll_ctl(l->epoll, how, c->fd, &e);
}

/* The next batch, unless enough was sent. */
static void
begin(struct load *l, struct loadconn *c)
{
    uint64_t requests = l->options.depth;
    requests = requests < l->requests_left ? requests : l->requests_left;
    if (requests == 0) {
        return;
    }
    if (l->requests_left != UINT64_MAX) {
        l->requests_left -= requests;
    }
    l->busy++;
    l->wrong = !loadconn_begin(c, (unsigned)requests, keychoice_next, l->choice);
}

static void
on_event(struct load *l, struct loadconn *c)
{
    bool sending = loadconn_wants_out(c);
    switch (loadconn_turn(c)) {
    case LOADCONN_WAITING: break;
    case LOADCONN_WRONG: l->wrong = true; return;
    case LOADCONN_ANSWERED:
        l->busy--;
        l->requests += c->requests;
        latency_add(&l->latency, clock_mono_ns() - c->began_ns);
        begin(l, c);
        break;
    }
    if (sending != loadconn_wants_out(c)) {
        watch(l, c, EPOLL_CTL_MOD);
    }
}

/* Until the time is over or all is answered. */
static void
run(struct load *l, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    for (unsigned turn = 1; l->busy > 0 && !l->wrong; turn++) {
        if (turn % SPARE_TURNS == 0 && clock_mono_ns() >= until_ns) {
            return;
        }
        int n = epoll_wait(l->epoll, events, EVENTS, SILENCE_MS);
        for (int i = 0; i < n && !l->wrong; i++) {
            on_event(l, events[i].data.ptr);
        }
        l->wrong = l->wrong || n == 0;
    }
}

static bool
open_all(struct load *l, const struct addr *addr)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->conns = mem_zalloc(l->options.connections * sizeof(l->conns[0]));
    for (uint64_t i = 0; i < l->options.connections; i++) {
        if (!loadconn_open(&l->conns[i], addr, &l->work)) {
            perror("mfload: connect");
            return false;
        }
        watch(l, &l->conns[i], EPOLL_CTL_ADD);
    }
    return true;
}

/* --- the measuring --------------------------------------------------------------------- */

static void
print_sums(const struct load *l, uint64_t took_ns, uint64_t cpu_ns)
{
    const struct latency *t = &l->latency;
    uint64_t operations = l->requests * load_work_keys(&l->work);
    printf("operations=%" PRIu64 " requests=%" PRIu64 " seconds=%.6f cpu_ns=%.2f p50_us=%.1f "
           "p99_us=%.1f p999_us=%.1f max_us=%.1f\n",
           operations, l->requests, (double)took_ns / 1e9,
           operations > 0 ? (double)cpu_ns / (double)operations : 0.0,
           (double)latency_percentile_ns(t, 0.5) / 1e3,
           (double)latency_percentile_ns(t, 0.99) / 1e3,
           (double)latency_percentile_ns(t, 0.999) / 1e3, (double)t->max_ns / 1e3);
}

static bool
measure(struct load *l)
{
    const struct options *o = &l->options;
    bool timed = o->operations == 0;
    l->requests_left = timed ? UINT64_MAX : o->operations;
    if (!timed) {
        l->latency = (struct latency){0};
    }
    for (uint64_t i = 0; i < o->connections && !l->wrong; i++) {
        begin(l, &l->conns[i]);
        watch(l, &l->conns[i], EPOLL_CTL_MOD);
    }
    if (timed) {
        run(l, clock_mono_ns() + o->warm_ms * 1000000);
        l->requests = 0;
        l->latency = (struct latency){0};
    }
    uint64_t began_ns = clock_mono_ns(), cpu_ns = cpu_ns_of(o->pid);
    run(l, timed ? began_ns + o->time_ms * 1000000 : UINT64_MAX);
    cpu_ns = cpu_ns_of(o->pid) - cpu_ns;
    if (l->wrong) {
        fprintf(stderr, "mfload: a miss, an error, the end of a connection, or silence\n");
        return false;
    }
    print_sums(l, clock_mono_ns() - began_ns, cpu_ns);
    return true;
}

static bool
take_options(struct load *l)
{
    const struct options *o = &l->options;
    l->work = (struct load_work){.key_bytes = (unsigned)o->key_bytes,
                                 .value_bytes = (unsigned)o->value_bytes,
                                 .keys_each = (unsigned)o->keys_each};
    char *end;
    double zipf = strtod(o->zipf, &end);
    if (!load_kind_parse(o->work, &l->work.kind) || o->depth < 1 || o->depth > 10000 ||
        o->connections < 1 || o->connections > 1000 || o->keys < 1 || o->keys > UINT32_MAX ||
        o->key_bytes < 12 || o->key_bytes > 250 || o->value_bytes > 1u << 20 || o->keys_each < 1 ||
        o->keys_each > 1000 || *end != '\0' || o->seed == 0) {
        fprintf(stderr, "mfload: see --help\n");
        return false;
    }
    l->choice = keychoice_create((uint32_t)o->keys, o->in_turn, zipf, o->seed);
    if (o->cpu != NULL) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(atoi(o->cpu), &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
    return true;
}

static int
load_server(struct load *l, const char *server)
{
    struct addr_name name;
    struct addr addr;
    const char *error = "not HOST:PORT";
    if (!addr_parse(span_cstr(server), 11211, &name) ||
        !addr_resolve(&name, false, &addr, &error)) {
        fprintf(stderr, "mfload: %s: %s\n", server, error);
        return OPTIONS_EXIT_BAD;
    }
    if (!take_options(l)) {
        return OPTIONS_EXIT_BAD;
    }
    int status = open_all(l, &addr) && measure(l) ? EXIT_SUCCESS : EXIT_FAILURE;
    for (uint64_t i = 0; i < l->options.connections; i++) {
        loadconn_close(&l->conns[i]);
    }
    close(l->epoll);
    free(l->conns);
    keychoice_destroy(&l->choice);
    return status;
}

int
main(int argc, char **argv)
{
    static struct load l;
    int rest;
    enum options_outcome outcome = options_parse(&table, argc, argv, &l.options, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome == OPTIONS_EXIT ? EXIT_SUCCESS : OPTIONS_EXIT_BAD;
    }
    int status = OPTIONS_EXIT_BAD;
    if (rest == argc - 1) {
        status = load_server(&l, argv[rest]);
    } else {
        fprintf(stderr, "mfload: name one server, HOST:PORT (see --help)\n");
    }
    options_deinit(&table, &l.options);
    return status;
}
