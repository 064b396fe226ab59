/* service_time.h - how long clients wait for their answers, by class of command.
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
 * About one turn in SERVICE_EVERY is measured, at random distances, and counts
 * for so many. Nothing is done for a command: which there were in a turn is seen
 * from the counters that there are anyway. A turn that is not measured costs a
 * decrement and two branches.
 *
 * Threads: the worker writes; `cells` are read from any. */
#pragma once
#include "cached/node_metrics.h"
#include "common/core/histogram.h"

#define SERVICE_EVERY 32

/*    id      name      its counters of commands that are done */
#define SERVICE_CLASSES(X)                                                                         \
    X(GET, "get", {METRIC_ID_NODE_GETS})                                                           \
    X(TOUCH, "touch", {METRIC_ID_NODE_TOUCHES})                                                    \
    X(SET, "set", {METRIC_ID_NODE_SETS})                                                           \
    X(DELETE, "delete", {METRIC_ID_NODE_DELETE_HITS, METRIC_ID_NODE_DELETE_MISSES})                \
    X(INCR, "incr", {METRIC_ID_NODE_INCR_HITS, METRIC_ID_NODE_INCR_MISSES})                        \
    X(DECR, "decr", {METRIC_ID_NODE_DECR_HITS, METRIC_ID_NODE_DECR_MISSES})

enum service_class {
#define X(id, name, ...) SERVICE_##id,
    SERVICE_CLASSES(X)
#undef X
        SERVICE_CLASS_COUNT
};

const char *service_class_name(enum service_class which);

/* One worker's. */
struct service_times {
    uint32_t distance; /* turns until one is measured */
    bool open;         /* this one is */
    uint64_t random;
    uint64_t before[SERVICE_CLASS_COUNT];
    struct histogram_cells cells[SERVICE_CLASS_COUNT];
};

void service_init(struct service_times *l, uint64_t seed);

void service_open(struct service_times *l, const struct metric_block *metrics);
/* `begun_us`: when the loop was told of input. */
void service_close(struct service_times *l, const struct metric_block *metrics, uint64_t begun_us);

/* A connection's turn begins. `metrics`: the worker's. */
static inline void
service_turn_begins(struct service_times *l, const struct metric_block *metrics)
{
    l->open = false;
    if (__builtin_expect(--l->distance == 0, 0)) {
        service_open(l, metrics);
    }
}

/* Its answers are sent, as far as they can be. True: service_close() it. */
static inline bool
service_turn_measured(const struct service_times *l)
{
    return __builtin_expect(l->open, 0);
}
