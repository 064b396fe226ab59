/* route.h - where a key goes. No sockets, no clocks, no state: a function of
 * the table and the key, so that any proxy that holds the same table finds the
 * same place.
 *
 * One policy a file. A policy names places in order of preference; who carries
 * them out (dispatch.c) knows which of them can be reached. Today there is one
 * policy, the owner; replicas, gutter and the previous owner of a move are
 * further policies that add places. */
#pragma once
#include "common/fleet/table.h"

/* route_pool.c: the pool of a key, by its prefix, as index into table->pools, and
 * the node that the pool's ring gives as the key's owner, as index into the
 * pool's nodes. A table always has both. */
unsigned route_pool(const struct table *table, struct span key);
unsigned route_owner(const struct table *table, unsigned pool, struct span key);
