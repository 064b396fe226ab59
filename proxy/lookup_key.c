#include "proxy/lookup_key.h"
#include "common/core/hash.h"
#include "proxy/client.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"

bool
lookup_has_route(const struct client *c)
{
    const struct roster *r = c->worker->roster;
    return r != NULL && (!c->bound || r->bound_pools[c->frontend] != TABLE_NO_POOL);
}

static struct lookup_key
strip(const struct worker *w, struct span key)
{
    const struct table *table = w->roster->placement->table;
    struct span bytes = span_skip(key, route_stripped(table, key));
    return (struct lookup_key){bytes, worker_key_hash(w, bytes), route_pool(table, key)};
}

struct lookup_key
lookup_key_of(const struct client *c, struct span key)
{
    const struct worker *w = c->worker;
    const struct roster *r = w->roster;
    if (r->placement->table->strips && !c->bound) {
        return strip(w, key);
    }
    return (struct lookup_key){
        .bytes = key,
        .hash = hash_span_seeded(key, w->limits->hash_seed), /* worker_key_hash(), without a call */
        .pool = c->bound ? r->bound_pools[c->frontend] : table_pool_of(r->placement->table, key),
    };
}

bool
lookup_key_again(const struct worker *w, struct span bytes, uint64_t pool_id,
                 struct lookup_key *out)
{
    const struct roster *r = w->roster;
    for (unsigned i = 0; i < r->placement->table->pool_count; i++) {
        if (r->pools[i].id == pool_id) {
            *out = (struct lookup_key){bytes, worker_key_hash(w, bytes), i};
            return true;
        }
    }
    return false;
}
