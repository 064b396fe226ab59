/* fence_token.h - by which routing table a proxy goes, as it tells a node, and what
 * the node concludes from all that it has heard.
 *
 *     epoch EPOCH MIN_EPOCH CLUSTER INCARNATION CRLF
 *
 * A proxy that gets no tables goes on writing to owners that are none any more. So
 * each says on every connection which epoch it goes by, and a node refuses what
 * comes by an epoch below the highest `min_epoch` that it knows of. Epochs are
 * compared within one cluster only. Cluster and incarnation stand in the line as 16
 * hexadecimal digits of their SHA-256, since the names may be of any bytes.
 *
 * Pure. */
#pragma once
#include "common/core/span.h"

#include <stdbool.h>
#include <stdint.h>

struct table;

struct fence_token {
    uint64_t epoch;     /* from 1 */
    uint64_t min_epoch; /* not above `epoch` */
    uint64_t cluster;
    uint64_t incarnation;
};

struct fence_token fence_token_of(const struct table *table);

#define FENCE_TOKEN_WORDS 4
#define FENCE_TOKEN_BYTES 96
/* The line, CRLF included; returns its length. */
size_t fence_token_put(const struct fence_token *token, char out[FENCE_TOKEN_BYTES]);
/* From the words behind the verb; false if it is none. */
bool fence_token_parse(const struct span *words, unsigned count, struct fence_token *out);

/* Is `next` an earlier table than the one that was announced? A proxy that announces it
 * has written that line before, and lost the connection that it was for. */
static inline bool
fence_token_falls(const struct fence_token *announced, const struct fence_token *next)
{
    return next->cluster == announced->cluster && next->incarnation == announced->incarnation &&
           next->epoch < announced->epoch;
}

/* What a node knows. Zeroed: nobody is refused. */
struct fence {
    bool has_table; /* from its own mfcontrol, which knows better than proxies do */
    uint64_t cluster;
    uint64_t incarnation;
    uint64_t min_epoch;
};

/* The node has got this table itself. Within an incarnation `min_epoch` only rises. */
void fence_take_table(struct fence *f, const struct fence_token *table);

/* A proxy goes by this table. True if `min_epoch` rose. What belongs to another
 * cluster, or to another incarnation than the node's own table, changes nothing. */
bool fence_hear(struct fence *f, const struct fence_token *proxy);

/* Is who goes by this table too far behind? */
bool fence_refuses(const struct fence *f, const struct fence_token *proxy);
