/* coalesce.h - many who ask for the same key are one request to its node.
 *
 * The rules are in docs/coalescing.md; what is pure of them is in flight.h,
 * form.h, write_marks.h and retry_budget.h. This room carries them out for one
 * worker: decides whether a read waits for a fetch that is on its way, tells the
 * waiters what it brought, or asks once more for them when it failed.
 *
 *     read, joins ── a waiter ──┐
 *     read, leads ── its leg ───┴─> flight ──> told, each in its own form
 *
 * The first to ask leads: its request goes to the node as it stands, its reply
 * passes through as ever, and the flight, if somebody joins, hangs on its leg, or
 * for a multiget on the key: they have the lead (flight.h) by which it is found. The leader may
 * leave; the fetch goes on. A fetch that failed before a byte of its answer came is sent once more
 * for those of the waiters that still have time, by a leg without a client (LEG_FETCH), within the
 * retry budget.
 *
 * Where a pool has a miss lease, a miss is told to one; the others wait for what
 * he writes, and ask again when that is answered.
 *
 * Worker's thread only. */
#pragma once
#include "common/net/loop.h"
#include "proxy/failure.h"
#include "proxy/flight.h"
#include "proxy/objpool.h"

#define COALESCE_LARGE_KEYS 64

struct backend;
struct client;
struct leg;
struct pending;
struct way_to_copy;
struct worker;

struct coalesce {
    struct worker *worker;
    struct flight_table flights;
    struct flight_table leases; /* flights that wait for a write */
    struct objpool waiters;
    struct list due; /* all waiters, the next to run out of time first */
    struct loop_timer timer;
    uint64_t timer_due_us;               /* 0: not running */
    bool excused;                        /* the timer came late, and time was given for it */
    uint64_t large[COALESCE_LARGE_KEYS]; /* hashes of keys whose values are not shared */
    unsigned large_count;                /* of them, how many are there */
};

void coalesce_init(struct coalesce *co, struct worker *w);
void coalesce_deinit(struct coalesce *co);

/* A read of one key that may share. */
struct coalesce_read {
    struct lookup_key key;
    uint8_t form; /* not FORM_NONE */
    uint32_t mark;
    uint32_t near_of; /* near.h: what it brings is kept; 0: it is not */
};

enum coalesce_verdict {
    COALESCE_JOIN,  /* wait for the flight that was found */
    COALESCE_LEAD,  /* ask the node; others may join */
    COALESCE_ALONE, /* ask the node */
};
enum coalesce_verdict coalesce_judge(const struct client *c, const struct coalesce_read *read,
                                     struct flight **found);

/* Is nothing of this hash on its way or waited for? Then the verdict is LEAD, if the
 * client is not writing. */
static inline bool
coalesce_is_quiet(const struct coalesce *co, uint64_t hash)
{
    return co->leases.count == 0 && flight_bucket_lacks(*flight_bucket(&co->flights, hash), hash);
}

/* The pending waits for the flight. `ask`: of an mg, "<key on the wire> <flags>". */
void coalesce_wait(struct pending *p, struct flight *f, struct span ask);
/* One key of its multiget does. */
void coalesce_wait_part(struct pending *p, struct flight *f, uint32_t part);

/* The read is queued at `target`, and others may join it from now on, unless there
 * are too many; or, if it is not `shared`, what it brings shall only be kept (near.h).
 * `lead` is of the leg or the key of a multiget, and so is the memory of its key's
 * bytes. */
void coalesce_lead_kept(struct coalesce *co, struct lead *lead, const struct coalesce_read *read,
                        const struct backend *target, bool shared);
void coalesce_too_many(struct coalesce *co);
static inline void
coalesce_lead(struct coalesce *co, struct lead *lead, const struct coalesce_read *read,
              const struct backend *target, bool shared)
{
    if (read->near_of != 0) {
        coalesce_lead_kept(co, lead, read, target, shared);
    } else if (!flight_begin(&co->flights, lead, &read->key, read->form, read->mark, target)) {
        coalesce_too_many(co);
    }
}

/* The read is sent to a copy of its key (fanout.h), and the pending, or one key of
 * its multiget, waits for what that brings; `shared`: others may join. False, and
 * nothing is done, if it cannot be sent. */
bool coalesce_read_copy(struct pending *p, const struct coalesce_read *read,
                        const struct way_to_copy *to, struct span ask, bool shared);
bool coalesce_read_copy_part(struct pending *p, const struct coalesce_read *read,
                             const struct way_to_copy *to, uint32_t part, bool shared);

/* What has come for a flight, in the words in which it was asked for: a copy is asked
 * in others. `word`: room for one, of FORM_KEY_WORD_MAX. */
void coalesce_fetched(const struct flight *f, const struct reply_piece *piece, struct fetched *out,
                      char *word);

/* The flight has waited long: asks another of the key's nodes, if that may be. */
void coalesce_hedge(struct coalesce *co, struct flight *f);

/* May others have joined it, or still join? */
static inline bool
coalesce_is_led(const struct lead *lead)
{
    return lead->listed || lead->flight != NULL;
}

/* A piece of the reply to the leg or the part of a multiget that has the lead.
 * `leader`: who leads and is told what the piece says; NULL if he has left.
 * Ends the flight, unless somebody is to be asked again. */
void coalesce_land_slowly(struct coalesce *co, struct lead *lead, const struct reply_piece *piece,
                          const struct client *leader);
static inline void
coalesce_land(struct coalesce *co, struct lead *lead, const struct reply_piece *piece,
              const struct client *leader)
{
    if (lead->flight == NULL && co->large_count == 0) {
        flight_unlist_lead(&co->flights, lead);
    } else {
        coalesce_land_slowly(co, lead, piece, leader);
    }
}

/* There will be no reply. `begun`: a part of it had come. */
void coalesce_fail(struct coalesce *co, struct lead *lead, enum failure failure, bool begun);

/* A write of the key of this hash is over: those who waited for it ask again. */
void coalesce_written(struct coalesce *co, uint64_t hash);

/* Another routing table is in use: what is asked from now on goes by that. */
void coalesce_forget(struct coalesce *co);
