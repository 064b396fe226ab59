/* mfchaos.c - a fleet, clients that write and read, and everything that can go
 * wrong with processes and wires; and no client may see what was not promised.
 *
 *     clients ──> 2 proxies ──> links ──> nodes        faults, by the seed
 *        └── model: what may be read                     └── kill, freeze, stall ...
 *
 * What is promised is in chaosmodel.h. Which faults, where and for how long,
 * follows from the seed; how requests meet them does not. */
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/core/option.h"
#include "common/core/version.h"
#include "t/chaos/chaosclient.h"
#include "t/chaos/chaosfault.h"
#include "t/chaos/chaosvalue.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS_MAX    64
#define STATUS_SKIPPED 77
/* The kernel may lack what makes packets slow; and bytes come as it likes. */
#define NOT_OF_NETWORKS (1u << FAULT_SLOW | 1u << FAULT_SPLIT)
#define COPY_SLACK_MS   1000
#define GUTTER_SLACK_S  2 /* nodes count in whole seconds */

/* clang-format off */
#define MFCHAOS_OPTIONS(X)                                                                         \
    X('d', "duration", DURATION, duration_ms, "TIME", "10s", "how long")                           \
    X('n', "faults-most", NUMBER, most, "N", "1000000", "end after so many faults")                \
    X('s', "seed", NUMBER, seed, "N", NULL, "what the faults follow from; without it, any")        \
    X('f', "faults", STRING, faults, "NAME,...", NULL, "only these; without it, all")              \
    X('c', "clients", NUMBER, clients, "N", "8", "connections, spread over the proxies")           \
    X('k', "keys", NUMBER, keys, "N", "40", "keys; half of them are numbers")                      \
    X(0, "value-max", SIZE, value_max, "BYTES", "60000", "size of the largest piece of a value")   \
    X(0, "nodes", NUMBER, nodes, "N", "3", "nodes, without the gutter's")                          \
    X(0, "threads", NUMBER, threads, "N", "2", "threads of each proxy and node")                   \
    X(0, "request-timeout", DURATION, timeout_ms, "TIME", "100ms", "of the proxies")               \
    X(0, "answer-limit", DURATION, answer_ms, "TIME", "20s", "every request is answered by then")  \
    X(0, "gutter", NUMBER, gutter_ttl_s, "SECONDS", "0", "a gutter with this gutter_ttl_s; 0: none") \
    X(0, "miss-lease", DURATION, miss_lease_ms, "TIME", "0", "miss_lease_ms of the pool")          \
    X(0, "near-cache", DURATION, near_ms, "TIME", "0", "near_cache_ttl_ms of the pool; 0: none")   \
    X(0, "promote", NUMBER, promote, "PERCENT", "0", "promote_percent of the pool, of 3 replicas") \
    X(0, "hot", NUMBER, hot, "N", "0", "the first N keys are listed as hot, with 3 replicas")      \
    X(0, "alone", BOOL, alone, "", NULL,                                                           \
      "without coalescing: writes through another proxy are judged, too")  \
    X(0, "second-reads", BOOL, second_reads, "", NULL, "clients of the second proxy only read")    \
    X(0, "network", BOOL, network, "", NULL,                                                       \
      "wires of the kernel's, in a network namespace; status 77 if there may be none")  \
    X('w', "warm", BOOL, warm, "", NULL, "nodes keep their items in a file (-e)")                  \
    X(0, "bin-dir", STRING, bin_dir, "DIR", ".", "where mfproxy and mfcached are")                 \
    X(0, "keep", BOOL, keep, "", NULL, "keep the programs' logs")                                  \
    X('v', "verbose", BOOL, loud, "", NULL, "say each fault")
/* clang-format on */

