/* top_sample.h - what one server's statistics say, and what happened between two
 * readings of them. Pure; servers are nodes, proxies or plain memcached.
 *
 *     replies to TOP_REQUEST -> top_sample_read() -> sample --+
 *                                          an earlier sample --+-> top_rates_between() -> rates
 */
#pragma once
#include "common/core/span.h"

#include <stdbool.h>
#include <stdint.h>

/* What a server is asked, and how many replies it gives: each ends with END, or is
 * an error of who does not know the group. */
#define TOP_REQUEST "stats\r\nstats latency\r\nstats hotkeys\r\nstats backends\r\n"
#define TOP_REPLIES 4

/* clang-format off */
/* Counters, which may begin anew, and values. Several names add up. A proxy counts
 * its meta commands apart, a node among the others. */
#define TOP_STATS(X)                                                                               \
    X(GETS,        "cmd_get")                                                                      \
    X(HITS,        "get_hits")                                                                     \
    X(SETS,        "cmd_set")                                                                      \
    X(TOUCHES,     "cmd_touch")                                                                    \
    X(DELETES,     "delete_hits")                                                                  \
    X(DELETES,     "delete_misses")                                                                \
    X(DELETES,     "requests_delete_total")                                                        \
    X(ARITH,       "incr_hits")                                                                    \
    X(ARITH,       "incr_misses")                                                                  \
    X(ARITH,       "decr_hits")                                                                    \
    X(ARITH,       "decr_misses")                                                                  \
    X(ARITH,       "requests_arith_total")                                                         \
    X(META,        "requests_meta_total")                                                          \
    X(EVICTIONS,   "evictions")                                                                    \
    X(READ,        "bytes_read")                                                                   \
    X(WRITTEN,     "bytes_written")                                                                \
    X(FAILED,      "failed_down_total")                                                            \
    X(FAILED,      "failed_timeout_total")                                                         \
    X(FAILED,      "failed_overloaded_total")                                                      \
    X(FAILED,      "failed_limited_total")                                                         \
    X(FAILED,      "failed_no_route_total")                                                        \
    X(CPU_US,      "rusage_user")                                                                  \
    X(CPU_US,      "rusage_system")                                                                \
    X(ITEMS,       "curr_items")                                                                   \
    X(BYTES,       "bytes")                                                                        \
    X(LIMIT,       "limit_maxbytes")                                                               \
    X(CONNECTIONS, "curr_connections")                                                             \
    X(THREADS,     "threads")                                                                      \
    X(PID,         "pid")                                                                          \
    X(UPTIME_S,    "uptime")                                                                       \
    X(PROMOTED,    "promoted_keys")

/* The first TOP_COUNTERS of them count. */
enum top_stat {
    TOP_GETS, TOP_HITS, TOP_SETS, TOP_TOUCHES, TOP_DELETES, TOP_ARITH, TOP_META, TOP_EVICTIONS,
    TOP_READ, TOP_WRITTEN, TOP_FAILED, TOP_CPU_US,
    TOP_COUNTERS,
    TOP_ITEMS = TOP_COUNTERS, TOP_BYTES, TOP_LIMIT, TOP_CONNECTIONS, TOP_THREADS, TOP_PID,
    TOP_UPTIME_S, TOP_PROMOTED,
    TOP_STAT_COUNT,
};

/* Of `stats latency`. */
#define TOP_COMMANDS(X) X(GET, "get") X(SET, "set") X(DELETE, "delete") X(INCR, "incr")            \
    X(DECR, "decr") X(TOUCH, "touch")
/* clang-format on */
enum top_command {
#define X(id, name) TOP_CMD_##id,
    TOP_COMMANDS(X)
#undef X
        TOP_COMMAND_COUNT
};

#define TOP_KEYS         10
#define TOP_TEXT_MAX     64 /* of a name, with its zero; what is longer is cut */
#define TOP_KEY_MAX      128
#define TOP_BACKENDS_MAX 512 /* further ones are not shown */

struct top_latency {
    uint64_t count, p50_us, p99_us, p999_us;
};

struct top_key {
    char key[TOP_KEY_MAX]; /* URI encoded; "": none */
    uint64_t count;
    bool promoted;
};

struct top_backend {
    char id[TOP_TEXT_MAX];
    char state[TOP_TEXT_MAX];
    uint64_t down_workers, requests, failed, journal;
    uint64_t p50_us, p99_us; /* of its answers; 0: unknown */
};

struct top_sample {
    uint64_t at_us;
    bool is_proxy;
    char version[TOP_TEXT_MAX];
    uint32_t known; /* 1 << enum top_stat */
    uint64_t values[TOP_STAT_COUNT];
    struct top_latency latency[TOP_COMMAND_COUNT];
    uint64_t key_total; /* requests, of the same time as the keys' counts; 0: unknown */
    struct top_key keys[TOP_KEYS];
    unsigned backend_count;
    struct top_backend *backends;
};

enum top_reading { TOP_READING_MORE, TOP_READING_WHOLE, TOP_READING_BAD };

/* Reads the replies to TOP_REQUEST. Only if they are WHOLE *out is filled in, to be
 * given to top_sample_deinit(), and *used says how many bytes they took. */
enum top_reading top_sample_read(struct span replies, uint64_t now_us, struct top_sample *out,
                                 size_t *used);
void top_sample_deinit(struct top_sample *s);

static inline bool
top_knows(const struct top_sample *s, enum top_stat stat)
{
    return (s->known & 1u << stat) != 0;
}

/* --- between two ------------------------------------------------------------------ */

struct top_rates {
    bool restarted; /* another process answers since */
    double seconds;
    double per_second[TOP_COUNTERS];
    double requests;                   /* a second, of all kinds */
    double hit_ratio;                  /* 0 to 1; negative: nothing was read */
    double cpu;                        /* 1: one whole processor */
    double backends[TOP_BACKENDS_MAX]; /* requests a second, in the later one's order */
};

/* A counter that has gone backwards, or is another process's, began at nothing in
 * between. Nothing divides by zero: two samples of one moment have no rates. */
void top_rates_between(const struct top_sample *before, const struct top_sample *after,
                       struct top_rates *out);

/* The key's part of all requests, 0 to 1; negative if it is not known. */
double top_key_share(const struct top_sample *s, const struct top_key *key);
