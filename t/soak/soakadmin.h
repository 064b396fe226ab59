/* soakadmin.h - the administrator of a soak: watches memory, flushes, crawls,
 * changes the limit, stops and continues the server. One thread. */
#pragma once
#include "common/net/addr.h"
#include "t/soak/soakboard.h"

#include <sys/types.h>

struct soak_admin_plan {
    struct soak_board *board;
    const struct addr *addr;
    pid_t pid;                /* of the server; 0: not ours to watch or to stop */
    uint64_t limit_bytes;     /* -m */
    uint64_t limit_low_bytes; /* the limit is changed between this and limit_bytes; 0: not */
    uint64_t flush_every_ms;  /* 0: never */
    uint64_t pause_every_ms;  /* 0: never; needs pid */
    bool check_rss;
    uint64_t duration_ms;
};

struct soak_admin_sums {
    uint64_t rss_max_bytes;
    uint64_t rss_bound_bytes; /* at the time when it was nearest */
    uint64_t evictions;
    uint64_t items;
};

/* Runs until the time is over or the soak ends for another reason, and ends it.
 * False if the server could not be asked. */
bool soak_admin_run(const struct soak_admin_plan *plan, struct soak_admin_sums *sums);

/* After all others have ended: what the server counted. */
bool soak_admin_ask(const struct soak_admin_plan *plan, struct soak_admin_sums *sums);
