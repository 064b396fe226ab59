/* The moves of the chaos: two nodes stay at least, no two have one ring name, and
 * the nodes that are emptied are those that get keys. */
#include "common/core/backoff.h"
#include "t/chaos/chaosmove.h"
#include "t/unit/unit.h"

enum { NODES = 5, MOVES = 2000 };

static bool
names_differ(const struct chaos_ring *ring)
{
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (ring->names[i] == ring->names[j]) {
                return false;
            }
        }
    }
    return true;
}

/* Who has joined; if nobody has, all that stay. */
static unsigned
who_gains(const struct chaos_ring *ring)
{
    unsigned joined = 0, stay = 0;
    for (unsigned i = 0; i < NODES; i++) {
        stay |= (ring->weights[i] > 0 ? 1u : 0) << i;
        joined |= (ring->before[i] == 0 ? 1u : 0) << i & stay;
    }
    return joined != 0 ? joined : stay;
}

START_TEST(each_goes_by_all_steps)
{
    struct chaos_ring ring = {.weights = {1, 1, 1, 1, 1}, .names = {0, 1, 2, 3, 4}};
    uint64_t rng = 7;
    unsigned joined = 0, left = 0, replaced = 0;
    for (unsigned i = 0; i < MOVES; i++) {
        struct chaos_ring next, again;
        unsigned gains, size = chaos_ring_size(&ring, NODES);
        ck_assert(chaos_move_begin(&ring, NODES, random_next(&rng), &next, &gains));
        ck_assert(!chaos_move_begin(&next, NODES, 1, &again, &gains));
        ck_assert_int_eq(next.step, MOVE_PREPARE);
        ck_assert_uint_eq(gains, who_gains(&next));
        ck_assert_uint_ne(chaos_move_sources(&next, NODES), 0);
        ck_assert(names_differ(&next));
        unsigned after = chaos_ring_size(&next, NODES);
        ck_assert_uint_ge(after, 2);
        joined += after > size;
        left += after < size;
        replaced += after == size;
        ring = next;
        for (unsigned step = MOVE_PREPARE; step <= MOVE_DONE; step++) {
            ck_assert_int_eq(ring.step, step);
            ring = chaos_move_next(&ring);
        }
        ck_assert_int_eq(ring.step, MOVE_NONE);
    }
    ck_assert_uint_gt(joined, MOVES / 10);
    ck_assert_uint_gt(left, MOVES / 10);
    ck_assert_uint_gt(replaced, MOVES / 10);
}
END_TEST

UNIT_MAIN("chaos_move", each_goes_by_all_steps)
