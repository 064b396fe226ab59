/* lookup_key.h - a key and what finding it needs, computed once a request. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

struct lookup_key {
    struct span bytes; /* as the node knows it */
    uint64_t hash;     /* by the proxy's secret seed */
    unsigned pool;     /* index in the routing table in use */
};
