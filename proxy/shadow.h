/* shadow.h - copies of a pool's requests for another pool, so that it can be warmed or
 * loaded before clients go there. docs/routes.md is its manual.
 *
 *     request ──> owner ──> the client is told
 *        └──> the same key's owner in the shadow pool: a leg without a pending (LEG_SHADOW)
 *
 * What is sent to a pool's nodes is copied, if route_is_shadowed() has chosen the key: not
 * what is answered from the near cache or waits for another's request. A copy is composed
 * like the request itself, so that it has one reply, which is counted and dropped.
 *
 * Nobody waits for a copy, and nothing is remembered for one that fails. It goes by a
 * connection of its own (placement.h), whose health is nobody else's, and holds nothing of
 * the client's. What would be too much is dropped and counted: too many on their way to a
 * node, too many bytes, too long a value. Worker's thread only. */
#pragma once
#include "common/proto/reply.h"
#include "common/proto/request.h"
#include "proxy/lookup_key.h"

#define SHADOW_VALUE_MAX      (1u << 20)  /* longer values are not copied */
#define SHADOW_OUT_MAX        (1u << 20)  /* unsent bytes for one node; beyond, nothing is copied */
#define SHADOW_BYTES_MAX      (16u << 20) /* of a worker's copies on their way; the same */
#define SHADOW_TIMEOUT_MAX_US 1000000     /* or the pool's own, if shorter */
#define SHADOW_LINE_MAX       1900        /* a copy of a multiget has lines of no more: split.c */

struct backend;
struct leg;
struct roster_pool;
struct worker;

struct shadow {
    uint64_t bytes;         /* of copies on their way */
    struct backend **lines; /* that are open: of the multiget that is being copied */
    unsigned line_count, line_room;
    enum proto_command cmd; /* of that */
};

void shadow_deinit(struct shadow *s);

/* Copies a request for one key, or not; `pool` has a shadow. */
void shadow_copy(struct worker *w, const struct roster_pool *pool, const struct request *r,
                 const struct lookup_key *key, struct span block);

/* The same for a key of a multiget, whose lines shadow_end_multiget() sends. */
void shadow_add_key(struct worker *w, const struct roster_pool *pool, const struct request *r,
                    const struct lookup_key *key);
void shadow_end_multiget(struct worker *w);

/* A piece of the reply to a copy; there will be none, or none that counts. */
void shadow_piece(struct leg *leg, const struct reply_piece *piece);
void shadow_failed(struct leg *leg);
