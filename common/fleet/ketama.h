/* ketama.h - the points of the ketama family's servers: libmemcached, twemproxy,
 * spymemcached, EVCache. Pure. */
#pragma once
#include "common/fleet/continuum.h"
#include "common/fleet/ring.h"

/* Points that a server of weight `weight` has in a weighted ring of `count`
 * servers: 160 on the average, but computed in float32 as libmemcached and
 * twemproxy do, so that e.g. each of 25 equal servers gets 156. */
unsigned ketama_weighted_points(uint32_t weight, uint64_t total_weight, unsigned count);

/* Fills and seals an uninitialised continuum. */
void ketama_build(struct continuum *c, const struct ring_config *config,
                  const struct ring_server *servers, unsigned count);
