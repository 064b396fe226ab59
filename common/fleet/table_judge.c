#include "common/core/mem.h"
#include "common/fleet/table.h"
#include "common/fleet/table_build.h"

#include <stdlib.h>

#define SHRINK_PERCENT 10 /* of a pool's nodes may go without force */

static const struct verdict_row {
    const char *name, *why;
} verdicts[] = {
#define X(id, name, why) {name, why},
    TABLE_VERDICTS(X)
#undef X
};

const char *
table_verdict_name(enum table_verdict verdict)
{
    return verdicts[verdict].name;
}

const char *
table_verdict_why(enum table_verdict verdict)
{
    return verdicts[verdict].why;
}

static int
compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **
sorted_ids(const struct table_pool *pool)
{
    const char **ids = mem_alloc((pool->node_count + 1) * sizeof(*ids));
    for (unsigned i = 0; i < pool->node_count; i++) {
        ids[i] = pool->nodes[i].id;
    }
    qsort(ids, pool->node_count, sizeof(*ids), compare_ids);
    return ids;
}

/* Does the node have keys? While they move both their owners do; one that is still to
 * get them, or has none any more, may go. */
static bool
serves(const struct table_pool *pool, const struct table_node *node)
{
    switch (node->rings) {
    case NODE_IN_BOTH: return true;
    case NODE_IN_BEFORE: return pool->move != MOVE_DONE;
    case NODE_IN_AFTER: return pool->move != MOVE_PREPARE;
    }
    return true;
}

static bool
is_too_much(uint64_t removed, uint64_t of)
{
    return removed * 100 > of * SHRINK_PERCENT;
}

/* Of `old`'s nodes that have keys, does `next` lack too many? */
static bool
lacks_nodes(const struct table_pool *old, const struct table_pool *next)
{
    const char **kept = sorted_ids(next);
    unsigned removed = 0, all = 0;
    for (unsigned i = 0; i < old->node_count; i++) {
        if (serves(old, &old->nodes[i])) {
            const char *id = old->nodes[i].id;
            removed += bsearch(&id, kept, next->node_count, sizeof(*kept), compare_ids) == NULL;
            all++;
        }
    }
    free(kept);
    return is_too_much(removed, all);
}

static unsigned
count_on(const struct table_pool *pool, enum table_side side)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pool->node_count; i++) {
        count += table_node_is_on(&pool->nodes[i], side);
    }
    return count;
}

/* A move that begins may replace as many nodes as it likes, but not do with much
 * fewer. */
static bool
begins_to_shrink(const struct table_pool *old, const struct table_pool *next)
{
    unsigned before = count_on(next, TABLE_BEFORE), after = count_on(next, TABLE_AFTER);
    return !table_pool_is_moving(old) && table_pool_is_moving(next) && after < before &&
           is_too_much(before - after, before);
}

static bool
shrinks(const struct table_pool *old, const struct table_pool *next)
{
    return lacks_nodes(old, next) || begins_to_shrink(old, next);
}

/* Anything but the nodes that decides where a key goes. */
bool
table_pool_places_otherwise(const struct table_pool *old, const struct table_pool *next)
{
    return old->ring_config.kind != next->ring_config.kind ||
           old->ring_config.hash != next->ring_config.hash || old->tag.open != next->tag.open ||
           old->tag.close != next->tag.close ||
           !span_eq(old->tag.strip_prefix, next->tag.strip_prefix) ||
           !span_eq(old->tag.stop, next->tag.stop);
}

static enum table_verdict
judge_pools(const struct table *current, const struct table *next)
{
    for (unsigned i = 0; i < current->pool_count; i++) {
        const struct table_pool *old = &current->pools[i];
        const struct table_pool *pool = table_pool_find(next, span_cstr(old->name));
        if (pool == NULL || shrinks(old, pool)) {
            return TABLE_SHRINK;
        }
        if (table_pool_places_otherwise(old, pool)) {
            return TABLE_RING_CHANGE;
        }
        if (!table_move_follows(old, pool)) {
            return TABLE_MOVE_SKIP;
        }
    }
    return TABLE_ADOPT;
}

enum table_verdict
table_judge(const struct table *current, const struct table *next)
{
    if (current == NULL) {
        return TABLE_ADOPT;
    }
    if (strcmp(current->cluster, next->cluster) != 0) {
        return TABLE_OTHER_CLUSTER;
    }
    /* Epochs of another incarnation say nothing: an operator began anew. */
    if (strcmp(current->incarnation, next->incarnation) == 0) {
        if (next->epoch < current->epoch) {
            return TABLE_OLDER;
        }
        if (next->epoch == current->epoch) {
            return strcmp(current->sha, next->sha) == 0 ? TABLE_SAME : TABLE_CONFLICT;
        }
    }
    return next->force ? TABLE_ADOPT : judge_pools(current, next);
}

enum table_verdict
table_judge_published(const struct table *current, const struct table *next)
{
    enum table_verdict verdict = table_judge(current, next);
    bool large =
        verdict == TABLE_SHRINK || verdict == TABLE_RING_CHANGE || verdict == TABLE_MOVE_SKIP;
    if (large && strcmp(current->incarnation, next->incarnation) == 0 &&
        next->epoch > current->epoch + 1) {
        return TABLE_ADOPT;
    }
    return verdict;
}
