/* Which table of a move may follow which. On both sides of a step the two tables are
 * in use at the same time, so only neighbours may be (t/unit/check_table.c):
 *
 *     none <-> prepare <-> warm <-> active -> done -> none, on the ring of after
 *
 * When it is done the old owner is not told of writes any more, so nothing leads
 * back from there. */
#include "common/fleet/table.h"

/* The next node on that side, from *at on; NULL after the last. */
static const struct table_node *
next_on(const struct table_pool *pool, enum table_side side, unsigned *at)
{
    while (*at < pool->node_count) {
        const struct table_node *node = &pool->nodes[(*at)++];
        if (table_node_is_on(node, side)) {
            return node;
        }
    }
    return NULL;
}

static const char *
sha_of(const struct table_pool *pool, enum table_side side)
{
    bool before = side == TABLE_BEFORE && pool->move != MOVE_NONE;
    return before ? pool->ring_sha_before : pool->ring_sha;
}

/* The same ring of the same nodes? One that replaces another may have its points. */
static bool
same_ring(const struct table_pool *a, enum table_side side_a, const struct table_pool *b,
          enum table_side side_b)
{
    const struct table_node *x, *y;
    unsigned at_a = 0, at_b = 0;
    do {
        x = next_on(a, side_a, &at_a);
        y = next_on(b, side_b, &at_b);
    } while (x != NULL && y != NULL && strcmp(x->id, y->id) == 0);
    return x == NULL && y == NULL && strcmp(sha_of(a, side_a), sha_of(b, side_b)) == 0;
}

static bool
is_same_move(const struct table_pool *a, const struct table_pool *b)
{
    return same_ring(a, TABLE_BEFORE, b, TABLE_BEFORE) && same_ring(a, TABLE_AFTER, b, TABLE_AFTER);
}

static bool
begins(const struct table_pool *old, const struct table_pool *next)
{
    return next->move == MOVE_PREPARE && same_ring(old, TABLE_AFTER, next, TABLE_BEFORE);
}

bool
table_move_follows(const struct table_pool *old, const struct table_pool *next)
{
    switch (old->move) {
    case MOVE_NONE: return next->move == MOVE_NONE || begins(old, next);
    case MOVE_DONE:
        if (next->move == MOVE_NONE) {
            return same_ring(old, TABLE_AFTER, next, TABLE_AFTER);
        }
        return begins(old, next) || (next->move == MOVE_DONE && is_same_move(old, next));
    case MOVE_PREPARE:
        if (next->move == MOVE_NONE) {
            return same_ring(old, TABLE_BEFORE, next, TABLE_AFTER);
        }
        break;
    case MOVE_WARM:
    case MOVE_ACTIVE:
        if (next->move == MOVE_NONE) {
            return false;
        }
        break;
    case MOVE_STEP_COUNT: return false;
    }
    int steps = (int)next->move - (int)old->move;
    return steps >= -1 && steps <= 1 && is_same_move(old, next);
}
