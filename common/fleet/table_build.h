/* table_build.h - writes a routing table's document, for those who publish one.
 *
 * The draft is the same struct that table_parse() yields, so that a planner may
 * start from the table in use. Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

/* Fills a pool with what a document that says nothing about it means: the
 * libmemcached ring, its hash, time-outs and policies; no name and no nodes. */
void table_pool_defaults(struct table_pool *pool);

/* Fills a pool with what a pool's JSON object says of it in a document, all but
 * the nodes: for orders that are kept apart from tables. On false nothing is
 * kept and `error` (TABLE_ERROR_MAX bytes) names the member and what was
 * expected. */
bool table_pool_settings(const json_t *object, const char *name, struct table_pool *out,
                         char *error);

/* Frees what table_pool_settings() filled in. */
void table_pool_deinit(struct table_pool *pool);

/* Do the two place keys differently, apart from their nodes? */
bool table_pool_places_otherwise(const struct table_pool *old, const struct table_pool *next);

/* Appends the document to `out`: canonical JSON (sorted keys, no blanks), with
 * each pool's ring_sha computed. Of the draft are read: cluster, incarnation,
 * epoch, min_epoch, force, by and reason (may be NULL), default_pool, and of
 * each pool name, ring_config, strip_prefix and hash_stop (may be NULL),
 * tag.open and tag.close, timeouts, policies, hot_text, limits_text and
 * config_cluster (may be NULL), nodes. In a node ring_name and zone may be NULL.
 * `move` of a pool, `rings` and `weight_before` of its nodes are read, too. Not
 * read: sha, document, refs, ring, ring_sha, the rest of tag. Equal drafts give
 * equal bytes.
 *
 * What comes out has been read back by table_parse(): false, nothing appended
 * and a sentence in `error` (TABLE_ERROR_MAX bytes) if no consumer would take
 * it. Costs what a parse costs: off the hot paths. */
bool table_build(const struct table *draft, struct buf *out, char *error);
