/* table_read.h - the parts of reading a table's document, each with its members in
 * a file of its own. Private to table_json.c and to those parts.
 *
 * Each reads from the object of `at`, fills in what it owns of the pool, and lets
 * `r` fail at the first fault. What was filled in until then is freed with the pool,
 * by table_pool_deinit(). */
#pragma once
#include "common/core/mem.h"
#include "common/fleet/jsonread.h"
#include "common/fleet/table.h"

#define TABLE_READ_NAME_BYTES   128
#define TABLE_READ_TEXT_BYTES   1024
#define TABLE_READ_PREFIX_BYTES 250
#define TABLE_READ_PLACE        160 /* "pools.NAME" */
#define TABLE_READ_NUMBER       ((uint64_t)INT64_MAX)

/* All that a document says of a pool but its nodes, its ring and its move; the
 * pool is zeroed. */
void table_read_settings(struct jsonread *r, struct jsonread_at at, const char *name,
                         struct table_pool *pool);

/* The nodes, the move, and the rings that follow from both; after the settings. */
void table_read_nodes(struct jsonread *r, struct jsonread_at at, struct table_pool *pool);

/* Is `name` one for a pool? If not, `r` fails at `member`. */
bool table_read_pool_name(struct jsonread *r, struct jsonread_at at, const char *member,
                          const char *name);

static inline char *
table_read_copy(const char *s)
{
    return mem_strdup(s != NULL ? s : "");
}
