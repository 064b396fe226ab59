/* config_cluster.h - `config get cluster`: clients that find their servers by
 * themselves, as ElastiCache's do, are told the proxies that their pool lists. */
#pragma once
#include "common/proto/request.h"

struct client;

/* Answers a `config` command. The pool is that of the client's listener, or the
 * table's default; one that lists nobody answers as if there were no such command. */
void config_cluster(struct client *c, const struct request *r);
