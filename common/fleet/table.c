#include "common/fleet/table.h"
#include "common/core/assert.h"
#include "common/fleet/table_build.h"

#include <stdatomic.h>
#include <stdlib.h>

const char *
node_state_name(enum node_state state)
{
    static const char *const names[] = {
#define X(id, name) name,
        NODE_STATES(X)
#undef X
    };
    ASSERT(state < NODE_STATE_COUNT);
    return names[state];
}

const char *
move_step_name(enum move_step step)
{
    static const char *const names[] = {
#define X(id, name) name,
        MOVE_STEPS(X)
#undef X
    };
    ASSERT(step < MOVE_STEP_COUNT);
    return names[step];
}

void
table_pool_owners(const struct table_pool *pool, const struct span *keys, unsigned count,
                  unsigned *owners)
{
    if (!keytag_is_whole(&pool->tag)) {
        for (unsigned i = 0; i < count; i++) {
            owners[i] = table_pool_owner(pool, keys[i]);
        }
        return;
    }
    ring_lookup_many(pool->ring, keys, count, owners);
    for (unsigned i = 0; i < count && pool->members != NULL; i++) {
        owners[i] = pool->members[owners[i]];
    }
}

bool
table_pool_moves(const struct table_pool *pool, struct span key, struct table_move *out)
{
    out->from = out->to = table_pool_owner(pool, key);
    if (pool->other == NULL) {
        return false;
    }
    unsigned server = ring_lookup(pool->other, keytag_part(&pool->tag, key));
    unsigned node = pool->other_members == NULL ? server : pool->other_members[server];
    *(pool->move == MOVE_PREPARE ? &out->to : &out->from) = node;
    return out->from != out->to;
}

static unsigned
replicas_on(const struct table_pool *pool, const struct ring *ring, const unsigned *members,
            struct span key, unsigned *out)
{
    unsigned n = ring_successors(ring, keytag_part(&pool->tag, key), out, pool->replicas);
    for (unsigned i = 0; i < n && members != NULL; i++) {
        out[i] = members[out[i]];
    }
    return n;
}

unsigned
table_pool_replicas(const struct table_pool *pool, struct span key, unsigned *out)
{
    return replicas_on(pool, pool->ring, pool->members, key, out);
}

unsigned
table_pool_other_replicas(const struct table_pool *pool, struct span key, unsigned *out)
{
    return pool->other == NULL ? 0 : replicas_on(pool, pool->other, pool->other_members, key, out);
}

struct table *
table_ref(struct table *table)
{
    unsigned before = atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return table;
}

static void
deinit_node(struct table_node *node)
{
    free(node->id);
    free(node->addr);
    free(node->ring_name);
    free(node->zone);
}

void
table_pool_deinit(struct table_pool *pool)
{
    ring_destroy(&pool->ring);
    ring_destroy(&pool->other);
    free(pool->members);
    free(pool->other_members);
    for (unsigned i = 0; i < pool->node_count; i++) {
        deinit_node(&pool->nodes[i]);
    }
    free(pool->nodes);
    free(pool->name);
    free(pool->strip_prefix);
    free(pool->gutter);
    free(pool->shadow.name);
    for (unsigned i = 0; i < pool->limit_count; i++) {
        free(pool->limits[i].prefix);
    }
    free(pool->limits);
    free(pool->limits_text);
    prefixmap_deinit(&pool->limit_prefixes);
    free(pool->config_cluster);
    free(pool->config_nodes);
    free(pool->hot_text);
    hotset_deinit(&pool->hot);
    free(pool->hash_stop);
    *pool = (struct table_pool){0};
}

static void
free_table(struct table *table)
{
    for (unsigned i = 0; i < table->pool_count; i++) {
        table_pool_deinit(&table->pools[i]);
    }
    free(table->pools);
    prefixmap_deinit(&table->routes);
    free(table->cluster);
    free(table->incarnation);
    free(table->by);
    free(table->reason);
    buf_deinit(&table->document);
    free(table);
}

void
table_unref(struct table **table)
{
    struct table *it = *table;
    *table = NULL;
    if (it == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        free_table(it);
    }
}

size_t
table_stripped(const struct table *table, struct span key)
{
    const struct prefixmap_entry *e = prefixmap_longest(&table->routes, key);
    return e != NULL && (e->value & TABLE_ROUTE_STRIPS) != 0 ? e->bytes : 0;
}

const struct table_pool *
table_pool_find(const struct table *table, struct span name)
{
    for (unsigned i = 0; i < table->pool_count; i++) {
        if (span_eq_cstr(name, table->pools[i].name)) {
            return &table->pools[i];
        }
    }
    return NULL;
}
