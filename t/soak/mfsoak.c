/* mfsoak.c - everything at once against one server, and nothing may be wrong.
 *
 *   writers  each with keys of its own: knows what every answer must be
 *   readers  everybody's keys: know the oldest write that may still be seen
 *   fillers  more values than fit, each of which says whose it is
 *   troublemakers  half commands, half values, clients that never read
 *   administrator  flushes, statistics, limits, pauses; watches the memory
 *
 * The threads' choices follow from the seed; in which order the server meets
 * them does not. */
#include "common/core/backoff.h"
#include "common/core/option.h"
#include "common/core/version.h"
#include "t/soak/soakadmin.h"
#include "t/soak/soakwriter.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64

/* clang-format off */
#define MFSOAK_OPTIONS(X)                                                                          \
    X('d', "duration", DURATION, duration_ms, "TIME", "10s", "how long")                           \
    X('s', "seed", NUMBER, seed, "N", NULL, "what the choices follow from; without it, any")       \
    X('w', "writers", NUMBER, writers, "N", "6", "connections that write and read their own keys") \
    X('r', "readers", NUMBER, readers, "N", "3", "connections that read all keys")                 \
    X('f', "fillers", NUMBER, fillers, "N", "2", "connections that fill the memory")               \
    X('t', "troublemakers", NUMBER, troublemakers, "N", "2", "connections that behave badly")      \
    X('k', "keys", NUMBER, keys, "N", "2000", "keys of each writer")                               \
    X(0, "filler-keys", NUMBER, filler_keys, "N", "200000", "keys of all fillers together")        \
    X('q', "depth", NUMBER, depth, "N", "64", "commands on their way per connection")              \
    X(0, "value-max", SIZE, value_max, "BYTES", "1000000", "size of the largest value")            \
    X(0, "slack", DURATION, slack_ms, "TIME", "300ms",                                             \
      "how late the server may notice that a TTL is over")                                         \
    X(0, "phase", DURATION, phase_ms, "TIME", NULL,                                                \
      "after so long the sizes change; by default six times in the duration")                      \
    X('p', "pid", NUMBER, pid, "PID", NULL, "the server's process, whose memory is watched")       \
    X('m', "memory-limit", MEGABYTES, limit_bytes, "MB", "64", "its -m")                           \
    X(0, "memory-low", MEGABYTES, limit_low_bytes, "MB", NULL,                                     \
      "change the limit between this and -m with cache_memlimit")                                  \
    X(0, "no-rss", BOOL, no_rss, "", NULL, "do not judge the process's memory")                    \
    X(0, "no-cas", BOOL, no_cas, "", NULL, "the server keeps no CAS values (-C)")                  \
    X(0, "roomy", BOOL, roomy, "", NULL, "everything fits: nothing may be evicted")                \
    X(0, "flush-every", DURATION, flush_every_ms, "TIME", NULL, "flush_all about so often")        \
    X(0, "pause-every", DURATION, pause_every_ms, "TIME", NULL,                                    \
      "stop the server for a moment about so often")
/* clang-format on */

