/* lookup_key.h - a key and what finding it needs, computed once a request. */
#pragma once
#include "common/core/span.h"

#include <stdbool.h>
#include <stdint.h>

struct client;
struct worker;

struct lookup_key {
    struct span bytes; /* as the node knows it */
    uint64_t hash;     /* by the proxy's secret seed */
    unsigned pool;     /* index in the routing table in use */
};

/* There is a table, and it has the pool that the client is bound to, if to any. */
bool lookup_has_route(const struct client *c);

/* Where this client's key leads: to the pool that its listener is bound to, or by
 * the table's routes. The table has that pool. `bytes` are the end of `key`: all of
 * it, unless the route takes its prefix off; maybe none. */
struct lookup_key lookup_key_of(const struct client *c, struct span key);

/* The same key once more, by the table in use now: in the pool of the name that it
 * was first sent to, whose `id` was pool_id. False if there is none any more. */
bool lookup_key_again(const struct worker *w, struct span bytes, uint64_t pool_id,
                      struct lookup_key *out);
