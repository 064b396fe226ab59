/* election.h - one leader at a time, and a number that proves it.
 *
 * A candidate puts the leader key, if it does not exist, under a lease. The
 * key's create_revision is the fencing token: every write that only a leader
 * may do carries election_fence(), so a write of a leader that was stalled and
 * replaced is refused by etcd whatever its own clock believes.
 *
 * A leader counts itself deposed 2/3 of the TTL after its last successful
 * renewal was sent (monotonic clock), or as soon as the key is seen to be
 * another's or gone. A standby watches the leader key and campaigns, after a
 * short jitter, when it disappears.
 *
 * While leading, the beat key is written every beat_ms in a fenced
 * transaction: it shows every watcher that a quorum takes writes, and shows a
 * leader within one beat that it no longer is one.
 *
 * Loop's thread only. Callbacks may not destroy the election. */
#pragma once
#include "control/etcd/etcd.h"

#define ELECTION_TTL_S   10
#define ELECTION_BEAT_MS 5000

struct election_events {
    /* We lead. `fence` is higher than every earlier leader's of this store; the
     * same as last time if nobody else led in between. */
    void (*elected)(void *arg, int64_t fence);
    /* We do not lead any more: stop at once. After each elected(), once,
     * except after election_destroy(). */
    void (*deposed)(void *arg, const char *reason);
    /* Who leads, as far as known: the leader key, ours too, or NULL if nobody
     * does. May be NULL. */
    void (*leader)(void *arg, const struct etcd_kv *leader);
};

/* Zero and empty mean the default. */
struct election_options {
    struct span identity; /* the leader key's value, e.g. JSON with id and address; copied */
    struct span folder;   /* relative; keys are <folder>leader and <folder>beat; "ctl/"; copied */
    int64_t ttl_s;        /* ELECTION_TTL_S */
    uint64_t beat_ms;     /* ELECTION_BEAT_MS */
};

struct election;

/* Campaigns at once; `events` must outlive the election. */
struct election *election_create(struct etcd *client, const struct election_options *options,
                                 const struct election_events *events, void *arg);
/* Without resigning: the lease runs out by itself. */
void election_destroy(struct election **election);

/* Gives the office up and never campaigns again: deposed("resigned") at once if
 * we lead, then the lease is revoked so that a standby follows at once. `done`
 * comes when etcd has answered or did not answer in time; may be NULL. */
void election_resign(struct election *election, void (*done)(void *arg), void *arg);

bool election_is_leader(const struct election *election);
/* The fencing token, or 0 while not leading. */
int64_t election_token(const struct election *election);

struct etcd_txn;
/* Adds the compares that make `txn` the leader's: the leader key's
 * create_revision is our token, and it hangs on our lease. While not leading
 * they are such as cannot hold. */
void election_fence(const struct election *election, struct etcd_txn *txn);
/* Tell that a fenced txn came back with succeeded == false although its other
 * compares should have held: the leader key is read at once. */
void election_doubt(struct election *election);
