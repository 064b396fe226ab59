/* ringscheme.h - clients by the names that the ring vectors give them, and which
 * ring places keys as they do. Pure. */
#pragma once
#include "common/fleet/ring.h"

/* What a client calls a server, if not as the ring's own kind does. */
enum ring_label {
    RING_LABEL_OWN,
    RING_LABEL_LIBMEMCACHED, /* host, or host:port if that is not 11211 */
    RING_LABEL_SLASH,        /* /host:port */
    RING_LABEL_TWICE,        /* host/host:port */
};

/* What a scheme of the vectors (client, mode and suffixes) means here. */
struct ring_scheme {
    const char *name;
    struct ring_config config;
    bool weights; /* false: the client ignores them */
    enum ring_label label;
    const char *strip_prefix; /* "" for none */
};

/* NULL: no ring here places keys like that client. */
const struct ring_scheme *ring_scheme_find(struct span name);

/* The name for struct ring_server; NULL if the ring's own serves. The caller's
 * to free. */
char *ring_scheme_label(const struct ring_scheme *scheme, const char *host, uint16_t port);
