/* coalesce_copies.h - flights that may be asked for at more than one node: reads of hot
 * keys, which go to a copy (fanout.h), and are asked for at another node, too, when that is
 * slow (hedge.h). Private to coalesce.c, whose other half it is, and coalesce_copies.c.
 * Worker's thread only. */
#pragma once
#include "common/proto/reply.h"
#include "proxy/coalesce.h"

#define WHOLE UINT32_MAX /* the waiter is the pending, not a part of it */

/* A pending, or a key of its multiget, that waits for a flight. */
struct waiter {
    struct list link; /* flight->waiters */
    struct list due;  /* coalesce->due */
    struct flight *flight;
    struct pending *pending;
    uint64_t deadline_us;
    uint32_t part;
    struct buf ask;
};

/* --- of coalesce.c ------------------------------------------------------------------------ */

/* A flight that is on its way to `target`. NULL if there are too many. */
struct flight *coalesce_open(struct coalesce *co, const struct coalesce_read *read,
                             const struct backend *target);

/* The pending, or a part of it, or WHOLE, waits for the flight. */
struct waiter *coalesce_wait_for(struct pending *p, struct flight *f, uint32_t part);
/* In which words it was asked, if by mg. */
void coalesce_keep_ask(struct pending *p, struct waiter *it, struct span ask);

enum proto_command coalesce_command_of(uint8_t form);

/* --- of coalesce_copies.c ------------------------------------------------------------------- */

/* Is it what fill.c has stored, whole and not stale? Where others may have stored another,
 * that is seen by its CAS value. */
bool coalesce_is_copy(const struct flight *f, uint64_t copy_cas, const struct reply_piece *piece);

/* The copy that was asked for is not there. */
void coalesce_note_missed(struct coalesce *co, const struct flight *f,
                          const struct backend *target);

/* Of two that were asked this one has answered. True if that is to be told; else the other
 * is waited for. */
bool coalesce_comes_first(struct coalesce *co, struct flight *f, struct lead *lead,
                          const struct reply_piece *piece);

/* Of two that were asked only the other than this is left. */
void coalesce_keep_other(struct flight *f, const struct lead *lead);
