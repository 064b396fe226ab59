/* herald.h - tells each mfcached by which routing table we go, so that it can refuse
 * us when we are too far behind (fence_token.h).
 *
 *     a connection is made     -> "epoch ..." before all that waits for it
 *     a worker has nothing of  -> the same on each connection, some of them in one
 *     an older epoch in flight    turn of the loop
 *
 * Not when the table is adopted: what was begun by the one before goes on by the same
 * connections, and has to be refused as long as it is on its way. A node that does
 * not know the word answers an error, and that is all. Who gets no table from a
 * control plane or a file (--servers) announces nothing, and neither is a node of
 * kind `memcached` told anything.
 *
 * A request that is refused is answered by failure.h like any that could not be
 * served; nothing is remembered for the node, since nothing was done and the client
 * has been told. Worker's thread only. */
#pragma once
#include "common/core/list.h"
#include "common/fleet/fence_token.h"
#include "common/net/loop.h"
#include "common/proto/reply.h"

struct backend;
struct leg;
struct worker;

#define HERALD_BURST    64 /* connections that are told in one turn */
#define HERALD_LINE_MAX 512

struct herald {
    struct worker *worker;
    char line[FENCE_TOKEN_BYTES]; /* what is announced */
    size_t line_bytes;            /* 0: nothing yet */
    struct list due;              /* backends that are to be told by their connections */
    struct loop_timer timer;      /* runs while there are any */
};

void herald_init(struct herald *h, struct worker *w);
void herald_deinit(struct herald *h);

/* Nothing of an epoch before the worker's roster is in flight any more. */
void herald_clear(struct worker *w);

/* The connection has just been made: false if it is lost. Its answer is owed from then
 * on (b->greeting_owed). */
bool herald_greet(struct backend *b);

/* What has come begins with that answer. It is taken when it is whole; false if it is
 * none. */
bool herald_take_greeting(struct backend *b);

/* The answer to a leg of kind LEG_HERALD. */
void herald_answered(struct backend *b, struct span line);

/* Is that the node's word for that we are too far behind? Counts, and asks for a newer
 * table. */
bool herald_is_refusal(struct backend *b, struct span line);
