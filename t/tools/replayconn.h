/* replayconn.h - one pipelined connection of mfreplay: get, and set on a miss.
 *
 *   offer -> waiting -> [send get] -> pending -> hit
 *                                        |-> miss -> [send set] -> pending -> stored
 *
 * A key that has a request pending here is not asked again before the answer:
 * the get behind a miss would otherwise overtake the set and count a second
 * miss. Requests behind it wait too, so the order of the trace stays.
 *
 * It shares no parser with the programs that it judges. One loop, one thread. */
#pragma once
#include "common/net/addr.h"
#include "common/net/loop.h"

#include <stdint.h>

struct replayconn;

struct replay_plan {
    unsigned depth;     /* gets on their way at most */
    unsigned set_every; /* each so many'th request is a set; 0: none but on a miss */
    size_t value_min;
    size_t value_max;
};

struct replay_totals {
    uint64_t requests; /* gets answered */
    uint64_t hits;
    uint64_t sets;   /* answered STORED */
    uint64_t errors; /* error lines, to gets and sets */
    uint64_t wrong;  /* values that are not their key's */
};

struct replay_events {
    /* An answer came: there may be room again, or nothing left to wait for. */
    void (*progress)(void *arg);
    /* The connection is of no use any more, with the reason. */
    void (*broken)(void *arg, const char *reason);
    void *arg;
};

/* All pointers outlive the connection. */
struct replayconn *replayconn_create(struct loop *loop, const struct addr *addr,
                                     const struct replay_plan *plan,
                                     const struct replay_events *events,
                                     struct replay_totals *totals);
void replayconn_destroy(struct replayconn **c);

/* Takes one request over; false if enough are waiting here. */
bool replayconn_offer(struct replayconn *c, uint32_t id);

/* Nothing waits and nothing is pending. */
bool replayconn_idle(const struct replayconn *c);
