/* shadow_counts.h - what became of the copies that a pool's shadow gets, for each pool
 * that has one; over all of them it is in proxy_metrics.h, with what the rows mean.
 *
 * They belong to the placement and go on in the next, by the pool's name. Each worker
 * has cells that only it writes. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
/*    the id of proxy_metrics.h behind SHADOW_, and what it is called beside the pool */
#define SHADOW_COUNTS(X)                                                                           \
    X(REQUESTS,   "requests")                                                                      \
    X(DOWN,       "dropped_down")                                                                  \
    X(OVERLOADED, "dropped_overloaded")                                                            \
    X(TOO_LARGE,  "dropped_too_large")                                                             \
    X(SAME_NODE,  "dropped_same_node")                                                             \
    X(FAILURES,   "failures")                                                                      \
    X(HITS,       "hits")                                                                          \
    X(MISSES,     "misses")
/* clang-format on */

enum shadow_count {
#define X(id, name) SHADOW_COUNT_##id,
    SHADOW_COUNTS(X)
#undef X
        SHADOW_COUNT_COUNT,
};

/* Of one worker. */
struct shadow_cells {
    _Alignas(64) _Atomic uint64_t of[SHADOW_COUNT_COUNT];
};

struct shadow_counts {
    _Atomic unsigned refs;
    unsigned workers;
    struct shadow_cells *cells; /* by worker */
};

struct shadow_counts *shadow_counts_create(unsigned workers);
struct shadow_counts *shadow_counts_ref(struct shadow_counts *counts);
/* *counts may be NULL. */
void shadow_counts_unref(struct shadow_counts **counts);

/* Over all workers. Any thread. */
uint64_t shadow_counts_sum(const struct shadow_counts *counts, enum shadow_count id);
