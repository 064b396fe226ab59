/* chaosrun.h - what all threads of a run share: the model, the proxies' doors,
 * what was wrong, what was counted. Any thread. */
#pragma once
#include "common/net/addr.h"
#include "t/chaos/chaosmodel.h"

#include <stdatomic.h>

#define CHAOS_WRONGS_MAX 20 /* then the run ends */

/* clang-format off */
#define CHAOS_COUNTS(X)                                                                            \
    X(COMMANDS, commands)                                                                          \
    X(HITS, hits)                                                                                  \
    X(MISSES, misses)                                                                              \
    X(WRITES, writes)   /* done, as the node said */                                               \
    X(UNKNOWN, unknown) /* writes of which nobody knows */                                         \
    X(ERRORS, errors)   /* error lines */                                                          \
    X(CONNECTS, connects)                                                                          \
    X(FAULTS, faults)                                                                              \
    X(TABLES, tables)                                                                              \
    X(MOVES, moves) /* that have come to their end */
/* clang-format on */
enum chaos_count {
#define X(id, name) CHAOS_COUNT_##id,
    CHAOS_COUNTS(X)
#undef X
        CHAOS_COUNT_COUNT,
};

/* Where clients come in. */
struct chaos_door {
    struct addr addr;
    _Atomic uint32_t life;
    _Atomic bool closed; /* being ended or started: connections break, and may */
};

struct chaos_run {
    struct chaos_model *model;
    unsigned keys, proxies;
    uint64_t answer_limit_us;
    uint32_t value_max;
    bool moves;        /* keys move: then a delete may fail */
    bool second_reads; /* clients of the second proxy do not write */
    uint64_t seed;
    struct chaos_door doors[CHAOS_PROXIES_MAX];
    _Atomic bool ending;
    _Atomic unsigned wrongs;
    _Atomic uint64_t counts[CHAOS_COUNT_COUNT];
};

static inline void
chaos_count(struct chaos_run *run, enum chaos_count what)
{
    atomic_fetch_add_explicit(&run->counts[what], 1, memory_order_relaxed);
}

/* Something that must not be: printed, counted; after CHAOS_WRONGS_MAX the run
 * ends. */
void chaos_wrong(struct chaos_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
