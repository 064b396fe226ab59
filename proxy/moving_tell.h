/* moving_tell.h - what the client of a request for a moving key is told: moving.h.
 *
 * Each of these but moving_keep_reply() answers the request's pending, once, and
 * lets go of it: m->pending is NULL afterwards, and its client may be read from
 * again. Worker's thread only. */
#pragma once
#include "proxy/failure.h"

struct fetched;
struct moving;
struct reply_piece;

/* A piece of a node's answer to the client's own request. Of two nodes' answers an
 * error counts, then that something was deleted. False if the system has no memory. */
bool moving_keep_reply(struct moving *m, const struct reply_piece *piece);
/* What has been kept. */
void moving_tell_reply(struct moving *m);

/* What was read, in the client's words. What then remains to be done nobody waits
 * for, so it has the time of one request anew. */
void moving_tell_read(struct moving *m, const struct fetched *f);
void moving_tell_miss(struct moving *m);

void moving_tell_failure(struct moving *m, enum failure failure);
