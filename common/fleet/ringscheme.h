/* ringscheme.h - clients by the names that the ring vectors give them, and which
 * ring places keys as they do. Pure. */
#pragma once
#include "common/fleet/ring.h"

/* What a scheme of the vectors (client, mode and suffixes) means here. */
struct ring_scheme {
    const char *name;
    struct ring_config config;
    bool weights;             /* false: the client ignores them */
    const char *strip_prefix; /* "" for none */
};

/* NULL: no ring here places keys like that client. */
const struct ring_scheme *ring_scheme_find(struct span name);
