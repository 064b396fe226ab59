/* moving_build.h - what builds on a value, while empty items of others may stand in
 * its place.
 *
 * To a node such an item is an item. append and incr would leave half of one behind,
 * replace one where there was none; add would be refused; touch and gat would find it,
 * and give it a life in which it is taken for a value. So what can compare is sent as a
 * meta command that does (C), with what was found at the new owner, or with what nothing
 * has if nothing was: append, prepend, incr, decr, replace, their meta forms, and md.
 * touch and gat are sent as mg, which is told of an empty item that somebody is to fill
 * it (Z); mg goes as it is. Of add, cas, and what has a C of its own, a refusal counts
 * only if there was something at the new owner.
 *
 * If something has come between, all begins anew, some times, which takes the empty item
 * away. Of one that may have got a longer life, and is not known to be gone, the node is
 * told by its journal. Answers are told in the client's words. */
#pragma once
#include "common/core/span.h"
#include "common/proto/reply.h"

struct buf;
struct moving;
struct request;

/* Does this request go so? Then m->line has been given its line, for a value to
 * follow; *ok is false if the system has no memory. */
bool moving_build_put(struct moving *m, const struct request *r, bool *ok);

/* m->line, to be compared with m->base if m->guarded so. False without memory. */
bool moving_build_send(const struct moving *m, struct buf *out);

/* Is that the answer of something that has come between? An empty item is no number. */
bool moving_build_was_crossed(struct moving *m, const struct reply_piece *piece);

/* Is the answer what a gat has read, to be told as that? */
bool moving_build_is_read(const struct moving *m, const struct reply_piece *piece);

/* Else: the piece as the client's own command would have brought it. `room` is of
 * FORM_HEAD_MAX bytes. */
struct reply_piece moving_build_tell(const struct moving *m, const struct reply_piece *piece,
                                     char *room);
