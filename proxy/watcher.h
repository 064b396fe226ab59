/* watcher.h - `watch hotkeys`: clients that are told every five seconds which keys
 * were read most, over all workers.
 *
 *     first worker's tick -> host->watch_tick() -> an interval is over: its lines
 *         -> every worker, by watcher_tell() -> its watchers' output
 *
 * A watcher is a state of its client: what it sends means nothing, and is thrown
 * away. One that does not read has at most WATCHER_HELD_MAX bytes kept for it; what
 * it is not told is counted and told as "skipped=N". Its connection ends with the
 * process, and is not given to the one that takes over.
 *
 * Thread: the client's worker, except for watcher_tell(). */
#pragma once
#include "common/core/hotkeys_watch.h"
#include "common/core/list.h"
#include "common/proto/request.h"

#include <stdatomic.h>

#define WATCHERS_MAX     20    /* as memcached */
#define WATCHER_HELD_MAX 65536 /* about a minute of the longest keys */

struct client;
struct worker;

/* One of the process. */
struct watch_hub {
    _Atomic unsigned watchers;     /* of all workers */
    struct hotkeys_watch interval; /* the first worker's, and so is the next */
    uint64_t gid;                  /* of the last line */
};

struct watcher {
    struct list link; /* worker->watchers */
    struct client *client;
    uint64_t missed; /* lines that it was not told */
};

/* Answers `watch [<stream> ...]`; the client may watch from then on. */
void watcher_command(struct client *c, const struct request *r);

/* The client ends; one that does not watch is allowed. */
void watcher_end(struct client *c);

/* The process ends: so do the worker's watchers. */
void watcher_end_all(struct worker *w);

/* The worker's watchers are told these whole lines. Any thread. */
void watcher_tell(struct worker *w, struct span text, unsigned lines);
