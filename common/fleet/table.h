/* table.h - the routing table: which pools there are, who serves them, and
 * where each key lives. docs/routing-table.md is its manual.
 *
 * One JSON document, whatever it came from (pushed, a file, --servers). A table
 * is parsed and validated whole: rings built, references resolved, ring_sha
 * compared; either all of it is good or none of it is used. Immutable and
 * reference-counted: any thread may read and unref it.
 *
 * Identity is (incarnation, epoch, sha): the sha is SHA-256 of the document's
 * bytes as published. */
#pragma once
#include "common/core/buf.h"
#include "common/fleet/hotset.h"
#include "common/fleet/keytag.h"
#include "common/fleet/prefixmap.h"
#include "common/fleet/ring.h"

#include <stdint.h>

#define TABLE_BYTES_MAX  (8u << 20)
#define TABLE_READER     2 /* what this build reads; a larger min_reader is refused */
#define TABLE_MOVES      2 /* the min_reader of a table in which keys move */
#define TABLE_SHA_CHARS  64
#define TABLE_NODES_MAX  RING_SERVERS_MAX
#define TABLE_POOLS_MAX  1000
#define TABLE_ROUTES_MAX 10000
#define TABLE_ERROR_MAX  512
#define TABLE_NO_POOL    UINT32_MAX

#define TABLE_REPLICAS_MAX   8
#define TABLE_NEAR_MAX_BYTES (1ull << 30)
#define TABLE_NEAR_MAX_MS    1000
#define TABLE_TIMEOUT_MAX_MS 600000

#define NODE_STATES(X)                                                                             \
    X(JOINING, "joining")                                                                          \
    X(ACTIVE, "active")                                                                            \
    X(DRAINING, "draining")                                                                        \
    X(DOWN, "down")                                                                                \
    X(DRAINED, "drained")
enum node_state {
#define X(id, name) NODE_##id,
    NODE_STATES(X)
#undef X
        NODE_STATE_COUNT,
};
const char *node_state_name(enum node_state state);

enum node_kind { NODE_KIND_MFCACHED, NODE_KIND_MEMCACHED };

/* While keys of a pool move there are two rings, that of before and that of after. */
enum table_side { TABLE_BEFORE, TABLE_AFTER };
enum node_rings { NODE_IN_BOTH, NODE_IN_BEFORE, NODE_IN_AFTER };

/* How far a move is: docs/moving-keys.md. */
#define MOVE_STEPS(X)                                                                              \
    X(NONE, "none")                                                                                \
    X(PREPARE, "prepare")                                                                          \
    X(WARM, "warm")                                                                                \
    X(ACTIVE, "active")                                                                            \
    X(DONE, "done")
enum move_step {
#define X(id, name) MOVE_##id,
    MOVE_STEPS(X)
#undef X
        MOVE_STEP_COUNT,
};
const char *move_step_name(enum move_step step);

struct table_node {
    char *id;
    char *addr;      /* where to connect: host:port, [v6]:port or unix:/path */
    char *ring_name; /* NULL: host and port of addr */
    char *zone;      /* "" if not given */
    uint32_t weight;
    enum node_state state;
    enum node_kind kind;
    uint64_t generation;    /* of its data; grows with every flush order */
    enum node_rings rings;  /* both, unless its pool has a move */
    uint32_t weight_before; /* on the ring of before; 0: as `weight` */
};

enum read_error_policy { READ_ERROR_MISS, READ_ERROR_ERROR };
enum write_error_policy { WRITE_ERROR_ERROR, WRITE_ERROR_NOT_STORED };
enum meta_error_policy { META_ERRORS_NS, META_ERRORS_RAW };


/* What a node gets that could not be reached and comes back with its memory. */
#define REJOIN_POLICIES(X)                                                                         \
    X(REPLAY, "replay-then-flush-if-lossy") /* the deletes it missed */                            \
    X(FLUSH, "flush")                       /* flush_all, always */                                \
    X(TRUST, "trust")                       /* nothing, and nothing is remembered */
enum rejoin_policy {
#define X(id, word) REJOIN_##id,
    REJOIN_POLICIES(X)
#undef X
};
#define REJOIN_POLICIES_TEXT "replay-then-flush-if-lossy, flush or trust"
bool rejoin_policy_find(struct span word, enum rejoin_policy *out);

/* How much may be asked through a proxy of a pool's keys with a prefix. */
#define TABLE_LIMITS_MAX 100
#define TABLE_NO_LIMIT   UINT32_MAX
struct table_limit {
    char *prefix;      /* "": of all that no other limit is for */
    uint64_t requests; /* a second; 0: any number */
    uint64_t bytes;    /* the same */
    uint64_t burst_ms; /* so much of it at once; default 1000 */
};

