/* placement.h - a routing table with its nodes' addresses looked up: all that a
 * worker needs to route by an epoch.
 *
 * Built on the follower's thread, which may block on DNS; immutable and counted
 * from then on, shared by all workers. A node that several pools name with one
 * id and address is one node here, so a worker has one connection to it. */
#pragma once
#include "common/fleet/table.h"
#include "common/net/addr.h"

#include <limits.h>
#include <stdatomic.h>

/* What all workers together saw of a node. Outlives a placement when the next
 * one names the node again. */
struct node_stats {
    _Atomic unsigned refs;
    _Atomic unsigned down;     /* workers that look on it as DOWN */
    _Atomic uint64_t requests; /* sent, or about to be */
    _Atomic uint64_t timeouts; /* of them, not answered in time */
    _Atomic uint64_t broken;   /* of them, lost with their connection */
    _Atomic uint64_t refused;  /* not sent: DOWN or over the limit */
    _Atomic uint64_t connects; /* connections made */
};
struct node_stats *node_stats_ref(struct node_stats *stats);
void node_stats_unref(struct node_stats **stats);

#define PLACE_NEW UINT_MAX

struct place_node {
    const struct table_node *node;
    struct addr addr;
    unsigned same_as; /* index of the same node in the placement before, or PLACE_NEW */
    const struct table_pool *pool; /* the first that names it: its timeouts count */
    unsigned pool_index;
    bool shared; /* other pools name it too */
    struct node_stats *stats;
};

struct place_pool {
    const struct table_pool *pool;
    unsigned *nodes; /* pool node -> index into placement->nodes */
};

struct placement {
    struct table *table;
    struct place_node *nodes;
    unsigned node_count;
    struct place_pool *pools; /* table->pool_count of them */
    _Atomic unsigned refs;
    _Atomic unsigned uncleared; /* workers that may still have an older epoch in flight */
    unsigned *index;            /* hash table of node indexes + 1, by id and address */
    unsigned index_mask;
};

/* Resolves every node's address; blocks. `previous` may be NULL. The placement
 * takes its own reference to the table and comes with one of its own. NULL and
 * a sentence in `error` (TABLE_ERROR_MAX bytes) if a name does not resolve. */
struct placement *placement_create(struct table *table, const struct placement *previous,
                                   unsigned workers, char *error);
struct placement *placement_ref(struct placement *p);
void placement_unref(struct placement **p);
