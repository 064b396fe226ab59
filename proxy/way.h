/* way.h - how a request gets to its node: the place that route.h names, seen
 * through the worker's roster. Worker's thread only. */
#pragma once
#include "common/core/span.h"
#include "proxy/failure.h"
#include "proxy/gutter.h"
#include "proxy/lookup_key.h"
#include "proxy/pending.h"
#include "proxy/roster.h"

struct backend;
struct worker;

struct way {
    struct roster_pool *pool;
    struct backend *backend;
    struct backend *owner; /* the key's; another than `backend`: that is its gutter */
    bool open;             /* a request may be queued; else it fails as: */
    enum failure failure;  /* counted already */
    uint64_t gutter_ttl_s; /* of a gutter */
};

/* To a copy of a hot key. */
struct way_to_copy {
    struct way way;
    uint64_t cas;     /* it is the one that is meant if it has this CAS value; 0: any */
    bool owner;       /* it is no copy, but the owner's */
    struct span name; /* what to ask for there; good until another key becomes known */
};

/* The way to the owner of `key`, or to its gutter, if that may be used so and the
 * owner cannot be reached. The worker has a roster. */
struct way way_to_key(struct worker *w, const struct lookup_key *key, enum gutter_use use);

/* The same where the owner is known: `node`, as way_owner() said. */
struct way way_to_owned(struct worker *w, const struct lookup_key *key, unsigned node,
                        enum gutter_use use);

/* The key's owner, as index into the pool's nodes. */
unsigned way_owner_slowly(const struct roster *r, const struct lookup_key *key);
static inline unsigned
way_owner(const struct roster *r, const struct lookup_key *key)
{
    const struct roster_pool *pool = &r->pools[key->pool];
    return pool->slow_ring ? way_owner_slowly(r, key) : table_pool_owner(pool->table, key->bytes);
}

/* The way to this one of the key's nodes, an index in its pool, and to no gutter. */
struct way way_to_key_at(struct worker *w, const struct lookup_key *key, unsigned node);

static inline bool
way_is_gutter(const struct way *way)
{
    return way->backend != way->owner;
}

/* The key was changed at its owner, or will be: what its gutter may still have of
 * it goes, at once or when that can be reached again. */
void way_clean_gutter(struct worker *w, const struct way *way, const struct lookup_key *key);

/* The way to one node of a pool. */
struct way way_to_node(struct worker *w, struct roster_pool *pool, unsigned node);

/* Queues a leg of `p` for what was appended to the backend's output since
 * `mark`. */
struct leg *way_queue(const struct way *way, struct pending *p, enum leg_kind kind, size_t mark);

/* The same without a pending: a leg for those who wait for a flight. */
struct leg *way_queue_fetch(const struct way *way, struct worker *w, enum proto_command cmd,
                            size_t mark);
/* What the request's failure leaves to be done, for a way that is not open or
 * whose request could not be composed. True if the node will still have it. */
bool way_do_duty(const struct way *way, const struct request *r, enum failure failure);

/* Counts a request, or a part of one, that is not sent. */
void way_count_failure(struct worker *w, enum failure failure);
