/* table_cluster.h - what `config get cluster` lists: where clients find proxies. Pure. */
#pragma once
#include "common/core/span.h"

#define TABLE_CLUSTER_MAX       64 /* addresses */
#define TABLE_CLUSTER_BYTES_MAX 16384

/* "HOST:PORT,..." as "HOST|IP|PORT ...", in the order given; a name has no IP, which
 * its reader looks up. NULL if that is no such list, else the caller's to free; "" for
 * "". */
char *table_cluster_nodes(const char *list);
