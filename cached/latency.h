/* latency.h - how long clients wait for their answers, by class of command.
 *
 *     epoll tells of input                          send returns
 *          |--- others of this turn --|--- read, execute ---|
 *          |<------------------ service time -------------->|
 *
 * From the moment at which the worker's loop was told of input to the moment
 * after the send with the answers: what this node adds to the network. All
 * commands that one read brought have waited equally long, so a connection's turn
 * is measured as a whole and counts for each command in it, each key of a
 * multiget being one. What a turn leaves for the next (a value that is still
 * arriving, a reply that the client does not take) counts with the turn that ends
 * it, and from that turn's beginning.
 *
 * About one turn in LATENCY_EVERY is measured, at random distances, and counts
 * for so many. Nothing is done for a command: which there were in a turn is seen
 * from the counters that there are anyway. A turn that is not measured costs a
 * decrement and two branches.
 *
 * Threads: the worker writes; latency_add() reads from any. */
#pragma once
#include "cached/node_metrics.h"

#define LATENCY_EVERY 16

/*    id      name      its counters of commands that are done */
#define LATENCY_CLASSES(X)                                                                         \
    X(GET, "get", {METRIC_ID_NODE_GETS})                                                           \
    X(TOUCH, "touch", {METRIC_ID_NODE_TOUCHES})                                                    \
    X(SET, "set", {METRIC_ID_NODE_SETS})                                                           \
    X(DELETE, "delete", {METRIC_ID_NODE_DELETE_HITS, METRIC_ID_NODE_DELETE_MISSES})                \
    X(INCR, "incr", {METRIC_ID_NODE_INCR_HITS, METRIC_ID_NODE_INCR_MISSES})                        \
    X(DECR, "decr", {METRIC_ID_NODE_DECR_HITS, METRIC_ID_NODE_DECR_MISSES})

enum latency_class {
#define X(id, name, ...) LATENCY_##id,
    LATENCY_CLASSES(X)
#undef X
        LATENCY_CLASS_COUNT
};

/* Upper ends in microseconds: 1, 2, 5, 10 .. 5 s; the last bucket has no end. */
#define LATENCY_BUCKETS 22
extern const uint64_t latency_bounds_us[LATENCY_BUCKETS - 1];

const char *latency_class_name(enum latency_class which);

struct latency_histogram {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t sum_us;
};

/* One worker's. */
struct latency {
    uint32_t distance; /* turns until one is measured */
    bool open;         /* this one is */
    uint64_t random;
    uint64_t before[LATENCY_CLASS_COUNT];
    _Atomic uint64_t counts[LATENCY_CLASS_COUNT][LATENCY_BUCKETS];
    _Atomic uint64_t sum_us[LATENCY_CLASS_COUNT];
};

void latency_init(struct latency *l, uint64_t seed);

void latency_open(struct latency *l, const struct metric_block *metrics);
void latency_close(struct latency *l, const struct metric_block *metrics, uint64_t begun_us);

/* A connection's turn begins. `metrics`: the worker's. */
static inline void
latency_turn_begins(struct latency *l, const struct metric_block *metrics)
{
    l->open = false;
    if (__builtin_expect(--l->distance == 0, 0)) {
        latency_open(l, metrics);
    }
}

/* Its answers are sent, as far as they can be. `begun_us`: when input was told of. */
static inline void
latency_turn_sent(struct latency *l, const struct metric_block *metrics, uint64_t begun_us)
{
    if (__builtin_expect(l->open, 0)) {
        latency_close(l, metrics, begun_us);
    }
}

/* Adds what was measured of a class. */
void latency_add(const struct latency *l, enum latency_class class, struct latency_histogram *to);

/* How many there are, and the bound below which `permille` of them are; the last
 * bound if some of these were longer still. 0 if there are none. */
uint64_t latency_count(const struct latency_histogram *h);
uint64_t latency_quantile_us(const struct latency_histogram *h, unsigned permille);
