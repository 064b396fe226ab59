/* placement.h - a routing table with the endpoints of its nodes: all that a
 * worker needs to route by an epoch.
 *
 * Built on the follower's thread; immutable and counted from then on, shared by
 * all workers. A node that several pools name with one id and address is one
 * node here, so a worker has one connection to it. Of a pool that has copies of another's
 * requests the nodes are here twice: copies have connections and a health of their own.
 *
 * Names of hosts are looked up by the resolver's threads, and waited for a
 * little. A table never waits for, or is refused because of, a name that DNS
 * does not know: that one node is as good as DOWN, its name is looked up again
 * whenever it is probed, and no other node notices. */
#pragma once
#include "common/core/histogram.h"
#include "common/fleet/table.h"
#include "common/net/resolver.h"

#include <limits.h>
#include <stdatomic.h>

/* What all workers together saw of a node. Outlives a placement when the next
 * one names the node again. */
struct node_stats {
    _Atomic unsigned refs;
    _Atomic unsigned down;            /* workers that look on it as DOWN */
    _Atomic uint64_t requests;        /* sent, or about to be */
    _Atomic uint64_t timeouts;        /* of them, not answered in time */
    _Atomic uint64_t broken;          /* of them, lost with their connection */
    _Atomic uint64_t refused;         /* not sent: DOWN or over the limit */
    _Atomic uint64_t connects;        /* connections made */
    _Atomic uint64_t journal;         /* entries of its journal */
    _Atomic uint64_t gutter;          /* requests that the gutter has had in its place */
    _Atomic uint64_t gutter_until_us; /* something of its may be in the gutter so long */
    unsigned workers;
    struct node_latency *latency; /* by worker, which alone writes it */
};

/* From the moment at which a request was queued to the one at which its whole reply
 * had been received, also where nobody waited for it any more. */
struct node_latency {
    _Alignas(64) struct histogram_cells cells;
};
struct node_stats *node_stats_ref(struct node_stats *stats);
void node_stats_unref(struct node_stats **stats);
/* Of all workers, since the start. Any thread. */
struct histogram node_stats_latency(const struct node_stats *stats);

#define PLACE_NEW           UINT_MAX
#define PLACE_NONE          UINT_MAX
#define PLACEMENT_LOOKUP_MS 1000 /* a new table waits so long for DNS */

struct place_node {
    const struct table_node *node;
    char *name; /* what statistics call it: its id, or id@addr if another has that id, too */
    struct endpoint *endpoint;
    unsigned same_as; /* index of the same node in the placement before, or PLACE_NEW */
    const struct table_pool *pool; /* the first that names it: its timeouts count */
    unsigned pool_index;
    bool shared; /* other pools name it too */
    bool shadow; /* for copies; nothing is remembered for it, and no metric tells of it */
    struct node_stats *stats;
    struct journal *journal; /* lives as long as tables name the node, one after another */
};

struct place_pool {
    const struct table_pool *pool;
    unsigned *nodes;              /* pool node -> index into placement->nodes */
    unsigned *shadow_nodes;       /* the same of its shadow's, PLACE_NONE for those that the pool
                                   * has itself; NULL: no shadow */
    struct admission *admission;  /* limits by rate; NULL: there are none */
    struct shadow_counts *copied; /* what became of the copies; NULL: no shadow */
    struct promoter *promoter;    /* finds the keys that are hot here; NULL: the pool wants none */
};

struct placement {
    struct table *table;
    struct place_node *nodes;
    unsigned node_count;
    unsigned shadow_count;    /* behind those: some once more, for copies */
    struct place_pool *pools; /* table->pool_count of them */
    _Atomic unsigned refs;
    _Atomic unsigned uncleared; /* workers that may still have an older epoch in flight */
    unsigned *index;            /* hash table of node indexes + 1, by id and address */
    unsigned index_mask;
};

struct admission;
struct shadow_counts;
struct journal_budget;
struct promoter;
struct journal_dir;
/* What placements of one proxy share. */
struct placement_host {
    unsigned workers;
    struct resolver *resolver;
    struct journal_budget *budget;
    struct journal_dir *journals; /* where they are kept; NULL: nowhere */
};

/* `previous` may be NULL; nodes that it names too keep what they have. The
 * placement takes its own reference to the table and comes with one of its own.
 * NULL and a sentence in `error` (TABLE_ERROR_MAX bytes) if an address is
 * malformed. */
struct placement *placement_create(struct table *table, const struct placement *previous,
                                   const struct placement_host *host, char *error);
static inline unsigned
placement_all(const struct placement *p)
{
    return p->node_count + p->shadow_count;
}

/* The journals of nodes that `next` does not name any more need no files. */
void placement_drop_files(struct placement *previous, const struct placement *next);
struct placement *placement_ref(struct placement *p);
void placement_unref(struct placement **p);

/* Where the node is: its first known address, or the name while none is known.
 * Into `out` (ADDR_TEXT_MAX bytes). */
const char *place_node_addr(const struct place_node *node, char *out);
