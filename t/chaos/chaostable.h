/* chaostable.h - the routing tables of a run: each proxy has its own file, which
 * names its own links, and all place keys alike. */
#pragma once
#include "t/chaos/chaosfleet.h"

/* The table as this proxy is to have it. */
void chaos_table_put(struct buf *out, const struct chaos_fleet *f, unsigned proxy, uint64_t epoch,
                     const struct chaos_ring *ring);

/* Writes the proxy's file, in one step, by the fleet's epoch and ring. */
void chaos_table_write(const struct chaos_fleet *f, unsigned proxy);

/* Tells the model which keys the second table gives to another node, or whose copies. */
void chaos_table_moves(struct chaos_run *run, struct span before, struct span after);
