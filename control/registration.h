/* registration.h - what a node says of itself: in its HELLO, under nodes/<id>
 * in etcd, and in an operator's order to admit a node that cannot speak for
 * itself (plain memcached). One decoder, so that nothing unchecked gets
 * further. Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

#define REGISTRATION_ERROR_MAX 256

struct registration {
    char *id;
    char *pool;
    char *addr;      /* HOST:PORT, as proxies shall connect */
    char *ring_name; /* NULL: the planner chooses */
    char *zone;      /* "" if not given */
    char *boot_id;   /* "" if not given */
    char *build;     /* "" if not given */
    uint64_t weight; /* 1..RING_WEIGHT_MAX */
    uint64_t generation;
    uint64_t memory_bytes;
    enum node_kind kind;
};

/* Reads the members named as in struct registration; others are ignored. `id`
 * and `pool`, if not NULL, stand in for members that the object lacks. NULL and
 * a sentence in `error` (REGISTRATION_ERROR_MAX bytes) that names what was
 * expected. */
struct registration *registration_decode(const json_t *object, const char *id, const char *pool,
                                         char *error);
void registration_destroy(struct registration **r);

/* The caller's to release. */
json_t *registration_encode(const struct registration *r);
