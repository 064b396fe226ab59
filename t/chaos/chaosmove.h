/* chaosmove.h - which nodes have keys, and how keys move from some to others: the
 * steps of docs/moving-keys.md, from a ring of before to one of after. Pure. */
#pragma once
#include "common/fleet/table.h"

#define CHAOS_NODES_MAX 8

/* What a run's table says of its nodes. */
struct chaos_ring {
    unsigned weights[CHAOS_NODES_MAX]; /* 0: it has no keys (after the move) */
    unsigned before[CHAOS_NODES_MAX];  /* in a move: on the ring of before */
    unsigned names[CHAOS_NODES_MAX];   /* whose ring name the node has */
    unsigned names_before[CHAOS_NODES_MAX];
    enum move_step step;
};

/* How many nodes have keys. */
unsigned chaos_ring_size(const struct chaos_ring *ring, unsigned nodes);

/* Another ring at its first step, by `pick`, a random number: a node joins, leaves,
 * or is replaced by one that has none yet; two stay at least. `gains` has a bit for
 * each node that has to be empty first. False if `ring` moves already. */
bool chaos_move_begin(const struct chaos_ring *ring, unsigned nodes, uint64_t pick,
                      struct chaos_ring *next, unsigned *gains);

/* The step after, of which the last is without a move. */
struct chaos_ring chaos_move_next(const struct chaos_ring *ring);

/* A bit for each node from which keys go. */
unsigned chaos_move_sources(const struct chaos_ring *ring, unsigned nodes);
