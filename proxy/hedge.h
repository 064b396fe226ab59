/* hedge.h - a read of a hot key that has waited long is asked at another of its nodes, too.
 *
 *     flight ── leg ──> copy or owner ... longer than 19 of 20 answers of that node
 *        └───── leg ──> another of them: whichever answers first is told, the other is
 *                       dropped by its position when it comes
 *
 * For reads that were sent as a flight (coalesce_read_copy()), once each, within the
 * retry budget, and not if the key has been written meanwhile: what comes then could be
 * newer than a later answer to the same client. Here is only when; coalesce.c asks.
 * Worker's thread only. */
#pragma once
#include "common/core/list.h"
#include "common/net/loop.h"

struct backend;
struct flight;
struct worker;

struct hedge {
    struct worker *worker;
    struct list due; /* flights, the next to be asked for again first */
    struct loop_timer timer;
    uint64_t timer_due_us; /* 0: not running */
    bool excused;          /* the timer came late, and time was given for it */
};

void hedge_init(struct hedge *h, struct worker *w);
/* No flight is left. */
void hedge_deinit(struct hedge *h);

/* The flight has been asked at `b`. */
void hedge_await(struct hedge *h, struct flight *f, const struct backend *b);

/* Its node has answered, or will not: it is not asked for at another. */
void hedge_answered(struct flight *f, struct backend *b);
void hedge_cancel(struct flight *f);
