/* rendezvous.h - pymemcache's HashClient: every server scores the key, the highest score wins.
 * Costs a hash per server and lookup. Immutable once made; any thread. */
#pragma once
#include "common/fleet/ring.h"

struct rendezvous {
    struct rendezvous_server *servers;
    unsigned count;
};

/* `r` is uninitialised. */
void rendezvous_init(struct rendezvous *r, const struct ring_server *servers, unsigned count);
void rendezvous_deinit(struct rendezvous *r);

/* *score receives the winner's. */
unsigned rendezvous_owner(const struct rendezvous *r, struct span key, uint32_t *score);

/* The best `max`, the best first, into `out`; returns how many there are. */
unsigned rendezvous_best(const struct rendezvous *r, struct span key, unsigned *out, unsigned max);

/* What the server is called in what is hashed. */
const char *rendezvous_label(const struct rendezvous *r, unsigned server);
