/* table_txn.h - the part of a transaction that makes a document the cluster's
 * table: for the leader, and for an operator who recovers a cluster. Pure. */
#pragma once
#include "control/document.h"
#include "control/etcd/txn.h"
#include "control/inventory.h"

#define HISTORY_KEEP       64         /* documents ... */
#define HISTORY_BYTES_KEEP (4u << 20) /* ... and bytes of them */

/* If table/head and meta are as `inv` has them, then: head, parts that changed,
 * history, and history that is over the limits away. */
void table_txn_put(struct etcd_txn *txn, const struct inventory *inv, const struct document *d,
                   uint64_t epoch);

/* False and a sentence in `error` (DOCUMENT_ERROR_MAX bytes) if etcd would not
 * take so much at once. */
bool table_txn_fits(const struct etcd_txn *txn, char *error);