/* The pool that has copies of another's requests. */
enum shadow_requests { SHADOW_ALL, SHADOW_READS, SHADOW_WRITES };
struct table_shadow {
    char *name;       /* "": there is none */
    unsigned percent; /* of the keys whose requests are copied; 0: none are */
    enum shadow_requests requests;
    unsigned pool; /* its index, or TABLE_NO_POOL, also if the table lacks it */
};

struct table_pool {
    char *name;
    struct ring_config ring_config;
    enum move_step move;
    struct ring *ring;  /* by which keys are read: from WARM on that of after */
    unsigned *members;  /* server i of the ring is nodes[members[i]]; NULL: nodes[i] */
    struct ring *other; /* the other of the two, from PREPARE to ACTIVE; else NULL */
    unsigned *other_members;
    char ring_sha[RING_SHA_CHARS + 1];        /* of the ring of after, as computed here */
    char ring_sha_before[RING_SHA_CHARS + 1]; /* "" without a move */
    char *strip_prefix;
    char *hash_stop;
    struct keytag tag; /* points into the two above */
    struct table_node *nodes;
    unsigned node_count;
    uint64_t connect_timeout_ms; /* default 200 */
    uint64_t request_timeout_ms; /* default 250 */
    bool flush_all;              /* allowed; default false, true with --servers */
    enum read_error_policy on_read_error;
    enum write_error_policy on_write_error;
    enum meta_error_policy meta_errors;
    bool coalesce;          /* reads of one key share a request; default true */
    uint64_t miss_lease_ms; /* who shares a miss waits so long for a write; default 0 */
    enum rejoin_policy rejoin;
    char *gutter;          /* the pool that stands in for nodes that are DOWN; "": none */
    uint64_t gutter_ttl_s; /* no item stays there longer; default 10 */
    unsigned gutter_pool;  /* its index, or TABLE_NO_POOL, also if the table lacks it */
    bool is_gutter;        /* of another pool */
    struct table_shadow shadow;
    char *config_cluster;  /* where clients find proxies: HOST:PORT,...; "": not told */
    char *config_nodes;    /* the same as `config get cluster` has it */
    unsigned replicas; /* nodes that may have a copy of a hot key, the owner one of them; 1: none */
    uint64_t replica_ttl_ms; /* no copy lives longer */
    struct table_limit *limits;
    unsigned limit_count;
    struct prefixmap limit_prefixes; /* values are indices into the limits */
    char *limits_text;               /* the member `limits`, canonical; "" if there is none */
    unsigned promote_percent; /* of a node's reads make a key hot for a proxy; 0: nothing does */
    uint64_t replica_ttl_local_ms; /* such copies are read so long at most; default 500 */
    uint64_t near_cache_bytes;     /* a proxy's, for values of the hottest keys; default 0: none */
    uint64_t near_cache_ttl_ms;    /* so long such a value is told at most; default 250 */
    char *hot_text;                /* the member `hot`, canonical; "" if there is none */
    struct hotset hot;
    bool routed; /* keys lead here: it is the default pool, or a route names it */
};

struct table {
    char *cluster;
    char *incarnation;
    uint64_t epoch; /* from 1 */
    uint64_t min_epoch;
    uint64_t min_reader;
    bool force; /* an operator takes responsibility for a large shrink or another ring */
    char *by, *reason;
    char sha[TABLE_SHA_CHARS + 1];
    struct table_pool *pools;
    unsigned pool_count;
    unsigned default_pool;   /* index */
    struct prefixmap routes; /* of key prefixes; values are table_route_value()s */
    bool strips;             /* one of them takes its prefix off */
    struct buf document;     /* the bytes the table came from */
    _Atomic unsigned refs;
};

/* NULL and a sentence in `error` (TABLE_ERROR_MAX bytes) that names the place
 * ("pools.main.nodes[3].weight") and what was expected. The caller holds one
 * reference. Takes up to half a second for 10,000 nodes: never on a worker. */
struct table *table_parse(struct span document, char *error);
struct table *table_ref(struct table *table);
void table_unref(struct table **table);

/* What a table is made of without a document. */
struct table_servers {
    char *const *servers; /* HOST:PORT[:WEIGHT] */
    unsigned count;
    char *const *gutter; /* the same; may be none */
    unsigned gutter_count;
    uint64_t gutter_ttl_s;
    const char *ring_name; /* NULL: the default */
    const char *hash_name; /* NULL: the ring's own */
};

/* A table from `--servers`: pool "default", and "gutter" if there is one; epoch 1,
 * flush_all allowed. */
struct table *table_from_servers(const struct table_servers *from, char *error);

