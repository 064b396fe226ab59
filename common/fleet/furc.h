/* furc.h - mcrouter's Ch3: the place of a key among n servers
 * in their order, so that from n to n + 1 only the keys of the new one move.
 * After Facebook's furc_hash (mcrouter, mcrouter/lib/fbi/hash.c). Pure. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

#define FURC_SERVERS_MAX (1u << 23)

/* 0..count-1. `key` is the whole key: the routing prefix "/region/cluster/" and
 * what follows "|#|" are not hashed. */
uint32_t furc_owner(struct span key, uint32_t count);
