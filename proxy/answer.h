/* answer.h - what a backend answered, or failed to, turned into the client's
 * reply: passed through, hidden, merged, or replaced by a failure line. */
#pragma once
#include "common/proto/reply.h"
#include "proxy/failure.h"
#include "proxy/pending.h"

/* A piece of the reply to this leg. False if the leg was not asked for that:
 * the connection is out of step. After a piece that is final, the leg is no
 * longer the pending's. */
bool answer_piece(struct leg *leg, const struct reply_piece *piece);

/* Takes what many pieces at once can be taken of the reply to this leg; `input` begins with
 * it. Returns how many bytes they were. The reply goes on behind them, unless it has *ended;
 * then the leg is no longer the pending's. */
size_t answer_run(struct leg *leg, struct span input, bool *ended);

/* Is an answer of this kind one that the client has asked not to be told? */
bool answer_is_hidden(const struct pending *p, enum reply_kind kind);

/* There will be no (further) reply to this leg, or nobody waits for it any
 * longer. The leg is no longer the pending's. */
void answer_failure(struct leg *leg, enum failure failure);

/* A shard of a multiget cannot be served. It has no leg, or its leg has failed;
 * `begun`: after a part of its reply. */
void answer_shard_failure(struct pending *p, uint32_t shard, enum failure failure, bool begun);

/* A part of the pending, a key of a multiget or a node of a broadcast, cannot be
 * served and has no leg. */
void answer_part_failure(struct pending *p, enum failure failure);

/* The VALUE of one key of a multiget, in two parts. The pending has a client. */
void answer_part_value(struct pending *p, uint32_t part, struct span head, struct span rest);

/* The same, as a node has sent it, who may know the key, of so many bytes there,
 * without the front that the client's has. */
void answer_part_raw(struct pending *p, uint32_t part, size_t key_bytes, struct span raw);

/* Appends a piece as the client shall see it. False when the system has no memory. */
bool answer_put_piece(const struct pending *p, const struct reply_piece *piece, struct buf *out);

/* All legs of the pending exist; if they are all answered already, so is it. */
void answer_complete(struct pending *p);
