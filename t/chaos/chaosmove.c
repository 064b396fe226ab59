#include "t/chaos/chaosmove.h"
#include "common/core/assert.h"

unsigned
chaos_ring_size(const struct chaos_ring *ring, unsigned nodes)
{
    unsigned size = 0;
    for (unsigned i = 0; i < nodes; i++) {
        size += ring->weights[i] > 0;
    }
    return size;
}

/* The n-th node that has keys, or that has none. */
static unsigned
pick_node(const struct chaos_ring *ring, unsigned nodes, bool has_keys, uint64_t n)
{
    unsigned size = chaos_ring_size(ring, nodes), of = has_keys ? size : nodes - size;
    unsigned left = (unsigned)(n % of), i = 0;
    for (;; i++) {
        if ((ring->weights[i] > 0) == has_keys && left-- == 0) {
            return i;
        }
    }
}

/* All others have more keys than before. */
static unsigned
leave(struct chaos_ring *next, unsigned nodes, uint64_t pick)
{
    unsigned gains = 0, node = pick_node(next, nodes, true, pick);
    next->weights[node] = 0;
    for (unsigned i = 0; i < nodes; i++) {
        gains |= (next->weights[i] > 0 ? 1u : 0) << i;
    }
    return gains;
}

static unsigned
join(struct chaos_ring *next, unsigned nodes, uint64_t pick)
{
    unsigned node = pick_node(next, nodes, false, pick);
    next->weights[node] = 1 + (unsigned)(pick >> 8) % 3;
    return 1u << node;
}

/* By its ring name: no other node's keys change. */
static unsigned
replace(struct chaos_ring *next, unsigned nodes, uint64_t pick)
{
    unsigned old = pick_node(next, nodes, true, pick);
    unsigned node = pick_node(next, nodes, false, pick >> 8);
    unsigned name = next->names[node];
    next->weights[node] = next->weights[old];
    next->names[node] = next->names[old];
    next->weights[old] = 0;
    next->names[old] = name;
    return 1u << node;
}

bool
chaos_move_begin(const struct chaos_ring *ring, unsigned nodes, uint64_t pick,
                 struct chaos_ring *next, unsigned *gains)
{
    unsigned size = chaos_ring_size(ring, nodes);
    if (ring->step != MOVE_NONE) {
        return false;
    }
    *next = *ring;
    memcpy(next->before, ring->weights, sizeof(next->before));
    memcpy(next->names_before, ring->names, sizeof(next->names_before));
    next->step = MOVE_PREPARE;
    bool may_leave = size > 2, may_join = size < nodes;
    if (may_join && (!may_leave || pick % 3 != 0)) {
        *gains = pick % 3 == 1 ? replace(next, nodes, pick >> 2) : join(next, nodes, pick >> 2);
    } else if (may_leave) {
        *gains = leave(next, nodes, pick >> 2);
    } else {
        return false;
    }
    return true;
}

struct chaos_ring
chaos_move_next(const struct chaos_ring *ring)
{
    struct chaos_ring next = *ring;
    ASSERT(ring->step != MOVE_NONE);
    next.step = ring->step == MOVE_DONE ? MOVE_NONE : ring->step + 1;
    return next;
}

unsigned
chaos_move_sources(const struct chaos_ring *ring, unsigned nodes)
{
    unsigned sources = 0;
    for (unsigned i = 0; i < nodes && i < CHAOS_NODES_MAX; i++) {
        sources |= (ring->before[i] > 0 ? 1u : 0) << i;
    }
    return sources;
}
