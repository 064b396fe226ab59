/* modula.h - hash % n, in its three ways:
 *
 *   modula            libmemcached and gomemcache: the configured order, no weights
 *   twemproxy-modula  sorted by length and text of the name, each server as often as it weighs
 *   crc32-mod         python-memcached and Cache::Memcached: the configured order, weighted
 *
 * Immutable once made; any thread. */
#pragma once
#include "common/fleet/ring.h"

struct modula {
    uint32_t *servers; /* in the order of their slots */
    uint32_t *ends;    /* one past the last slot of the server at the same place */
    unsigned count;
};

/* `m` is uninitialised. */
void modula_init(struct modula *m, enum ring_kind kind, const struct ring_server *servers,
                 unsigned count);
void modula_deinit(struct modula *m);

/* *slot receives hash % slots. */
unsigned modula_owner(const struct modula *m, uint32_t hash, uint32_t *slot);
unsigned modula_slots_of(const struct modula *m, unsigned server);
