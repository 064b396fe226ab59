/* node.h - one mfcached: its options, its store, its workers, its listeners.
 *
 *     listener -> worker -> connection -> parse -> execute -> store -> outbox -> one send
 *
 * The main thread accepts and hands each connection to a worker, answers HTTP
 * and signals. A worker owns its connections from then on.
 *
 * Threads: main thread, but for what says otherwise. */
#pragma once
#include "cached/event_ring.h"
#include "cached/fencing.h"
#include "cached/service_time.h"
#include "cached/node_metrics.h"
#include "cached/node_options.h"
#include "cached/prefixes.h"
#include "cached/store/store.h"
#include "cached/tuning.h"
#include "common/core/hotkeys_watch.h"
#include "common/core/list.h"
#include "common/net/listener.h"

#include <pthread.h>

#define NODE_BOOT_ID_BYTES 16
#define NODE_SIGNALS       3

struct announce;
struct http_server;
struct memory_file;
struct worker;

/* What the lru_crawler command sets. */
struct crawler_settings {
    atomic_bool enabled; /* dumps are served */
    _Atomic uint64_t sleep_us, tocrawl;
};

/* Who watches what (watch.h). */
struct watch_hub {
    _Atomic uint32_t streams; /* that somebody watches: bits 1 << enum watch_stream */
    _Atomic uint64_t gid;
    pthread_mutex_t lock; /* covers the next two and changes of `streams` */
    unsigned watchers;
    unsigned wanted[WATCH_STREAM_COUNT]; /* watchers of each stream */
    struct hotkeys_watch interval;       /* the first worker's */
};

/* What `stats reset` subtracts from the counters of a class. */
struct class_baseline {
    struct store_band band;
    uint64_t get_hits;
};

struct node {
    struct node_options options;
    struct loop *loop; /* the main thread's */
    struct store *store;
    struct memory_file *memory_file;          /* under the store, or NULL */
    char boot_id[2 * NODE_BOOT_ID_BYTES + 1]; /* of what is in the store (restart.h) */
    struct metric_set *metrics;
    struct metric_block *main_metrics; /* the main thread's own */
    struct worker **workers;
    unsigned worker_count;
    unsigned next_worker; /* round robin */
    struct listener **listeners;
    unsigned listener_count;
    struct loop_signal signals[NODE_SIGNALS];
    struct announce *announce; /* NULL without a control plane */
    struct fencing fencing;    /* which proxies are too far behind */
    struct http_server *http;

    uint64_t clock_first_ms; /* the node's clock at the start (restart.h) */
    uint64_t started_mono_ms;
    uint64_t started_wall_ms;
    _Atomic int64_t clock_shift_ms;    /* by debugtime */
    _Atomic uint64_t connection_count; /* those handed to workers and not closed */
    _Atomic uint64_t verbosity;
    struct crawler_settings crawler;
    struct watch_hub watch;
    struct prefix_settings detail;
    struct tuning tuning;
    atomic_bool sizes_enabled; /* `stats sizes` is answered */
    atomic_bool accepting;
    _Atomic uint64_t pauses;    /* times that accepting was stopped at the limit */
    _Atomic uint64_t paused_us; /* for how long, together; the pause that goes on not counted */
    uint64_t paused_since_us;

    pthread_mutex_t registry_lock; /* covers the rest */
    struct list registry;          /* every connection, for `stats conns` */
    uint64_t *stats_baseline;      /* what `stats reset` subtracts from counters */
    struct class_baseline class_baseline[STORE_BANDS];
    struct histogram service_baseline[SERVICE_CLASS_COUNT];
    uint64_t pauses_baseline, paused_us_baseline;
};

/* NULL and a line on stderr if something that the options ask for cannot be
 * had. Takes over the options. */
struct node *node_create(struct node_options *options);
/* Listens and works until node_stop(). */
void node_run(struct node *node);
void node_destroy(struct node **node);

/* Ends node_run(). Any thread. */
void node_stop(struct node *node);

/* The node's clock: milliseconds, never below 2, monotonic. Any thread. */
uint64_t node_now_ms(const struct node *node);
/* What it showed at a time of the monotonic clock, as of a loop's turn. Any thread. */
static inline uint64_t
node_ms_at(const struct node *node, uint64_t mono_us)
{
    return mono_us / 1000 - node->started_mono_ms + node->clock_first_ms +
           (uint64_t)atomic_load_explicit(&node->clock_shift_ms, memory_order_relaxed);
}
/* Milliseconds since 1970 on the same clock. Any thread. */
uint64_t node_wall_ms(const struct node *node);
/* An exptime as clients give it, as a point on the node's clock. */
uint64_t node_expiry_ms(const struct node *node, int64_t exptime, uint64_t now_ms);

/* Moves the node's clock; for tests. Any thread. */
void node_shift_clock(struct node *node, int64_t seconds);

/* A connection was closed: its slot is free. Any thread. */
void node_connection_closed(struct node *node);

/* How often accepting has stopped, at the limit or for lack of descriptors. Any
 * thread. */
uint64_t node_pauses(const struct node *node);
/* For how long accepting was stopped at the limit. Any thread. */
uint64_t node_paused_us(const struct node *node);

/* Sets log level and `stats settings` by memcached's verbosity. Any thread. */
void node_set_verbosity(struct node *node, uint64_t level);
