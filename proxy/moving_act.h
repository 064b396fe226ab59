/* moving_act.h - one act of move.h for a request's key: what a node is asked, and
 * what its answer says.
 *
 *     moving_act_begin() ──> WAITS ──> moving_act_answered() or moving_act_failed()
 *             └───────────────────────────────┴──> DONE or FAILED: the next act
 *
 * An act may ask several nodes one after another. What a client reads is told to it
 * as soon as it is known (moving_tell.h); what else is to be told, moving.h does.
 * What a failure leaves to be done at its node is in that one's journal when an act
 * has failed. Worker's thread only. */
#pragma once
#include "proxy/lookup_key.h"
#include "proxy/moving_request.h"
#include "proxy/roster.h"

struct reply_piece;

enum moving_outcome {
    MOVING_WAITS, /* a leg is on its way, m->asks says with what */
    MOVING_DONE,
    MOVING_FAILED, /* m->failure_now says why */
};

/* A key's two owners, by one table. */
struct moving_owners {
    struct lookup_key key;
    struct roster_pool *pool; /* NULL: the table has none of that name any more */
    struct table_move move;
    bool moves; /* else both are one */
};

/* NULL without a pool. */
static inline struct backend *
moving_old(const struct moving_owners *o)
{
    return o->pool == NULL ? NULL : o->pool->backends[o->move.from];
}

static inline struct backend *
moving_new(const struct moving_owners *o)
{
    return o->pool == NULL ? NULL : o->pool->backends[o->move.to];
}

/* Does m->act, which is not MOVE_END. */
enum moving_outcome moving_act_begin(struct moving *m);

/* The last piece of the answer to the leg on its way; pieces of ASKS_REQUEST are
 * the caller's to keep. */
enum moving_outcome moving_act_answered(struct moving *m, const struct reply_piece *piece);
/* There is no answer. If the leg had a duty, that is done. */
enum moving_outcome moving_act_failed(struct moving *m, enum failure failure);

/* The request ends: what it may have left behind goes. */
void moving_act_end(struct moving *m);

/* Notes why the request fails, if it does not fail already; returns MOVING_FAILED. */
enum moving_outcome moving_fail(struct moving *m, enum failure failure);
