/* route.h - where a key goes. No sockets, no clocks, no state: a function of
 * the table and the key, so that any proxy that holds the same table finds the
 * same place.
 *
 * One policy a file. A policy names places in order of preference; who carries
 * them out (dispatch.c, fanout.c) knows which of them can be reached. There are
 * the owner and, for hot keys, its replicas; the gutter and the previous owner of
 * a move are further policies that add places. */
#pragma once
#include "common/fleet/table.h"

/* route_pool.c: the pool of a key, by its prefix, as index into table->pools, and
 * the node that the pool's ring gives as the key's owner, as index into the
 * pool's nodes. A table always has both. */
unsigned route_pool(const struct table *table, struct span key);
unsigned route_owner(const struct table *table, unsigned pool, struct span key);

/* route_strip.c: how many bytes of its front the key's route takes off before a node
 * has it; it may be all. */
size_t route_stripped(const struct table *table, struct span key);

/* route_shadow.c: do requests for the key go to the pool's shadow too? A choice by key, the
 * same in every proxy, and not by the ring's hash: a fifth of the keys is a fifth of each
 * node's. What is chosen for a smaller share is for a larger one. */
bool route_is_shadowed(const struct table_pool *pool, struct span key);

/* route_bound.c: the pool that a client's listener is bound to, whatever the key; or
 * TABLE_NO_POOL if the table has none of that name: no route. */
unsigned route_bound(const struct table *table, const char *pool);

/* route_replicas.c: the owner and the nodes that may have copies of the key if it
 * is hot, as indexes into the pool's nodes. `out` has room for
 * TABLE_REPLICAS_MAX; returns how many. */
unsigned route_replicas(const struct table *table, unsigned pool, struct span key, unsigned *out);

/* The copies that the key may have: at which node, and of which one's item. While keys
 * of the pool move by either ring; where both have the same owner, each once. `out` has
 * room for ROUTE_COPIES_MAX. */
#define ROUTE_COPIES_MAX (2 * TABLE_REPLICAS_MAX)
struct route_copy {
    unsigned node, owner;
};
unsigned route_copies(const struct table *table, unsigned pool, struct span key,
                      struct route_copy *out);
