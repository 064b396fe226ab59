/* inventory.h - what etcd says about the cluster, as last delivered by the
 * watch of its prefix: operators' intent, who is registered, and the parts of
 * the published table. Holds facts and decides nothing. Pure; one owner.
 *
 *     watch snapshot -> begin, put..., end        watch event -> put | delete
 *
 * A value that cannot be read is counted, logged and not taken: what was known
 * before stays, because half an operator's intent is worse than yesterday's. */
#pragma once
#include "control/keys.h"
#include "control/pool_config.h"
#include "control/registration.h"
#include "control/sorted.h"

#include <jansson.h>
#include <stdint.h>

struct inventory_item {
    char *name; /* first: see sorted.h; "" in families of one key */
    int64_t create_revision;
    int64_t mod_revision;
    int64_t lease;
    uint64_t since_ms;                 /* monotonic: when this value arrived here */
    size_t bytes;                      /* of the value as stored */
    json_t *json;                      /* the value; NULL in table/hist/ */
    struct registration *registration; /* of a node, or of an intent that admits one */
    struct pool_config *pool;          /* of a pool */
    char sha[TABLE_SHA_CHARS + 1];     /* of a part: SHA-256 of its text */
    bool swept_unless_seen;
};

struct inventory {
    struct sorted families[KEY_FAMILY_COUNT]; /* of struct inventory_item */
    uint64_t malformed;                       /* values not taken, ever */
};

struct inventory_kv {
    struct span key, value;
    int64_t create_revision, mod_revision, lease;
};

void inventory_init(struct inventory *inv);
void inventory_deinit(struct inventory *inv);

/* Between the two, everything is put; what was not is then gone. Values whose
 * mod_revision did not change keep their since_ms. */
void inventory_begin(struct inventory *inv);
void inventory_end(struct inventory *inv);

/* True if the inventory is another now; heartbeats and unknown keys are not. */
bool inventory_put(struct inventory *inv, const struct inventory_kv *kv, uint64_t now_ms);
bool inventory_delete(struct inventory *inv, struct span key);

/* NULL if there is none. */
const struct inventory_item *inventory_find(const struct inventory *inv, enum key_family family,
                                            struct span name);
/* The only key of a family of one. */
const struct inventory_item *inventory_single(const struct inventory *inv, enum key_family family);
unsigned inventory_count(const struct inventory *inv, enum key_family family);
const struct inventory_item *inventory_at(const struct inventory *inv, enum key_family family,
                                          unsigned i);

/* The cluster's incarnation as meta names it, or NULL before mfctl init. */
const char *inventory_incarnation(const struct inventory *inv);
