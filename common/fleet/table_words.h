/* table_words.h - the words that the routing table's members may hold, in the
 * order of their enums, for the parser and for the builder. Private to both. */
#pragma once

static const char *const node_kind_words[] = {"mfcached", "memcached"};
static const char *const node_rings_words[] = {"both", "before", "after"};
static const char *const flush_all_words[] = {"deny", "allow"};
static const char *const read_error_words[] = {"miss", "error"};
static const char *const write_error_words[] = {"error", "not_stored"};
static const char *const meta_error_words[] = {"ns", "raw"};
static const char *const shadow_words[] = {"all", "reads", "writes"};
#define X(id, word) word,
static const char *const rejoin_words[] = {REJOIN_POLICIES(X)};
#undef X

#define WORD_COUNT(words) (sizeof(words) / sizeof((words)[0]))

#define TABLE_SCHEMA         1
#define TABLE_CONNECT_MS     200
#define TABLE_REQUEST_MS     250
#define TABLE_GUTTER_S       10
#define TABLE_GUTTER_MAX_S   3600
#define TABLE_LEASE_MAX_MS   10000
#define TABLE_REPLICA_MS     10000
#define TABLE_REPLICA_MIN_MS 1000
#define TABLE_REPLICA_MAX_MS 60000
#define TABLE_LOCAL_MS       500
#define TABLE_LOCAL_MIN_MS   250
#define TABLE_LOCAL_MAX_MS   1000
#define TABLE_LIMIT_MAX      1000000000000
#define TABLE_BURST_MS       1000
#define TABLE_BURST_MIN_MS   10
#define TABLE_BURST_MAX_MS   60000
#define TABLE_NEAR_MS        250
#define TABLE_DEFAULT_RING   RING_LIBMEMCACHED
