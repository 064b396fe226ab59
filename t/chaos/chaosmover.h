/* chaosmover.h - takes keys from node to node while everything fails: publishes the
 * steps of chaosmove.h, to one proxy before the others, and the next one when all
 * have acknowledged. What docs/moving-keys.md asks of an operator is done: nodes
 * that get keys are empty of them first, and the last step waits until the old
 * owners have had every delete. Main thread only. */
#pragma once
#include "t/chaos/chaosfleet.h"

struct chaos_mover {
    uint64_t rng;
    uint64_t longest_us; /* between a step at one proxy and at the others */
    uint64_t pay_us;     /* then the others have it */
    uint64_t next_us;    /* not before that the next one */
    uint64_t owed_us;    /* since then it waits for deletes to be delivered; 0: it does not */
};

/* False if a move, or another table, is still under way. The nodes that get keys are
 * emptied, and run afterwards. */
bool chaos_mover_begin(struct chaos_mover *mv, struct chaos_fleet *f);

/* Which nodes chaos_mover_begin() will empty; 0: it will do nothing. */
unsigned chaos_mover_gains(const struct chaos_mover *mv, const struct chaos_fleet *f);

/* What is due by now. False: it has waited for long for deletes that nodes still
 * lack, so all should be healed for a while. */
bool chaos_mover_go_on(struct chaos_mover *mv, struct chaos_fleet *f, uint64_t now_us);
