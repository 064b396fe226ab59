/* tuning.h - what memcached's lru and slabs commands tune. This engine needs no
 * such tuning: it has no classes that starve and no segments to size. The
 * commands are checked and answered as memcached's, and `stats settings` shows
 * what they have set, so that scripts which tune a fleet go on.
 *
 * Threads: any. */
#pragma once
#include "common/core/buf.h"

#include <pthread.h>

struct tuning {
    pthread_mutex_t lock; /* covers the others */
    uint64_t hot_pct, warm_pct;
    double hot_factor, warm_factor;
    bool segmented;
    bool temporary;
    uint64_t temporary_ttl_s;
    uint64_t automove;
    double automove_ratio;
};

void tuning_init(struct tuning *t);
void tuning_deinit(struct tuning *t);

/* The rows of `stats settings`. */
void tuning_put(struct tuning *t, struct buf *out);
