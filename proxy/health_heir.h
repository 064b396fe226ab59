/* health_heir.h - what a proxy knows of a node, told to the process that takes over from
 * it: that it looks DOWN, and for how long something of its may be in the gutter. Pure.
 *
 *     <down: 0 or 1> SP <gutter_ms> SP <owner: the rest>
 *
 * A message is about one node. Who does not know more is told nothing, and finds out. */
#pragma once
#include "common/core/buf.h"

#include <stdint.h>

struct health_heir {
    bool down;
    uint64_t gutter_ms;
    struct span owner; /* which node: journal_owner() */
};

/* False if the system has no memory. */
bool health_heir_put(struct buf *out, const struct health_heir *node);

/* False if that is no such message. */
bool health_heir_parse(struct span in, struct health_heir *out);
