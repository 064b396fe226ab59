#include "proxy/placement.h"
#include "common/core/assert.h"
#include "common/core/hash.h"
#include "common/core/mem.h"
#include "proxy/admission.h"
#include "proxy/journal.h"
#include "proxy/journal_file.h"
#include "proxy/promoter.h"

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
same_node(const struct table_node *a, const struct table_node *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->addr, b->addr) == 0;
}

/* The index entry of `node`: its own if it is known, else a free one. */
static unsigned *
index_entry(const struct placement *p, const struct table_node *node)
{
    uint64_t hash = hash_span(span_cstr(node->id)) ^ hash_span(span_cstr(node->addr));
    for (unsigned at = (unsigned)hash & p->index_mask;; at = (at + 1) & p->index_mask) {
        unsigned *entry = &p->index[at];
        if (*entry == 0 || same_node(p->nodes[*entry - 1].node, node)) {
            return entry;
        }
    }
}

/* False if the address is malformed. */
static bool
begin_node(struct place_node *node, const struct placement_host *host)
{
    struct addr_name name;
    if (!addr_parse(span_cstr(node->node->addr), DEFAULT_PORT, &name)) {
        return false;
    }
    node->same_as = PLACE_NEW;
    node->endpoint = endpoint_create(host->resolver, &name);
    node->stats = node_stats_create();
    node->journal = journal_create(host->budget, host->workers);
    if (host->journals != NULL) {
        journal_file_open(host->journals, node->journal, node->node->id, node->node->addr);
        atomic_store(&node->stats->journal, journal_count(node->journal));
    }
    endpoint_look_up(node->endpoint);
    return true;
}

static void
continue_node(struct place_node *node, const struct placement *previous, unsigned index)
{
    node->same_as = index;
    node->endpoint = endpoint_ref(previous->nodes[index].endpoint);
    node->stats = node_stats_ref(previous->nodes[index].stats);
    node->journal = journal_ref(previous->nodes[index].journal);
}

static bool
add_node(struct placement *p, const struct place_node *template, const struct placement *previous,
         const struct placement_host *host)
{
    struct place_node *node = &p->nodes[p->node_count];
    *node = *template;
    unsigned entry = previous != NULL ? *index_entry(previous, node->node) : 0;
    if (entry != 0) {
        continue_node(node, previous, entry - 1);
    } else if (!begin_node(node, host)) {
        return false;
    }
    p->node_count++;
    return true;
}

static const struct admission *
admission_before(const struct placement *previous, const char *pool_name)
{
    for (unsigned i = 0; previous != NULL && i < previous->table->pool_count; i++) {
        if (strcmp(previous->pools[i].pool->name, pool_name) == 0) {
            return previous->pools[i].admission;
        }
    }
    return NULL;
}

static bool
place_pool(struct placement *p, unsigned pool_index, const struct placement *previous,
           const struct placement_host *host, char *error)
{
    const struct table_pool *pool = &p->table->pools[pool_index];
    struct place_pool *place = &p->pools[pool_index];
    place->pool = pool;
    place->nodes = mem_zalloc(pool->node_count * sizeof(unsigned));
    for (unsigned i = 0; i < pool->node_count; i++) {
        struct place_node node = {.node = &pool->nodes[i], .pool = pool, .pool_index = pool_index};
        unsigned *entry = index_entry(p, node.node);
        if (*entry != 0) {
            p->nodes[*entry - 1].shared = true;
        } else if (add_node(p, &node, previous, host)) {
            *entry = p->node_count;
        } else {
            snprintf(error, TABLE_ERROR_MAX, "pool %s, node %s: malformed address %s", pool->name,
                     node.node->id, node.node->addr);
            return false;
        }
        place->nodes[i] = *entry - 1;
    }
    place->admission = admission_create(pool, admission_before(previous, pool->name));
    if (pool->promote_percent > 0 && pool->replicas > 1 && pool->node_count > 1) {
        place->promoter = promoter_create(pool->promote_percent, pool->node_count);
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
placement_create(struct table *table, const struct placement *previous,
                 const struct placement_host *host, char *error)
{
    struct placement *p = allocate(table, host->workers);
    for (unsigned i = 0; i < table->pool_count; i++) {
        if (!place_pool(p, i, previous, host, error)) {
            placement_unref(&p);
            return NULL;
        }
    }
    resolver_wait(host->resolver, PLACEMENT_LOOKUP_MS);
    return p;
}

const char *
place_node_addr(const struct place_node *node, char *out)
{
    struct addr addr;
    if (endpoint_addr(node->endpoint, 0, &addr)) {
        return addr_format(&addr, out);
    }
    snprintf(out, ADDR_TEXT_MAX, "%s", node->node->addr);
    return out;
}

void
placement_drop_files(struct placement *previous, const struct placement *next)
{
    for (unsigned i = 0; i < previous->node_count; i++) {
        if (*index_entry(next, previous->nodes[i].node) == 0) {
            journal_drop_file(previous->nodes[i].journal);
        }
    }
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
        endpoint_unref(&p->nodes[i].endpoint);
        journal_unref(&p->nodes[i].journal);
    }
    for (unsigned i = 0; i < p->table->pool_count; i++) {
        free(p->pools[i].nodes);
        admission_destroy(&p->pools[i].admission);
        promoter_destroy(&p->pools[i].promoter);
    }
    table_unref(&p->table);
    free(p->nodes);
    free(p->pools);
    free(p->index);
    free(p);
}
