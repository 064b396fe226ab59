/* txn.h - a transaction for etcd_commit(): if all compares hold, one list of
 * operations runs, else the other; either way in one step.
 *
 * Keys are relative to the client's prefix and copied. A compare on a key that
 * does not exist sees create, mod, version and lease 0, and fails on VALUE. No key may
 * be written twice in one branch: etcd refuses that. One owner, no I/O. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

enum etcd_target { ETCD_VERSION, ETCD_CREATE_REVISION, ETCD_MOD_REVISION, ETCD_VALUE, ETCD_LEASE };
enum etcd_relation { ETCD_EQUAL, ETCD_GREATER, ETCD_LESS, ETCD_NOT_EQUAL };
enum etcd_branch { ETCD_THEN, ETCD_ELSE };

struct etcd_txn;

struct etcd_txn *etcd_txn_create(void);
void etcd_txn_destroy(struct etcd_txn **txn);

/* Compares; `target` is not ETCD_VALUE. */
void etcd_txn_if(struct etcd_txn *txn, struct span key, enum etcd_target target,
                 enum etcd_relation relation, int64_t number);
void etcd_txn_if_value(struct etcd_txn *txn, struct span key, enum etcd_relation relation,
                       struct span value);

/* The usual compare-and-set: the key is as last read. `mod_revision` 0: it
 * does not exist. */
void etcd_txn_if_unchanged(struct etcd_txn *txn, struct span key, int64_t mod_revision);
static inline void
etcd_txn_if_absent(struct etcd_txn *txn, struct span key)
{
    etcd_txn_if_unchanged(txn, key, 0);
}

/* Operations; reply.results has one row for each, in this order. */
void etcd_txn_put(struct etcd_txn *txn, enum etcd_branch branch, struct span key, struct span value,
                  int64_t lease);
void etcd_txn_get(struct etcd_txn *txn, enum etcd_branch branch, struct span key);
void etcd_txn_get_prefix(struct etcd_txn *txn, enum etcd_branch branch, struct span prefix);
void etcd_txn_delete(struct etcd_txn *txn, enum etcd_branch branch, struct span key);
void etcd_txn_delete_prefix(struct etcd_txn *txn, enum etcd_branch branch, struct span prefix);

/* Operations in the larger branch: at most ETCD_TXN_OPS_MAX are accepted. */
size_t etcd_txn_ops(const struct etcd_txn *txn);
/* Key and value bytes held, for ETCD_REQUEST_BYTES_MAX (leave a tenth of room
 * for the rest of the message). */
size_t etcd_txn_bytes(const struct etcd_txn *txn);

/* The request body, appended to `out`; `prefix` goes in front of every key. */
struct buf;
void etcd_txn_encode(const struct etcd_txn *txn, struct span prefix, struct buf *out);