struct options {
    MFSOAK_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct options
static const struct option_row rows[] = {MFSOAK_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .program = "mfsoak",
    .usage = "[OPTION]... HOST:PORT",
    .summary = "Sends every command to a memcached or mfcached from many connections and knows\n"
               "what each answer must be.",
    .epilog = "The last line says what was done, and how much was wrong; the exit status is 0 if\n"
              "nothing was. Misses that the server did not count as evictions are wrong.",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

struct crew {
    pthread_t threads[THREADS_MAX];
    struct soak_actor actors[THREADS_MAX];
    unsigned count;
};

static void
hire(struct crew *crew, uint64_t count, void *(*role)(void *actor), struct soak_board *board,
     const struct addr *addr)
{
    for (unsigned i = 0; i < count && crew->count < THREADS_MAX; i++) {
        struct soak_actor *actor = &crew->actors[crew->count];
        *actor = (struct soak_actor){.board = board, .addr = addr, .number = i};
        if (pthread_create(&crew->threads[crew->count], NULL, role, actor) == 0) {
            crew->count++;
        } else {
            soak_board_wrong(board, "no thread");
        }
    }
}

static void
print_sums(const struct options *o, const struct soak_board *b, const struct soak_admin_sums *s)
{
    static const char *const names[SOAK_COUNTS] = {
        [COUNT_COMMANDS] = "commands",     [COUNT_HITS] = "hits",
        [COUNT_MISSES] = "misses",         [COUNT_STORED] = "stored",
        [COUNT_REFUSED] = "refused",       [COUNT_VANISHED] = "vanished",
        [COUNT_FLUSHES] = "flushes",       [COUNT_PAUSES] = "pauses",
        [COUNT_RECONNECTS] = "reconnects", [COUNT_TROUBLES] = "troubles",
    };
    printf("seed=%" PRIu64, o->seed);
    for (unsigned i = 0; i < SOAK_COUNTS; i++) {
        printf(" %s=%" PRIu64, names[i], soak_board_counted(b, (enum soak_count)i));
    }
    printf(" evictions=%" PRIu64 " items=%" PRIu64 " rss_max=%" PRIu64 " rss_bound=%" PRIu64
           " wrong=%u\n",
           s->evictions, s->items, s->rss_max_bytes, s->rss_bound_bytes, soak_board_wrongs(b));
}

/* What vanished and was neither flushed nor expired was evicted, and counted. */
static void
judge_sums(struct soak_board *b, const struct soak_admin_sums *s)
{
    uint64_t vanished = soak_board_counted(b, COUNT_VANISHED);
    if (vanished > s->evictions) {
        soak_board_wrong(b, "%" PRIu64 " items vanished, but only %" PRIu64 " were evicted",
                         vanished, s->evictions);
    }
    if (soak_board_counted(b, COUNT_HITS) == 0) {
        soak_board_wrong(b, "nothing was ever hit: this soak shows nothing");
    }
}

static int
soak(const struct options *o, const struct addr *addr)
{
    struct soak_plan plan = {.seed = o->seed,
                             .writers = (unsigned)o->writers,
                             .keys = (unsigned)o->keys,
                             .filler_keys = (unsigned)o->filler_keys,
                             .depth = (unsigned)o->depth,
                             .value_max = o->value_max,
                             .slack_us = o->slack_ms * 1000,
                             .phase_us = o->phase_ms * 1000,
                             .cas = !o->no_cas,
                             .roomy = o->roomy};
    struct soak_board *board = soak_board_create(&plan);
    struct soak_admin_plan admin = {.board = board,
                                    .addr = addr,
                                    .pid = (pid_t)o->pid,
                                    .limit_bytes = o->limit_bytes,
                                    .limit_low_bytes = o->limit_low_bytes,
                                    .flush_every_ms = o->flush_every_ms,
                                    .pause_every_ms = o->pause_every_ms,
                                    .check_rss = o->pid != 0 && !o->no_rss,
                                    .duration_ms = o->duration_ms};
    struct soak_admin_sums sums = {0};
    struct crew crew = {.count = 0};
    hire(&crew, o->writers, soak_writer, board, addr);
    hire(&crew, o->readers, soak_reader, board, addr);
    hire(&crew, o->fillers, soak_filler, board, addr);
    hire(&crew, o->troublemakers, soak_troublemaker, board, addr);
    soak_admin_run(&admin, &sums);
    for (unsigned i = 0; i < crew.count; i++) {
        pthread_join(crew.threads[i], NULL);
    }
    if (soak_admin_ask(&admin, &sums)) {
        judge_sums(board, &sums);
    }
    print_sums(o, board, &sums);
    int status = soak_board_wrongs(board) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    soak_board_destroy(&board);
    return status;
}

static bool
options_sane(struct options *o)
{
    if (o->writers < 1 || o->writers + o->readers + o->fillers + o->troublemakers > THREADS_MAX) {
        fprintf(stderr, "mfsoak: 1 writer at least, %d connections at most\n", THREADS_MAX);
        return false;
    }
    if (o->keys < 1 || o->keys > 1000000 || o->filler_keys < 1 || o->filler_keys > 100000000 ||
        o->depth < 1 || o->depth > 10000) {
        fprintf(stderr, "mfsoak: up to 1000000 keys, 100000000 of fillers, a depth of 10000\n");
        return false;
    }
    if (o->value_max < 1000 || o->value_max > SOAK_PIECE_MAX) {
        fprintf(stderr, "mfsoak: the largest value has 1000 to %u bytes\n", SOAK_PIECE_MAX);
        return false;
    }
    if (o->limit_low_bytes != 0 &&
        (o->limit_low_bytes < 8u << 20 || o->limit_low_bytes > o->limit_bytes)) {
        fprintf(stderr, "mfsoak: --memory-low is 8 at least, --memory-limit at most\n");
        return false;
    }
    o->seed = o->seed != 0 ? o->seed : random_seed() % 1000000007;
    o->phase_ms = o->phase_ms != 0 ? o->phase_ms : o->duration_ms / 6 + 1;
    return true;
}

static bool
find_server(const char *text, struct addr *out)
{
    struct addr_name name;
    const char *error = "not HOST:PORT";
    if (!addr_parse(span_cstr(text), 11211, &name) || !addr_resolve(&name, false, out, &error)) {
        fprintf(stderr, "mfsoak: %s: %s\n", text, error);
        return false;
    }
    return true;
}

int
main(int argc, char **argv)
{
    struct options o = {0};
    struct addr addr;
    int rest;
    enum options_outcome outcome = options_parse(&table, argc, argv, &o, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome == OPTIONS_EXIT ? EXIT_SUCCESS : OPTIONS_EXIT_BAD;
    }
    int status = OPTIONS_EXIT_BAD;
    signal(SIGPIPE, SIG_IGN);
    if (rest != argc - 1) {
        fprintf(stderr, "mfsoak: name one server, HOST:PORT (see --help)\n");
    } else if (options_sane(&o) && find_server(argv[rest], &addr)) {
        status = soak(&o, &addr);
    }
    options_deinit(&table, &o);
    return status;
}