/* Why `next` may not follow `current` (NULL: there is none yet, anything may).
 * Pure. */
#define TABLE_VERDICTS(X)                                                                          \
    X(ADOPT, "adopt", "adopted")                                                                   \
    X(SAME, "same", "already have it")                                                             \
    X(OLDER, "older", "epoch below the one in use")                                                \
    X(CONFLICT, "conflict", "same epoch with other content")                                       \
    X(SHRINK, "shrink", "removes more than 10 % of a pool's nodes without force")                  \
    X(RING_CHANGE, "ring_change", "changes how a pool places keys without force")                  \
    X(MOVE_SKIP, "move_skip", "skips a step of moving keys without force")                         \
    X(OTHER_CLUSTER, "other_cluster", "belongs to another cluster")
enum table_verdict {
#define X(id, name, why) TABLE_##id,
    TABLE_VERDICTS(X)
#undef X
};
enum table_verdict table_judge(const struct table *current, const struct table *next);

/* The same for whoever follows a publisher that has judged each of its steps. A
 * table more than one step ahead is not held against the one in use: which step
 * between them an operator forced is not known here, and a follower that was
 * away for it would refuse all tables to come. */
enum table_verdict table_judge_published(const struct table *current, const struct table *next);

const char *table_verdict_name(enum table_verdict verdict);
const char *table_verdict_why(enum table_verdict verdict);

#define TABLE_POOL_NAME_MAX 128
/* May a pool be called so: letters, digits, '.', '_', '-'? */
bool table_is_pool_name(struct span name);

/* May that be a route's prefix: 1 to 250 bytes that may stand in a key? */
bool table_is_key_prefix(struct span prefix);

/* NULL if there is none of that name. */
const struct table_pool *table_pool_find(const struct table *table, struct span name);

/* A route's value: the index of its pool, and whether it takes its prefix off. */
#define TABLE_ROUTE_STRIPS 0x80000000u
static inline unsigned
table_route_value(unsigned pool, bool strips)
{
    return pool | (strips ? TABLE_ROUTE_STRIPS : 0);
}
static inline unsigned
table_route_pool(unsigned value)
{
    return value & ~TABLE_ROUTE_STRIPS;
}

/* Index of the pool that serves the key. */
static inline unsigned
table_pool_of(const struct table *table, struct span key)
{
    if (table->routes.count == 0) {
        return table->default_pool;
    }
    return table_route_pool(prefixmap_find(&table->routes, key, table->default_pool));
}

/* Index into pool->limits of the one that is for this key, or TABLE_NO_LIMIT. */
static inline unsigned
table_pool_limit(const struct table_pool *pool, struct span key)
{
    return prefixmap_find(&pool->limit_prefixes, key, TABLE_NO_LIMIT);
}

/* How many bytes of its front a route takes off the key; it may be all. */
size_t table_stripped(const struct table *table, struct span key);

/* Index into pool->nodes of the key's owner; while it moves, of the one who is
 * asked first. */
static inline unsigned
table_pool_owner(const struct table_pool *pool, struct span key)
{
    unsigned server = ring_lookup(pool->ring, keytag_part(&pool->tag, key));
    return pool->members == NULL ? server : pool->members[server];
}

/* The same for `count` keys at once. */
void table_pool_owners(const struct table_pool *pool, const struct span *keys, unsigned count,
                       unsigned *owners);

/* Does the key change its owner by the pool's move, which is not done yet? From
 * where and to where: indexes into pool->nodes, equal if not. */
struct table_move {
    unsigned from, to;
};
bool table_pool_moves(const struct table_pool *pool, struct span key, struct table_move *out);

/* Is the node on that ring? */
static inline bool
table_node_is_on(const struct table_node *node, enum table_side side)
{
    return node->rings == NODE_IN_BOTH || (node->rings == NODE_IN_BEFORE) == (side == TABLE_BEFORE);
}

/* Do keys of the pool have two owners now? */
static inline bool
table_pool_is_moving(const struct table_pool *pool)
{
    return pool->move != MOVE_NONE && pool->move != MOVE_DONE;
}

/* May `next` follow `old`? Neither a step nor another ring in between is left out,
 * and a move that is done stays so. Pure. */
bool table_move_follows(const struct table_pool *old, const struct table_pool *next);

/* The nodes that may have a copy of a hot key, the owner first: indexes into
 * pool->nodes. `out` has room for TABLE_REPLICAS_MAX; returns how many. */
unsigned table_pool_replicas(const struct table_pool *pool, struct span key, unsigned *out);
/* The same by the other ring of a move; none without one. */
unsigned table_pool_other_replicas(const struct table_pool *pool, struct span key, unsigned *out);
