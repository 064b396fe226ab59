#include "proxy/placement.h"
#include "common/core/assert.h"
#include "common/core/hash.h"
#include "common/core/mem.h"
#include "proxy/admission.h"
#include "proxy/shadow_counts.h"
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
        free((*stats)->latency);
        free(*stats);
    }
    *stats = NULL;
}

static struct node_stats *
node_stats_create(unsigned workers)
{
    struct node_stats *stats = mem_zalloc_lines(sizeof(*stats));
    atomic_init(&stats->refs, 1);
    stats->workers = workers;
    stats->latency = mem_zalloc_lines(workers * sizeof(stats->latency[0]));
    return stats;
}

struct histogram
node_stats_latency(const struct node_stats *stats)
{
    struct histogram sum = {{0}, 0};
    for (unsigned i = 0; i < stats->workers; i++) {
        histogram_sum(&stats->latency[i].cells, &sum);
    }
    return sum;
}

static bool
is_same(const struct place_node *a, const struct table_node *b, bool shadow)
{
    return a->shadow == shadow && strcmp(a->node->id, b->id) == 0 &&
           strcmp(a->node->addr, b->addr) == 0;
}

/* The index entry of `node`: its own if it is known, else a free one. */
static unsigned *
index_entry(const struct placement *p, const struct table_node *node, bool shadow)
{
    uint64_t hash = hash_span(span_cstr(node->id)) ^ hash_span(span_cstr(node->addr));
    for (unsigned at = (unsigned)hash & p->index_mask;; at = (at + 1) & p->index_mask) {
        unsigned *entry = &p->index[at];
        if (*entry == 0 || is_same(&p->nodes[*entry - 1], node, shadow)) {
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
    node->stats = node_stats_create(host->workers);
    node->journal = journal_create(host->budget, host->workers);
    if (host->journals != NULL && !node->shadow) {
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
    struct place_node *node = &p->nodes[placement_all(p)];
    *node = *template;
    unsigned entry = previous != NULL ? *index_entry(previous, node->node, node->shadow) : 0;
    if (entry != 0) {
        continue_node(node, previous, entry - 1);
    } else if (!begin_node(node, host)) {
        return false;
    }
    ++*(node->shadow ? &p->shadow_count : &p->node_count);
    return true;
}

/* The node of the template, a new one or the one that another pool has named. Returns its
 * index, or PLACE_NONE if its address is malformed. */
static unsigned
place_node(struct placement *p, const struct place_node *template, const struct placement *previous,
           const struct placement_host *host, char *error)
{
    unsigned *entry = index_entry(p, template->node, template->shadow);
    if (*entry != 0) {
        p->nodes[*entry - 1].shared = true;
    } else if (add_node(p, template, previous, host)) {
        *entry = placement_all(p);
    } else {
        snprintf(error, TABLE_ERROR_MAX, "pool %s, node %s: malformed address %s",
                 template->pool->name, template->node->id, template->node->addr);
        return PLACE_NONE;
    }
    return *entry - 1;
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
        place->nodes[i] = place_node(p, &node, previous, host, error);
        if (place->nodes[i] == PLACE_NONE) {
            return false;
        }
    }
    place->admission = admission_create(pool, admission_before(previous, pool->name));
    if (pool->promote_percent > 0 && pool->replicas > 1 && pool->node_count > 1) {
        place->promoter = promoter_create(pool->promote_percent, pool->node_count);
    }
    return true;
}

static int
compare_addrs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **
sorted_addrs(const struct table_pool *pool)
{
    const char **addrs = mem_alloc((pool->node_count + 1) * sizeof(*addrs));
    for (unsigned i = 0; i < pool->node_count; i++) {
        addrs[i] = pool->nodes[i].addr;
    }
    qsort(addrs, pool->node_count, sizeof(*addrs), compare_addrs);
    return addrs;
}

static const struct table_pool *
shadow_of(const struct table *table, unsigned pool)
{
    const struct table_pool *p = &table->pools[pool];
    bool has_one = p->shadow.pool != TABLE_NO_POOL && p->shadow.percent > 0;
    return has_one ? &table->pools[p->shadow.pool] : NULL;
}

static struct shadow_counts *
counts_of(const struct placement *previous, const char *pool_name, unsigned workers)
{
    for (unsigned i = 0; previous != NULL && i < previous->table->pool_count; i++) {
        struct shadow_counts *counts = previous->pools[i].copied;
        if (counts != NULL && strcmp(previous->pools[i].pool->name, pool_name) == 0) {
            return shadow_counts_ref(counts);
        }
    }
    return shadow_counts_create(workers);
}

/* A node that is in both pools has the request already: a copy would be a second one, of an
 * incr too. */
static bool
place_shadow(struct placement *p, unsigned pool_index, const struct placement *previous,
             const struct placement_host *host, char *error)
{
    const struct table_pool *pool = &p->table->pools[pool_index];
    const struct table_pool *to = shadow_of(p->table, pool_index);
    if (to == NULL) {
        return true;
    }
    unsigned *nodes = mem_zalloc(to->node_count * sizeof(unsigned));
    p->pools[pool_index].shadow_nodes = nodes;
    p->pools[pool_index].copied = counts_of(previous, pool->name, host->workers);
    const char **own = sorted_addrs(pool);
    bool ok = true;
    for (unsigned i = 0; i < to->node_count && ok; i++) {
        const char *addr = to->nodes[i].addr;
        struct place_node node = {
            .node = &to->nodes[i], .pool = to, .pool_index = pool->shadow.pool, .shadow = true};
        if (bsearch(&addr, own, pool->node_count, sizeof(*own), compare_addrs) != NULL) {
            nodes[i] = PLACE_NONE;
        } else {
            nodes[i] = place_node(p, &node, previous, host, error);
            ok = nodes[i] != PLACE_NONE;
        }
    }
    free(own);
    return ok;
}

static struct placement *
allocate(struct table *table, unsigned workers)
{
    unsigned nodes = 0;
    for (unsigned i = 0; i < table->pool_count; i++) {
        const struct table_pool *shadow = shadow_of(table, i);
        nodes += table->pools[i].node_count + (shadow != NULL ? shadow->node_count : 0);
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

static int
compare_ids(const void *a, const void *b)
{
    return strcmp((*(struct place_node *const *)a)->node->id,
                  (*(struct place_node *const *)b)->node->id);
}

/* An id is one node's in its pool; another pool may have another node of that id. */
static void
name_nodes(struct placement *p)
{
    struct place_node **sorted = mem_alloc((placement_all(p) + 1) * sizeof(sorted[0]));
    unsigned n = p->node_count;
    for (unsigned i = 0; i < n; i++) {
        sorted[i] = &p->nodes[i];
    }
    qsort(sorted, n, sizeof(sorted[0]), compare_ids);
    for (unsigned i = 0; i < n; i++) {
        const struct table_node *node = sorted[i]->node;
        bool known = (i > 0 && strcmp(sorted[i - 1]->node->id, node->id) == 0) ||
                     (i + 1 < n && strcmp(sorted[i + 1]->node->id, node->id) == 0);
        sorted[i]->name = known ? mem_printf("%s@%s", node->id, node->addr) : mem_strdup(node->id);
    }
    free(sorted);
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
    for (unsigned i = 0; i < table->pool_count; i++) { /* they come behind all others */
        if (!place_shadow(p, i, previous, host, error)) {
            placement_unref(&p);
            return NULL;
        }
    }
    name_nodes(p);
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
        if (*index_entry(next, previous->nodes[i].node, false) == 0) {
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
    for (unsigned i = 0; i < placement_all(p); i++) {
        free(p->nodes[i].name);
        node_stats_unref(&p->nodes[i].stats);
        endpoint_unref(&p->nodes[i].endpoint);
        journal_unref(&p->nodes[i].journal);
    }
    for (unsigned i = 0; i < p->table->pool_count; i++) {
        free(p->pools[i].nodes);
        free(p->pools[i].shadow_nodes);
        shadow_counts_unref(&p->pools[i].copied);
        admission_destroy(&p->pools[i].admission);
        promoter_destroy(&p->pools[i].promoter);
    }
    table_unref(&p->table);
    free(p->nodes);
    free(p->pools);
    free(p->index);
    free(p);
}
