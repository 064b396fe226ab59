/* leg_queue.h - the requests that are on their way to one node, in the order in
 * which their replies will come. Its fields are in struct backend:
 *
 *     first -> timed out -> timed out -> live -> ... -> last
 *              owed_bytes of these               those behind what was sent
 *                                                are still in b->out
 *
 * Legs with a duty (failure.h) have their keys in b->keys, in the same order.
 *
 * Timeouts are nearly equal, so legs time out from the front: one timer for the
 * first live leg serves all. Worker's thread only. */
#pragma once
#include "common/core/span.h"
#include "proxy/failure.h"

#include <stddef.h>
#include <stdint.h>

struct backend;
struct leg;

/* Queues the leg of what was appended to b->out since `mark`. */
void leg_queue_append(struct backend *b, struct leg *leg, size_t mark, uint64_t timeout_us);

/* What a failure of the leg that was queued last leaves to be done, and for which
 * key; none: for all. */
void leg_queue_set_duty(struct backend *b, struct leg *leg, enum failure_duty duty,
                        struct span key);

/* The first leg has had its whole reply. */
void leg_queue_finish_first(struct backend *b);

/* Notes how long the last b->latency_count replies took: those that came together to
 * requests that were queued together took equally long. Call when all that has come is
 * taken. */
void leg_queue_note_latency(struct backend *b);

/* So many live ones of the first have had their whole replies, and have been taken off:
 * queue_take_first(). */
void leg_queue_answered(struct backend *b, unsigned legs);

/* The first leg, which somebody waits for, was answered by a refusal: the client is told
 * of a failure. Its reply is still to be finished. */
void leg_queue_refuse_first(struct backend *b, enum failure failure);

/* The first live leg was not answered in time: its client is told, and its late
 * reply, when it comes, will be dropped. If it still waits for a connection it is
 * taken back, and is never sent. */
void leg_queue_time_out(struct backend *b);

/* Fails the legs from the first to `kept` (NULL: all). Of those that stand
 * behind the first `sent` bytes of the queue nothing has left. Reads that b->sent
 * still has are not failed but stand before `kept` to be sent once more, as far as
 * the retry budget goes, unless what fails beside them has made their keys' values
 * doubtful. */
void leg_queue_fail(struct backend *b, struct leg *kept, size_t sent);

/* Bytes of the requests from this leg to the last. */
size_t leg_queue_bytes(const struct leg *leg);

/* The first leg that somebody waits for and that stands behind the first `sent`
 * bytes of the queue; NULL if there is none. */
struct leg *leg_queue_first_unsent(const struct backend *b, size_t sent);
