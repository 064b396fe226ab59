/* read_ahead.h - descriptors that became readable together are read together.
 *
 *     ready:   a  b  c  d ...  ->  those that may be read ahead first, the others behind
 *     one call of the kernel reads them; each callback finds what came by loop_io_recv()
 *
 * Who has an aim is read into his own place. Who has none, and brought little the last time,
 * is read into a room of LOOP_AHEAD_MAX bytes here, from where he copies; who brought more is
 * worth a call of his own. Between the reading and the callbacks nobody else has a turn.
 *
 * One per loop; its thread only. */
#pragma once
#include "common/net/call_batch.h"

#include <sys/epoll.h>

struct read_ahead {
    struct call_batch batch;
    char *rooms; /* LOOP_AHEAD_MAX for each call; NULL until needed */
};

void read_ahead_deinit(struct read_ahead *a);

/* Of the `count` that are ready, each with its loop_io or NULL, puts those first that it
 * reads, and returns how many: none if there is no ring, or one alone, or a full batch. */
int read_ahead(struct read_ahead *a, struct call_ring *ring, struct epoll_event *ready, int count);
