/* keys.h - what is kept where in etcd. Pure.
 *
 * Every key of a cluster lives under /memfleet/v1/<cluster>/; the keys here are
 * relative to that, as everything that speaks to control/etcd is. */
#pragma once
#include "common/core/name.h"

#include <stdint.h>

/* clang-format off */
/*    id        path              written by                        content */
#define KEY_FAMILIES(X)                                                                            \
    X(META,     "meta")           /* mfctl init                     cluster uuid, incarnation, schema */ \
    X(CLUSTER,  "config/cluster") /* mfctl freeze, thaw, fence      whether tables may change, min_epoch */ \
    X(ROUTES,   "config/routes")  /* mfctl route, compare-and-set   pools by key prefix */         \
    X(POOL,     "config/pools/")  /* mfctl, compare-and-set         operators' intent for a pool */ \
    X(INTENT,   "intent/nodes/")  /* mfctl                          admit or remove a node */      \
    X(NODE,     "nodes/")         /* mfcontrol, leased              a node's registration */       \
    X(LEAVING,  "leaving/")       /* mfcontrol, leased              a node said goodbye */         \
    X(SERVER,   "servers/")       /* mfcontrol, leased              where mfcontrol can be reached */ \
    X(LEADER,   "ctl/leader")     /* the leader, leased             its create_revision is the fence */ \
    X(BEAT,     "ctl/beat")       /* the leader                     a quorum takes writes */       \
    X(HEAD,     "table/head")     /* the leader, fenced             names parts by sha256 */       \
    X(PART,     "table/part/")    /* the leader, with the head      a pool's part, zlib JSON */    \
    X(HIST,     "table/hist/")    /* the leader, with the head      whole documents, zlib JSON */
/* clang-format on */

enum key_family {
#define X(id, path) KEY_##id,
    KEY_FAMILIES(X)
#undef X
        KEY_FAMILY_COUNT,
};

#define KEY_MAX_BYTES    (NAME_MAX_BYTES + 32)
#define PREFIX_MAX_BYTES (NAME_MAX_BYTES + 32)

/* Which family a key belongs to, and the name behind the family's path (empty
 * for families of one key). KEY_FAMILY_COUNT for keys we do not know. */
enum key_family key_classify(struct span key, struct span *name);

/* A key as text, by value: lives in the caller's frame. */
struct key {
    char text[KEY_MAX_BYTES];
};
struct key key_make(enum key_family family, struct span name);
struct key key_hist(uint64_t epoch);
const char *key_path(enum key_family family);

/* "/memfleet/v1/<cluster>/" into `out` (PREFIX_MAX_BYTES); false if the name
 * cannot be a cluster's. */
bool key_prefix(struct span cluster, char *out);
