#include "t/chaos/chaosmover.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/* The same both times, so that who asks first knows. */
static bool
plan(const struct chaos_mover *mv, const struct chaos_fleet *f, struct chaos_ring *next,
     unsigned *gains)
{
    uint64_t rng = mv->rng;
    return chaos_fleet_settled(f) &&
           chaos_move_begin(&f->ring, f->setup.nodes, random_next(&rng), next, gains);
}

unsigned
chaos_mover_gains(const struct chaos_mover *mv, const struct chaos_fleet *f)
{
    struct chaos_ring next;
    unsigned gains;
    return plan(mv, f, &next, &gains) ? gains : 0;
}

/* Either is what an operator may do. */
static void
empty(struct chaos_mover *mv, struct chaos_fleet *f, unsigned node)
{
    if (random_next(&mv->rng) % 2 == 0 && chaos_node_flush(f, node)) {
        return;
    }
    chaos_node_end(f, node, SIGKILL);
    chaos_node_start(f, node);
}

static void
publish(struct chaos_mover *mv, struct chaos_fleet *f, const struct chaos_ring *ring)
{
    uint64_t now = clock_mono_us();
    chaos_fleet_step(f, ring, (unsigned)(random_next(&mv->rng) % f->setup.proxies));
    mv->pay_us = now + random_next(&mv->rng) % mv->longest_us;
    mv->next_us = now + random_next(&mv->rng) % (4 * mv->longest_us);
}

bool
chaos_mover_begin(struct chaos_mover *mv, struct chaos_fleet *f)
{
    struct chaos_ring next;
    unsigned gains;
    if (!plan(mv, f, &next, &gains)) {
        return false;
    }
    (void)random_next(&mv->rng); /* plan()'s */
    for (unsigned i = 0; i < f->setup.nodes; i++) {
        if ((gains >> i & 1) != 0) {
            empty(mv, f, i);
        }
    }
    publish(mv, f, &next);
    return true;
}

/* Has the proxy delivered to these nodes what it owes them? */
static bool
owes_nothing(struct chaos_fleet *f, unsigned proxy, unsigned nodes)
{
    struct buf stats = BUF_EMPTY;
    bool all = chaos_fleet_ask(f, proxy, "stats backends", &stats);
    for (unsigned i = 0; all && i < f->setup.nodes; i++) {
        char row[64];
        snprintf(row, sizeof(row), "STAT n%u:journal 0\r\n", i);
        all = (nodes >> i & 1) == 0 || strstr(buf_span(&stats).ptr, row) != NULL;
    }
    buf_deinit(&stats);
    return all;
}

static bool
may_follow(struct chaos_fleet *f, const struct chaos_ring *next)
{
    bool may = true;
    unsigned sources = chaos_move_sources(&f->ring, f->setup.nodes);
    for (unsigned i = 0; i < f->setup.proxies && next->step == MOVE_DONE; i++) {
        may = may && owes_nothing(f, i, sources);
    }
    return may;
}

bool
chaos_mover_go_on(struct chaos_mover *mv, struct chaos_fleet *f, uint64_t now_us)
{
    if (now_us >= mv->pay_us) {
        chaos_fleet_pay(f);
    }
    if (f->ring.step == MOVE_NONE || now_us < mv->next_us || !chaos_fleet_settled(f)) {
        return true;
    }
    struct chaos_ring next = chaos_move_next(&f->ring);
    if (!may_follow(f, &next)) {
        mv->owed_us = mv->owed_us != 0 ? mv->owed_us : now_us;
        return now_us < mv->owed_us + mv->longest_us;
    }
    mv->owed_us = 0;
    if (next.step == MOVE_NONE) {
        chaos_count(f->run, CHAOS_COUNT_MOVES);
    }
    publish(mv, f, &next);
    return true;
}
