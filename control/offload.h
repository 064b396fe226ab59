/* offload.h - a helper thread for what would keep the loop from turning:
 * building and parsing large tables, writing files. A leader that does such
 * things on its loop renews no lease meanwhile.
 *
 * Jobs run one after another, in order. Threads: everything on the loop's
 * thread, but for work(). */
#pragma once
#include "common/net/loop.h"

struct offload;

struct offload_job {
    struct offload_job *next; /* the offload's */
    /* On the helper thread: touches nothing but the job. */
    void (*work)(struct offload_job *job);
    /* On the loop's thread; frees the job. With `worked` false we are shutting
     * down: do nothing else. */
    void (*done)(struct offload_job *job, bool worked);
};

struct offload *offload_create(struct loop *loop);

enum offload_end {
    OFFLOAD_DROP,   /* jobs that have not begun are not done */
    OFFLOAD_FINISH, /* they are */
};
/* Waits for the job that runs, or for all; every job that is left gets its
 * done(). The loop may not turn any more. */
void offload_destroy(struct offload **o, enum offload_end end);

void offload_run(struct offload *o, struct offload_job *job);
