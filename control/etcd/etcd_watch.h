/* etcd_watch.h - a prefix of the store, kept current: list, then watch.
 *
 *     list (linearizable) -> snapshot() synced() -> watch from its revision + 1
 *        ^                                             | event()… synced()
 *        +--- break, compaction, silence, resync ------+
 *
 * Every (re)connection takes a fresh list that replaces what was delivered
 * before, so nothing rests on a history that may be compacted or re-ordered.
 * Events at or below what was applied are dropped. A member that contradicts
 * what was seen (other cluster, lower raft term, a revision in our past) is
 * not believed and the next one is asked; when all of them are in our past, the
 * store was restored from a backup, and only the owner can say what then.
 *
 * Has a connection of its own. Loop's thread only. Callbacks may destroy the
 * watch they belong to. */
#pragma once
#include "control/etcd/etcd.h"

#define WATCH_IDLE_MS   15000  /* three beats of CONTROL.md's ctl/beat */
#define WATCH_RESYNC_MS 300000 /* +- 20 % */

enum watch_event_type { WATCH_PUT, WATCH_DELETE };

struct watch_event {
    enum watch_event_type type;
    struct etcd_kv kv;          /* of a delete: only key and mod_revision */
    const struct etcd_kv *prev; /* what it replaced, or NULL if it is not known */
};

/* Spans live until the callback returns. */
struct watch_events {
    /* Everything under the prefix as of `revision`; replaces all that was
     * delivered before. */
    void (*snapshot)(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision);
    /* One change, in revision order. */
    void (*event)(void *arg, const struct watch_event *event);
    /* What was delivered so far is the whole state at `revision`: after each
     * snapshot and after all the events of one answer, never in the middle of
     * a transaction. The place to act. */
    void (*synced)(void *arg, int64_t revision);
    /* The view is current (true: after the first snapshot and every recovery),
     * or may be old (false: a stream broke or a list failed). Once per change.
     * May be NULL. */
    void (*live)(void *arg, bool live);
    /* The store went back in time. `kvs` is what it holds now, at `revision`;
     * what was delivered last stays in force. Return true to adopt it: it is
     * then delivered as a snapshot and the watch goes on from there. Called
     * again with each further list, every few seconds, until adopted. NULL:
     * never adopt. */
    bool (*regressed)(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision);
};

/* Zero means the default. */
struct watch_options {
    struct span prefix; /* relative; empty: everything; copied */
    uint64_t idle_ms;   /* silence after which the stream is not trusted; WATCH_IDLE_MS */
    uint64_t resync_ms; /* WATCH_RESYNC_MS */
};

struct watch;

/* Starts at once; `events` must outlive the watch. */
struct watch *watch_create(struct etcd *client, const struct watch_options *options,
                           const struct watch_events *events, void *arg);
void watch_destroy(struct watch **w);

bool watch_is_live(const struct watch *w);
bool watch_is_regressed(const struct watch *w);
/* The last revision that was delivered; 0 before the first snapshot. */
int64_t watch_revision(const struct watch *w);
/* Milliseconds since the server was last heard (list or stream), for lag. */
uint64_t watch_quiet_ms(const struct watch *w);

/* Takes a fresh list now, e.g. on an operator's request. */
void watch_resync(struct watch *w);
