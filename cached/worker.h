/* worker.h - a thread with an event loop and the connections that were handed
 * to it. Everything of a connection happens on its worker's thread. */
#pragma once
#include "cached/conn_memory.h"
#include "cached/crowd.h"
#include "cached/node.h"
#include "cached/sends.h"
#include "common/core/hotkeys.h"
#include "common/proto/request.h"

#define WORKER_SCRATCH_BYTES 65536
#define WORKER_SHED_MS       1000 /* half a command held for so long gives its slot up */
#define WORKER_NO_HALF       UINT64_MAX

struct conn;

struct worker {
    struct node *node;
    unsigned index;
    pthread_t thread;
    struct loop *loop;
    struct store_thread *store;
    struct metric_block *metrics;
    uint64_t now_ms; /* the node's clock, when this turn of the loop began, or later */
    uint64_t now_us; /* the loop's, when that was looked at */
    struct crowd crowd;

    /* Shared by the connections, which hold buffers of their own only while
     * something is unfinished. */
    char *scratch;          /* input of one read */
    struct sends sends;     /* output of this turn, and buffers for it */
    struct request request; /* the one being executed */

    struct conn_memory memory;       /* that the connections take */
    struct list conns;               /* all, the one that was active longest ago first */
    struct list halves;              /* with half a command, oldest first */
    struct list announced;           /* those who said which table they go by (fencing.h) */
    uint64_t fence_seen;             /* under the fencing's lock: which state of it holds here */
    _Atomic uint64_t oldest_half_ms; /* since when the first of those waits, or WORKER_NO_HALF */
    atomic_bool shedding;            /* a worker_shed() is on its way */
    struct hotkeys *hotkeys;
    uint32_t hotkeys_distance;     /* requests until one is looked at */
    struct prefix_table *prefixes; /* `stats detail` */
    struct event_ring *events;     /* what watchers are told */
    struct list watchers;          /* connections that watch */
    struct loop_timer watch_timer; /* runs while there are any */
    struct list yielded;           /* have input left for their next turn */
    struct loop_timer yield_timer;
    struct loop_timer tick_timer;
    unsigned last_turns; /* once it shall stop; */
    uint64_t last_us;    /* until then for those who are not done yet */
    struct service_times service_times;
    _Atomic uint64_t
        class_hits[STORE_BANDS]; /* reads by the value's size, by looks as for hotkeys */
};

/* A worker that runs; it takes connections until it is stopped. */
struct worker *worker_start(struct node *node, unsigned index);
/* Lets the thread end: it still answers what it finds already sent to it, then
 * closes its connections, those too that were handed over earlier. */
void worker_stop(struct worker *w);
/* Until it has ended. */
void worker_wait(struct worker *w);
/* After worker_wait(). */
void worker_free(struct worker **w);

/* Hands a connected socket over. Main thread. */
void worker_adopt(struct worker *w, int fd);

/* Makes the worker close the connection that has held half a command for
 * longest, if one has for WORKER_SHED_MS. False if none seems to have. Main thread. */
bool worker_shed(struct worker *w);

/* The list of halves has changed. Worker's thread. */
void worker_note_halves(struct worker *w);

/* Has a number that grows while the worker lives and turns. Any thread. */
uint64_t worker_turns(const struct worker *w);

/* The most CPU time that a turn of any worker took since that was forgotten, and
 * how many took a millisecond or more (loop.h). Any thread. */
uint64_t workers_longest_turn_us(const struct node *node);
void workers_forget_longest_turn(struct node *node);
uint64_t workers_slow_turns(const struct node *node);

/* The connection has input left: it goes on once the others had their turn.
 * Worker's thread. */
void worker_yield(struct worker *w, struct conn *c);

/* Looks at a request: its key may be a hot one, and if it has found a value that
 * was a hit for items of this size. Worker's thread. */
void worker_look_at(struct worker *w, const struct store_key *key, uint64_t bytes, bool hit);

/* A request for a key whose value has so many bytes, 0 if there is none or it is
 * not known. One in HOTKEYS_EVERY is looked at. */
static inline void
worker_note_key(struct worker *w, const struct store_key *key, uint64_t bytes)
{
    if (--w->hotkeys_distance == 0) {
        worker_look_at(w, key, bytes, bytes > 0);
    }
}

/* The same for a request that brings a value. */
static inline void
worker_note_store(struct worker *w, const struct store_key *key, uint64_t bytes)
{
    if (--w->hotkeys_distance == 0) {
        worker_look_at(w, key, bytes, false);
    }
}

/* Counts for `stats detail`, if that is on. */
static inline void
worker_count_prefix(struct worker *w, struct span key, enum prefix_count what)
{
    const struct prefix_settings *detail = &w->node->detail;
    if (atomic_load_explicit(&detail->enabled, memory_order_relaxed)) {
        prefix_table_count(w->prefixes, key, detail->delimiter, what);
    }
}

static inline void
worker_count_get_prefix(struct worker *w, struct span key, bool hit)
{
    worker_count_prefix(w, key, PREFIX_GETS);
    if (hit) {
        worker_count_prefix(w, key, PREFIX_HITS);
    }
}

/* The first connection of a turn of the loop begins its own. Under load the next one comes
 * a little later, so that several have asked. */
static inline void
worker_turns_anew(struct worker *w)
{
    crowd_turn(&w->crowd, w->now_us);
    unsigned gather_us = (unsigned)w->node->options.gather_us;
    if (crowd_is_large(&w->crowd) && gather_us > 0 && loop_is_busy(w->loop)) {
        loop_gather(w->loop, gather_us);
    }
}

static inline void
worker_count(struct worker *w, enum node_metric id)
{
    metric_add(w->metrics, id, 1);
}

static inline void
worker_count_touch(struct worker *w, bool hit)
{
    worker_count(w, METRIC_ID_NODE_TOUCHES);
    worker_count(w, hit ? METRIC_ID_NODE_TOUCH_HITS : METRIC_ID_NODE_TOUCH_MISSES);
}
