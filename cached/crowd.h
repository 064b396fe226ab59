/* crowd.h - how many connections ask at the same time? Pure.
 *
 * Counts how many different ones had a turn in a window of CROWD_WINDOW_US. While many
 * do, a worker that has much to do may let some microseconds pass before its next turn
 * (loop_gather()): several will have asked by then, and are read, executed and answered
 * together, which costs a good deal less than one after the other; so they are answered
 * sooner, too. A few have nobody to wait for. (A proxy knows who waits for an answer and
 * goes by that, proxy/gather.h; at a node nobody waits from one turn to the next.)
 *
 * One per worker; its thread only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define CROWD_WINDOW_US 1000
#define CROWD_LARGE     12 /* fewer in a window are few */

struct crowd {
    uint64_t since_us; /* when the window began */
    uint32_t round;    /* its number; a connection knows that of its last turn */
    unsigned count;    /* in this window */
    unsigned before;   /* in the last one */
};

/* A turn of the worker begins. */
static inline void
crowd_turn(struct crowd *c, uint64_t now_us)
{
    if (now_us - c->since_us >= CROWD_WINDOW_US) {
        bool next = now_us - c->since_us < 2 * CROWD_WINDOW_US; /* or nothing was for a while */
        c->before = next ? c->count : 0;
        c->count = 0;
        c->round++;
        c->since_us = now_us;
    }
}

/* And in it that of a connection whose last one was in `*round`. */
static inline void
crowd_joins(struct crowd *c, uint32_t *round)
{
    if (*round != c->round) {
        *round = c->round;
        c->count++;
    }
}

static inline bool
crowd_is_large(const struct crowd *c)
{
    return c->before >= CROWD_LARGE;
}
