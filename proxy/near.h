/* near.h - answers reads of the hottest keys from values that the worker keeps.
 * docs/hot-keys.md has the rules; near_cache.h is what is pure of them.
 *
 *     read ──> hot? ──> a value, not written since, not too old ──> the client
 *                `────> asked for as ever; what comes is kept (near_keep)
 *
 * Worker's thread only. */
#pragma once
#include "proxy/coalesce.h"

struct near_cache;
struct reply_piece;
struct table_pool;

/* NULL if the pool has none. */
struct near_cache *near_create(struct worker *w, const struct table_pool *pool);
void near_destroy(struct worker *w, struct near_cache **near);

/* A read of this key is being looked at (worker_note_read()), and its pool has a
 * near cache. */
void near_look_at(struct worker *w, const struct lookup_key *key);

/* The read is answered, and the pending may be gone. Or false, and read->near_of
 * says whether its answer is to be kept. `ask` is "<key on the wire> <flags>" of an
 * mg. The pool has a near cache, and read->mark is known. */
bool near_serve(struct pending *p, struct coalesce_read *read, struct span ask);
/* The same for a key of a multiget, `at` bytes into its keys. */
bool near_serve_part(struct pending *p, struct coalesce_read *read, uint32_t at);

/* Keeps what a flight has brought that is to be kept. */
void near_keep(struct worker *w, const struct flight *f, const struct reply_piece *piece);
