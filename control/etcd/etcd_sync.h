/* etcd_sync.h - the calls of etcd.h, one at a time and blocking, for commands
 * such as mfctl. Runs a loop of its own inside each call; one thread. */
#pragma once
#include "control/etcd/etcd.h"

struct etcd_sync;

/* As etcd_create(). */
struct etcd_sync *etcd_sync_open(const struct etcd_options *options, char **error);
void etcd_sync_close(struct etcd_sync **sync);

/* For endpoint urls, prefix and metrics. Start no calls on it. */
struct etcd *etcd_sync_client(struct etcd_sync *sync);

/* Each returns the reply, which lives until the next call on `sync`. */
const struct etcd_reply *etcd_sync_get(struct etcd_sync *sync, struct span key);
const struct etcd_reply *etcd_sync_list(struct etcd_sync *sync, struct span prefix);
const struct etcd_reply *etcd_sync_delete(struct etcd_sync *sync, struct span key);
const struct etcd_reply *etcd_sync_commit(struct etcd_sync *sync, const struct etcd_txn *txn);
const struct etcd_reply *etcd_sync_status_of(struct etcd_sync *sync, size_t endpoint);
