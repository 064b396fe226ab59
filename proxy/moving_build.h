/* moving_build.h - what builds on a value, while empty items of others may stand in
 * its place: append, prepend, incr, decr and their meta forms.
 *
 * They would be done to an empty item as to a value, and leave half of one behind.
 * So they are sent as meta commands that compare (C) with what was found at the new
 * owner, or with what nothing has if nothing was: there, too, a value is built on,
 * or it is a miss. EX says that something came between, and all begins anew, some times. Answers
 * are told in the client's words. What compares by itself (cas, ms C), stores
 * whatever there is (add, replace) or only touches goes as it is. */
#pragma once
#include "common/core/span.h"
#include "common/proto/reply.h"

struct buf;
struct moving;
struct request;

/* Does this request go so? Then m->line has been given its line, for a value to
 * follow; *ok is false if the system has no memory. */
bool moving_build_put(struct moving *m, const struct request *r, bool *ok);

/* m->line, to be compared with m->base if `compares`. False without memory. */
bool moving_build_send(const struct moving *m, bool compares, struct buf *out);

/* Is that the answer of something that has come between? An empty item is no number. */
bool moving_build_was_crossed(struct moving *m, enum reply_kind kind);

/* The piece as the client's own command would have brought it. */
struct reply_piece moving_build_tell(const struct moving *m, const struct reply_piece *piece);
