/* table_ring.h - from a pool's nodes to its ring. Private to the table's parser
 * and builder. Pure. */
#pragma once
#include "common/fleet/table.h"

/* Of the nodes that are on this side; without a move all are. *members, the
 * caller's to free: server i is nodes[members[i]]; NULL where server i is nodes[i].
 * Returns NULL and *error (static text) if an address cannot be read, or as
 * ring_create() says. */
struct ring *table_ring_create(const struct table_pool *pool, enum table_side side,
                               unsigned **members, const char **error);

/* Under which label the node is in its pool's ring; the caller's to free. The
 * address can be read. */
char *table_ring_label(const struct table_pool *pool, const struct table_node *node);
