/* roster.h - one worker's view of one placement: its connection to every node,
 * and how many of a pool's nodes look DOWN from here.
 *
 * The worker routes by one roster at a time. Requests that are on their way
 * hold the roster they were sent under, so a roster that was replaced lives
 * until the last of them is answered; then the worker is clear of its epoch.
 * Worker's thread only. */
#pragma once
#include "common/core/list.h"
#include "proxy/failure.h"
#include "proxy/frontend.h"
#include "proxy/placement.h"
#include "proxy/route/route.h"

struct backend;
struct copies;
struct admission;
struct near_cache;
struct owner_cache;
struct promoted;
struct shadow_cells;
struct promoter;
struct worker;

struct roster_pool {
    struct backend **backends; /* by pool node */
    unsigned nodes;
    unsigned down;
    uint64_t request_timeout_us;
    struct failure_policy policy;
    bool flush_all;
    bool coalesce;
    bool moves;                 /* keys have two owners: moving.h */
    bool shares;                /* a read may be answered by what another brings */
    bool plain;                 /* nothing of its options concerns a plain get or set: plain.h */
    struct near_cache *near;    /* values of the hottest keys; NULL: none are kept */
    uint64_t miss_lease_us;     /* 0: none */
    bool slow_ring;             /* finding an owner costs more than remembering it */
    struct roster_pool *gutter; /* NULL: none */
    uint64_t gutter_ttl_s;
    struct backend **shadow; /* by node of the pool that has copies of requests (shadow.h), NULL for
                              * nodes of this one; NULL: no pool has */
    struct shadow_cells *copied; /* this worker's, of what became of them */
    unsigned index;              /* in the table */
    uint64_t id;                 /* of its name, in whatever table */
    unsigned replicas;           /* 1: no key is hot */
    uint64_t replica_ttl_us;
    uint64_t local_ttl_us;       /* of copies that this worker alone reads */
    struct admission *admission; /* the placement's; NULL: no limits by rate */
    struct promoter *promoter;   /* the placement's; NULL: no key has such copies */
    struct promoted *promoted;   /* what the worker knows from it */
    const struct table_pool *table;
};

struct roster {
    struct worker *worker;
    struct placement *placement;
    struct backend **backends; /* by placement node */
    struct roster_pool *pools;
    struct owner_cache *owners; /* of pools with a slow ring */
    uint32_t serial;            /* which of the worker's; not 0 */
    struct copies *copies;      /* of hot keys; NULL while no pool has replicas */
    struct list held;           /* worker->moving.held, for empty items that may stand until: */
    uint64_t held_until_us;     /* 0: it is not */
    uint64_t refs;              /* the worker's, and one of every request on its way */
    unsigned frontends_known;
    uint32_t bound_pools[FRONTENDS_MAX]; /* by frontend: its pool, or TABLE_NO_POOL */
};

/* Takes over the connections that `previous` (may be NULL) has to the same
 * nodes, makes the others, and retires what is left. Takes its own reference to
 * the placement. `previous` must not be routed by any more. */
struct roster *roster_create(struct worker *worker, struct placement *placement,
                             struct roster *previous);

static inline struct roster *
roster_ref(struct roster *r)
{
    r->refs++;
    return r;
}
void roster_end(struct roster *r);
static inline void
roster_unref(struct roster **roster)
{
    struct roster *r = *roster;
    *roster = NULL;
    if (--r->refs == 0) {
        roster_end(r);
    }
}

/* Looks up the pools of frontends that have come since; call before a client of
 * theirs is served. */
void roster_know_frontends(struct roster *r);

/* A backend of this roster changed its state: `change` is +1 when it went DOWN
 * and -1 when it came UP. */
void roster_count_down(struct roster *r, unsigned node, int change);