struct options {
    MFCHAOS_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct options
static const struct option_row rows[] = {MFCHAOS_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .program = "mfchaos",
    .usage = "[OPTION]...",
    .summary =
        "Runs proxies and nodes, makes them and their network fail, and judges what clients\n"
        "read meanwhile: nothing older than what was acknowledged, nothing torn, no answer\n"
        "lost or doubled.",
    .epilog = "Faults:"
#define X(id, name, weight, what) "\n  " name ": " what
    CHAOS_FAULTS(X)
#undef X
        "\n\nThe last line says what was done, and how much was wrong; the exit status is 0 "
        "if\nnothing was.",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static void
print_sums(const struct chaos_run *run, const struct chaos_faults *fs, uint64_t near,
           uint64_t copies, uint64_t fills)
{
    printf("seed=%" PRIu64, run->seed);
#define X(id, name) printf(" " #name "=%" PRIu64, run->counts[CHAOS_COUNT_##id]);
    CHAOS_COUNTS(X)
#undef X
    for (unsigned i = 0; i < CHAOS_FAULT_KINDS; i++) {
        printf(" %s=%" PRIu64, chaos_fault_name((enum chaos_fault_kind)i), fs->counts[i]);
    }
    printf(" near=%" PRIu64 " copies=%" PRIu64 " fills=%" PRIu64 " wrong=%u\n", near, copies, fills,
           run->wrongs);
}

static void
run_clients(struct chaos_run *run, struct chaos_faults *fs, const struct options *o)
{
    pthread_t threads[CLIENTS_MAX];
    struct chaos_client *clients = mem_zalloc(o->clients * sizeof(clients[0]));
    for (unsigned i = 0; i < o->clients; i++) {
        clients[i].run = run;
        clients[i].number = i;
        clients[i].proxy = i % run->proxies;
        clients[i].rng = (run->seed + i) * 0x9e3779b97f4a7c15u | 1;
        if (pthread_create(&threads[i], NULL, chaos_client_run, &clients[i]) != 0) {
            perror("mfchaos: thread");
            exit(EXIT_FAILURE);
        }
    }
    chaos_faults_run(fs, clock_mono_us() + o->duration_ms * 1000, o->most);
    chaos_faults_heal(fs);
    run->ending = true;
    for (unsigned i = 0; i < o->clients; i++) {
        pthread_join(threads[i], NULL);
    }
    free(clients);
}

static int
chaos(const struct options *o, unsigned allowed)
{
    uint64_t ttl_us = o->gutter_ttl_s > 0 ? (o->gutter_ttl_s + GUTTER_SLACK_S) * 1000000 : 0;
    struct chaos_run *run = mem_zalloc(sizeof(*run));
    run->model = chaos_model_create((unsigned)o->keys, 2, ttl_us);
    if (o->alone) {
        uint64_t local_ms = o->promote > 0 ? CHAOS_LOCAL_TTL_MS : 0;
        uint64_t copy_ms = o->hot > 0 ? CHAOS_COPY_TTL_MS + COPY_SLACK_MS : 0;
        chaos_model_judge_others(run->model, (o->near_ms + local_ms + copy_ms) * 1000);
    }
    run->keys = (unsigned)o->keys;
    run->proxies = 2;
    run->answer_limit_us = o->answer_ms * 1000;
    run->value_max = (uint32_t)o->value_max;
    run->second_reads = o->second_reads;
    run->moves = (allowed >> FAULT_MOVE & 1) != 0;
    run->seed = o->seed;
    struct chaos_fleet fleet = {.run = run,
                                .setup = {.bin_dir = o->bin_dir,
                                          .proxies = run->proxies,
                                          .nodes = (unsigned)o->nodes,
                                          .node_threads = (unsigned)o->threads,
                                          .proxy_threads = (unsigned)o->threads,
                                          .request_timeout_ms = o->timeout_ms,
                                          .gutter_ttl_s = o->gutter_ttl_s,
                                          .miss_lease_ms = o->miss_lease_ms,
                                          .near_ms = o->near_ms,
                                          .promote = o->promote,
                                          .hot = o->hot,
                                          .network = o->network,
                                          .alone = o->alone,
                                          .warm = o->warm,
                                          .keep = o->keep}};
    if (!o->network) {
        fleet.links = chaos_links_create(o->seed, o->timeout_ms * 1500);
    }
    chaos_fleet_start(&fleet);
    struct chaos_faults faults = {
        .fleet = &fleet,
        .mover = {.rng = o->seed * 0xd1342543de82ef95u | 1, .longest_us = o->timeout_ms * 4000},
        .loud = o->loud,
        .plan = {.rng = o->seed * 0x9e3779b97f4a7c15u | 1,
                 .proxies = run->proxies,
                 .nodes = fleet.node_count,
                 .timeout_us = o->timeout_ms * 1000,
                 .allowed = allowed}};
    run_clients(run, &faults, o);
    chaos_fleet_look(&fleet);
    uint64_t near = chaos_fleet_sum(&fleet, "near_cache_hits_total");
    uint64_t copies = chaos_fleet_sum(&fleet, "replica_reads_total");
    uint64_t fills = chaos_fleet_sum(&fleet, "move_fills_total");
    if (run->wrongs == 0) {
        chaos_check_calm(run);
    }
    chaos_fleet_stop(&fleet);
    if (fleet.links != NULL) {
        chaos_links_destroy(&fleet.links);
    }
    print_sums(run, &faults, near, copies, fills);
    int status = run->wrongs > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    chaos_model_destroy(&run->model);
    free(run);
    return status;
}

static const char *
fault_of(const void *options)
{
    const struct options *o = options;
    if (o->clients < 1 || o->clients > CLIENTS_MAX) {
        return "--clients: 1 to 64";
    }
    if (o->keys < 1 || o->keys > CHAOS_KEYS_MAX || o->nodes < 2 || o->nodes >= CHAOS_NODES_MAX) {
        return "--keys: 1 to 1000; --nodes: 2 to 7";
    }
    if (o->value_max < 100 || o->value_max > 500000 || o->threads < 1 || o->threads > 16) {
        return "--value-max: 100 to 500000; --threads: 1 to 16";
    }
    if (o->timeout_ms < 10 || o->timeout_ms > 10000) {
        return "--request-timeout: 10ms to 10s";
    }
    if (o->near_ms > 1000) {
        return "--near-cache: at most 1s";
    }
    if (o->hot > o->keys) {
        return "--hot: at most all keys";
    }
    if (o->promote > 100) {
        return "--promote: at most 100";
    }
    unsigned faults = chaos_faults_parse(o->faults);
    if (o->network && (faults & ~NOT_OF_NETWORKS) == 0) {
        return "--network: neither slow nor split";
    }
    return faults == 0 ? "--faults: see --help for their names" : NULL;
}

int
main(int argc, char **argv)
{
    struct options o = {0};
    enum options_outcome outcome = options_parse_only(&table, argc, argv, &o, fault_of);
    if (outcome != OPTIONS_OK) {
        return outcome == OPTIONS_EXIT ? EXIT_SUCCESS : OPTIONS_EXIT_BAD;
    }
    signal(SIGPIPE, SIG_IGN);
    o.seed = o.seed != 0 ? o.seed : random_seed() % 1000000007;
    printf("seed=%" PRIu64 "\n", o.seed);
    fflush(stdout);
    unsigned allowed = chaos_faults_parse(o.faults);
    const char *why = o.network ? chaos_net_enter() : NULL;
    if (why != NULL) {
        printf("mfchaos: %s\n", why);
        return STATUS_SKIPPED;
    }
    int status = chaos(&o, o.network ? allowed & ~NOT_OF_NETWORKS : allowed);
    options_deinit(&table, &o);
    return status;
}
