/* rejoin.h - what a node missed while it could not be reached, and how it gets it.
 *
 *     a delete fails, a set is lost   -> the key goes into the node's journal; no
 *                                        read of it is sent there by any worker
 *     the node answers its probes     -> how old is its memory? What was put before
 *                                        that is forgotten; the rest is delivered
 *                                        as deletes, or as one flush_all
 *     nothing is left                 -> it is UP
 *
 * A node that was never DOWN (one request timed out) gets the same deletes beside
 * its other requests. Each delivery is a leg of the backend's queue, behind
 * whatever was sent there before; --replay-rate and a window bound them.
 * Decisions are journal.h's and health.h's; here they are carried out. Worker's
 * thread only. */
#pragma once
#include "common/proto/reply.h"
#include "proxy/failure.h"

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct leg;

#define REJOIN_WINDOW      64   /* deliveries on their way, of one worker to one node */
#define REJOIN_PACE_MS     10   /* between two bursts at least */
#define REJOIN_RETRY_MS    100  /* after a delivery that failed */
#define REJOIN_SETTLE_MS   1000 /* for what a proxy before this one has sent to be looked at */
#define REJOIN_AGE_SLACK_S 2    /* how far off a node's idea of its own age may be */

enum rejoin_age { AGE_UNKNOWN, AGE_ASKED, AGE_TOLD };

struct rejoin {
    unsigned on_way; /* deliveries */
    uint64_t not_before_us;
    uint64_t down_since_us;
    uint64_t asked_us;
    uint64_t told_age_s; /* the longest that it has told of */
    uint64_t settled_us; /* it has looked at what came from the proxy before this one, up to what
                            that left us then */
    bool has_told;
    enum rejoin_age age; /* of the node's memory, on this connection */
};

/* The key's value at this node must not be read any more. True if that is taken
 * care of: the pool does not trust its nodes blindly (`rejoin: trust`). */
bool rejoin_remember(struct backend *b, struct span key);
/* The same for all its keys. */
bool rejoin_remember_flush(struct backend *b);

/* The node has answered its probes, and so can be told what it missed. */
void rejoin_begin(struct backend *b);

/* Delivers what may be delivered now; UP if nothing is left. */
void rejoin_run(struct backend *b, uint64_t now_us);

/* Something was put into the journal by another than this worker. */
void rejoin_look(struct backend *b);

/* When rejoin_run() is worth a call; UINT64_MAX if not by time. */
uint64_t rejoin_due_us(const struct backend *b);

/* Is the leg one of these? */
bool rejoin_owns(const struct leg *leg);

/* A piece of the reply to such a leg, which nobody has given up. False if it was
 * not asked for that. */
bool rejoin_piece(struct backend *b, struct leg *leg, const struct reply_piece *piece);

/* There will be no reply, or none that is waited for. */
void rejoin_failed(struct backend *b, struct leg *leg);

/* The connection was closed: the next may be to a node with other memory. */
void rejoin_disconnected(struct backend *b);
