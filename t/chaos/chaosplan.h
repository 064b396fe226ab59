/* chaosplan.h - which fault is next: follows from the seed alone. Pure. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

/* clang-format off */
/*    id           name          weight  what happens */
#define CHAOS_FAULTS(X)                                                                            \
    X(NODE_KILL,   "kill",       6,  "a node is killed and started again, empty")                  \
    X(NODE_END,    "end",        4,  "a node is ended and started again, with its items with --warm") \
    X(FREEZE,      "freeze",     14, "a node stands still, shorter or longer than the timeouts")   \
    X(CUT,         "cut",        12, "the connections of a proxy to a node are reset")             \
    X(STALL,       "stall",      14, "nothing passes between a proxy and a node")                  \
    X(MUTE,        "mute",       9,  "a proxy has no replies from a node")                         \
    X(DEAF,        "deaf",       9,  "a node has no requests from a proxy")                        \
    X(SLOW,        "slow",       8,  "bytes between a proxy and a node are late")                  \
    X(SPLIT,       "split",      8,  "they come a few at a time")                                  \
    X(REFUSE,      "refuse",     8,  "a proxy cannot connect to a node")                           \
    X(PROXY_KILL,  "proxy-kill", 2,  "a proxy is killed and started again")                        \
    X(PROXY_END,   "proxy-end",  1,  "a proxy is ended and started again")                         \
    X(TABLE,       "table",      4,  "another table: other weights, a node more or less")          \
    X(MOVE,        "move",       6,  "a node joins, leaves or is replaced, and its keys move")
/* clang-format on */
enum chaos_fault_kind {
#define X(id, name, weight, what) FAULT_##id,
    CHAOS_FAULTS(X)
#undef X
        CHAOS_FAULT_KINDS,
};

struct chaos_plan {
    uint64_t rng;
    unsigned proxies, nodes;
    uint64_t timeout_us; /* of a request */
    unsigned allowed;    /* a bit for each kind */
    unsigned made;
};

struct chaos_fault {
    enum chaos_fault_kind kind;
    unsigned proxy, node;
    uint64_t lasts_us; /* then it is healed */
    uint64_t gap_us;   /* to the next */
    bool calm;         /* before it, all is healed, and then nothing for a while */
};

const char *chaos_fault_name(enum chaos_fault_kind kind);
/* "kill,cut": a bit for each; 0 if one is not known. Without any, all. */
unsigned chaos_faults_parse(const char *names);

struct chaos_fault chaos_plan_next(struct chaos_plan *plan);
