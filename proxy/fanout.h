/* fanout.h - hot keys have copies at further nodes. docs/hot-keys.md has the rules.
 *
 *     read ──> one of: owner, fresh copies ──(no copy there)──> owner
 *                 `── a node without a fresh copy is given one (fill.h)
 *     write ─> owner ──answered──> delete at every replica ──confirmed, or 5 ms──> client
 *
 * Which keys are hot, and at which nodes their copies are, is the routing table's,
 * so every proxy deletes where any proxy may have filled.
 *
 * Keys that are hot by what this proxy sees (promoter.h) have copies there, too, of
 * which no other proxy knows. No write deletes them: a worker reads only those that
 * it has made itself, knows them by their CAS value, and does so for a part of a
 * second at most, while no write mark says that the key was written here.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/proto/reply.h"
#include "proxy/failure.h"
#include "proxy/lookup_key.h"
#include "proxy/objpool.h"

#define FANOUT_CONFIRM_MS 5 /* a write waits so long for its deletes at the replicas */

struct backend;
struct client;
struct coalesce_read;
struct copy;
struct leg;
struct pending;
struct roster_pool;
struct way_to_copy;
struct worker;

struct fanout {
    struct worker *worker;
    struct objpool writes;
    struct objpool fills;
    struct list due; /* writes that wait for their deletes, the first to end first */
    struct loop_timer timer;
    bool timer_runs;
};

void fanout_init(struct fanout *f, struct worker *w);
void fanout_deinit(struct fanout *f);

/* Is the key on the table's list, so that every proxy may copy it? Not one whose copies
 * would have too long a name. */
bool fanout_is_hot(const struct roster_pool *pool, struct span key);

/* May the key have copies, because the table lists it or this proxy has found it? */
enum fanout_heat { FANOUT_COLD, FANOUT_LISTED, FANOUT_PROMOTED };
enum fanout_heat fanout_heat_of(const struct roster_pool *pool, const struct lookup_key *key);

/* Is the read best sent to a copy of its key, or is there one to ask if the owner turns
 * out to be slow? Then *to is the way. Begins to fill copies that are missing. The pool has
 * replicas, and read->mark is known. Requests are queued at any of the key's nodes: no line may be
 * half written there. */
bool fanout_find_copy(const struct client *c, const struct coalesce_read *read,
                      struct way_to_copy *to);

/* Another of the hot key's nodes than `but`, to ask for it as well. False if none may be
 * asked. */
bool fanout_find_other(struct worker *w, const struct lookup_key *key, uint8_t form,
                       const struct backend *but, struct way_to_copy *to);

/* No copy was found there. */
void fanout_missed(struct worker *w, const struct lookup_key *key, const struct backend *b);

/* `p` is a write of a hot key and will be sent to its owner. Its answer is kept
 * until the replicas have had their deletes; `whole`: until each has confirmed or
 * failed, and then it fails if one of them did (delete). */
void fanout_begin_write(struct pending *p, const struct lookup_key *key, bool whole);

/* The owner has answered, and the line is in p->worst; or it failed. The pending
 * has no leg. */
void fanout_owner_answered(struct pending *p);
void fanout_owner_failed(struct pending *p, enum failure failure);

/* A delete at a replica was answered, or failed. The leg is no longer the
 * pending's. */
void fanout_copy_answered(struct pending *p, const struct leg *leg, enum reply_kind kind);
void fanout_copy_failed(struct pending *p, const struct leg *leg);

/* The node is about to have had a delete of this key that it had missed. Copies
 * that were made meanwhile are of its old value. */
void fanout_owner_caught_up(struct backend *b, struct span key);

/* What is known of the copy at this node; NULL: nothing, or it is not one. */
struct copy *fanout_copy_of(struct worker *w, const struct lookup_key *key,
                            const struct backend *b);

/* Can requests be queued there that nobody must wait for? */
bool fanout_is_open(const struct backend *b);
