/* moving.h - requests for keys that are on their way to another owner: carries out,
 * for one worker, what move.h says, act by act (moving_act.h), and tells the client
 * (moving_tell.h).
 *
 *     request ──> act ──answered──> act ──answered──> ... ──> the client is told
 *
 * Each such request goes alone, by legs of its own (LEG_MOVE) that the pending does
 * not know. All of them together have the time of one request. A client that has a
 * write of such a key on its way is not read from until it is answered, so what it
 * pipelines comes in its order though it goes to two nodes.
 *
 * A key is copied to its new owner under a lease of that node:
 *
 *     new   mg k s v f c t N3     an empty item (W), or somebody else's (Z), or a hit
 *     old   mg k v f c t
 *     new   ms k C<cas> ...       if that empty item still stands there
 *
 * A write or delete that comes between takes the empty item away, and the last is
 * refused. An empty item that is not needed is deleted, by its CAS; one of which
 * that is not known goes by itself after MOVING_CLAIM_S, and so long the roster is
 * held: the next step, where reads do not look for it, is not acknowledged before.
 * So is the roster by which a request began, until it is answered.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/list.h"
#include "common/proto/reply.h"
#include "proxy/coalesce.h"
#include "proxy/failure.h"
#include "proxy/lookup_key.h"
#include "proxy/objpool.h"

#define MOVING_CLAIM_S 3

struct backend;
struct leg;
struct pending;
struct roster;
struct worker;

struct moving_set {
    struct worker *worker;
    struct objpool requests;
    struct list held; /* rosters, for empty items that may still stand */
    uint64_t bytes;   /* of requests that wait for their turn */
};

void moving_init(struct moving_set *set, struct worker *w);
/* No request is on its way any more. */
void moving_deinit(struct moving_set *set);

/* The request is taken care of, and the pending may be gone; false if it goes as if
 * nothing moved. `ask` is "<key on the wire> <flags>" of an mg. The pool is moving. */
bool moving_takes(struct pending *p, const struct request *r, const struct coalesce_read *read,
                  struct span ask, struct span block);
/* The same for a key of a multiget, in two steps: whether that would take it, and
 * taking it. The pending is not completed by the latter. */
bool moving_takes_key(const struct worker *w, const struct request *r, const struct lookup_key *key,
                      uint8_t form);
void moving_take_part(struct pending *p, const struct request *r, const struct lookup_key *key,
                      uint8_t form, uint32_t part);

/* Must the key be read by moving_takes()? */
bool moving_reads_apart(const struct worker *w, const struct lookup_key *key);

/* A piece of the reply to its leg; there will be none (any more). */
void moving_piece(struct leg *leg, const struct reply_piece *piece);
void moving_failed(struct leg *leg, enum failure failure);

/* The node has had, or is about to have, a delete of this key that it had missed.
 * If it is the old owner, the new one may have been given what was there before. */
void moving_source_caught_up(struct backend *b, struct span key);

/* Nothing is acknowledged that comes after this roster for so long. */
void moving_hold(struct worker *w, struct roster *r, uint64_t seconds);

/* Lets go of what has been held for long enough; of all when the worker ends. */
void moving_tick(struct worker *w);
