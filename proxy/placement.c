#include "proxy/placement.h"
#include "common/core/assert.h"
#include "common/core/hash.h"
#include "common/core/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PORT 11211

struct node_stats *
node_stats_ref(struct node_stats *stats)
{
    atomic_fetch_add_explicit(&stats->refs, 1, memory_order_relaxed);
    return stats;
}

void
node_stats_unref(struct node_stats **stats)
{
    if (*stats != NULL && atomic_fetch_sub(&(*stats)->refs, 1) == 1) {
        free(*stats);
    }
    *stats = NULL;
}

static struct node_stats *
node_stats_create(void)
{
    struct node_stats *stats = mem_zalloc_lines(sizeof(*stats));
    atomic_init(&stats->refs, 1);
    return stats;
}

static bool
same_node(const struct place_node *a, const struct place_node *b)
{
    return strcmp(a->node->id, b->node->id) == 0 && a->addr.len == b->addr.len &&
           memcmp(&a->addr.sa, &b->addr.sa, a->addr.len) == 0;
}

/* The index entry of `node`: its own if it is known, else a free one. */
static unsigned *
index_entry(const struct placement *p, const struct place_node *node)
{
    uint64_t hash =
        hash_span(span_cstr(node->node->id)) ^ hash_span(span_make(&node->addr.sa, node->addr.len));
    for (unsigned at = (unsigned)hash & p->index_mask;; at = (at + 1) & p->index_mask) {
        unsigned *entry = &p->index[at];
        if (*entry == 0 || same_node(&p->nodes[*entry - 1], node)) {
            return entry;
        }
    }
}

static void
link_to_previous(struct place_node *node, const struct placement *previous)
{
    unsigned entry = previous != NULL ? *index_entry(previous, node) : 0;
    node->same_as = entry != 0 ? entry - 1 : PLACE_NEW;
    node->stats =
        entry != 0 ? node_stats_ref(previous->nodes[entry - 1].stats) : node_stats_create();
}

static bool
resolve(const struct table_pool *pool, const struct table_node *node, struct addr *out, char *error)
{
    struct addr_name name;
    const char *why = "malformed address";
    if (addr_parse(span_cstr(node->addr), DEFAULT_PORT, &name) &&
        addr_resolve(&name, false, out, &why)) {
        return true;
    }
    snprintf(error, TABLE_ERROR_MAX, "pool %s, node %s: cannot resolve %s: %s", pool->name,
             node->id, node->addr, why);
    return false;
}

static bool
place_pool(struct placement *p, unsigned pool_index, const struct placement *previous, char *error)
{
    const struct table_pool *pool = &p->table->pools[pool_index];
    struct place_pool *place = &p->pools[pool_index];
    place->pool = pool;
    place->nodes = mem_zalloc(pool->node_count * sizeof(unsigned));
    for (unsigned i = 0; i < pool->node_count; i++) {
        struct place_node node = {.node = &pool->nodes[i], .pool = pool, .pool_index = pool_index};
        if (!resolve(pool, node.node, &node.addr, error)) {
            return false;
        }
        unsigned *entry = index_entry(p, &node);
        if (*entry == 0) {
            link_to_previous(&node, previous);
            p->nodes[p->node_count] = node;
            *entry = ++p->node_count;
        } else {
            p->nodes[*entry - 1].shared = true;
        }
        place->nodes[i] = *entry - 1;
    }
    return true;
}

static struct placement *
allocate(struct table *table, unsigned workers)
{
    unsigned nodes = 0;
    for (unsigned i = 0; i < table->pool_count; i++) {
        nodes += table->pools[i].node_count;
    }
    unsigned entries = 16;
    while (entries < nodes * 2) {
        entries *= 2;
    }
    struct placement *p = mem_zalloc(sizeof(*p));
    p->table = table_ref(table);
    p->nodes = mem_zalloc(nodes * sizeof(p->nodes[0]));
    p->pools = mem_zalloc(table->pool_count * sizeof(p->pools[0]));
    p->index = mem_zalloc(entries * sizeof(p->index[0]));
    p->index_mask = entries - 1;
    atomic_init(&p->refs, 1);
    atomic_init(&p->uncleared, workers);
    return p;
}

struct placement *
placement_create(struct table *table, const struct placement *previous, unsigned workers,
                 char *error)
{
    struct placement *p = allocate(table, workers);
    for (unsigned i = 0; i < table->pool_count; i++) {
        if (!place_pool(p, i, previous, error)) {
            placement_unref(&p);
            return NULL;
        }
    }
    return p;
}

struct placement *
placement_ref(struct placement *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void
placement_unref(struct placement **placement)
{
    struct placement *p = *placement;
    *placement = NULL;
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1) {
        return;
    }
    for (unsigned i = 0; i < p->node_count; i++) {
        node_stats_unref(&p->nodes[i].stats);
    }
    for (unsigned i = 0; i < p->table->pool_count; i++) {
        free(p->pools[i].nodes);
    }
    table_unref(&p->table);
    free(p->nodes);
    free(p->pools);
    free(p->index);
    free(p);
}
