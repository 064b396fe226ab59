/* proxy_worker.h - a thread that serves its own clients over its own connections to
 * every node. Nothing on the way of a request is shared between workers.
 *
 *     turn:  readable clients  -> parse -> route -> append to backends' output
 *            readable backends -> match by position -> append to clients' output
 *     end of the turn: one send per backend, one send per client
 *
 * Threads: the functions marked so may be called from any thread; all else, and
 * the struct's fields, belong to the worker's own. */
#pragma once
#include "common/core/hotkeys.h"
#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/proto/request.h"
#include "proxy/bufpool.h"
#include "proxy/coalesce.h"
#include "proxy/fanout.h"
#include "proxy/frontend.h"
#include "proxy/gather.h"
#include "proxy/hedge.h"
#include "proxy/herald.h"
#include "proxy/lookup_key.h"
#include "proxy/moving.h"
#include "proxy/multiget.h"
#include "proxy/objpool.h"
#include "proxy/placement.h"
#include "proxy/proxy_metrics.h"
#include "proxy/rename.h"
#include "proxy/retry_budget.h"
#include "proxy/shadow.h"
#include "proxy/successor.h"
#include "proxy/write_marks.h"

#include <pthread.h>

struct client;
struct roster;
struct watch_hub;
struct way;

struct worker_limits {
    unsigned max_inflight;    /* requests on their way to one node */
    uint64_t max_value_bytes; /* of one value that a client stores */
    uint64_t buffer_bytes;    /* of a worker: for values coming in, and for replies not taken */
    uint64_t half_command_ms; /* half a command may stand so long */
    const char *zone;         /* the proxy's; "" if not given */
    uint64_t hash_seed;       /* of lookup_key.hash; secret, one for all workers */
    unsigned threads;         /* workers */
    unsigned gather_us;       /* a turn under load takes at least so long; 0: none does */
    uint64_t replay_rate;     /* deletes a second, of a worker to one node that rejoins */
};

/* What the program around the workers offers them. Any thread. */
struct worker_host {
    void *arg;
    struct frontends *frontends;
    struct write_marks *writes;
    /* The reply to `stats [words]`; false if there is no such group. */
    bool (*stats)(void *arg, struct span group, struct buf *out);
    void (*stats_reset)(void *arg);
    /* The lines of the reply to `hotkeys`, without its end. */
    void (*hotkeys)(void *arg, unsigned top, struct buf *out);
    struct watch_hub *watches;
    /* Tells watchers what is due. The first worker, each second. */
    void (*watch_tick)(void *arg);
    /* A client connection of this worker has ended. */
    void (*client_gone)(void *arg);
    /* Gives an idle client's connection to the process that took over. */
    enum successor_takes (*give_client)(void *arg, int fd, unsigned frontend);
    /* A node refuses us because our table is too old. */
    void (*table_is_stale)(void *arg);
    /* All workers are clear of every epoch before the placement's. */
    void (*placement_clear)(void *arg, struct placement *placement);
};

struct worker {
    struct loop *loop;
    unsigned index; /* among the proxy's workers, from 0 */
    const struct worker_limits *limits;
    const struct worker_host *host;
    struct metric_block *metrics;
    struct bufpool bufs;
    struct objpool pendings;
    struct objpool legs;
    struct objpool renames;
    struct request renamed;  /* the one that is being dispatched, as its node shall have it */
    struct buf renamed_line; /* its line */
    struct multiget_pool multigets;
    struct coalesce coalesce;
    struct fanout fanout;
    struct hedge hedge;
    struct herald herald;
    struct moving_set moving;
    struct shadow shadow;
    struct hotkeys *hotkeys;
    uint32_t hotkeys_distance; /* reads until one is looked at */
    struct retry_budget retry_budget;
    struct buf scratch;     /* what one read of a client brought; empty between reads */
    struct request request; /* the one that is being dispatched */
    struct roster *roster;  /* NULL until there is a table */
    uint32_t roster_serial; /* of the last one */
    unsigned rosters;       /* the current one, and those with requests on their way */
    bool clear_told;        /* of the current roster */
    struct list clients;
    struct list watchers;      /* of them, those who watch */
    struct list backends;      /* of all rosters */
    struct list busy_clients;  /* have something to do at the end of this turn */
    struct list busy_backends; /* have something to send at the end of this turn */
    struct call_batch sends;   /* of up to so many of them at once */
    unsigned asking_clients;   /* something of theirs is on its way */
    struct gather gather;
    unsigned crowded_backends; /* nearly at max_inflight: clients stop pipelining */
    bool journals_unwritten;   /* some backends' have something that must be in its file */
    uint32_t split_round;      /* marks the backends of the multiget being split */
    struct way *split_ways;    /* those that had a line of it */
    unsigned split_count, split_room;
    struct split_part {
        uint32_t part;
        unsigned pool;
    } * split_parts; /* keys of it whose requests are put off until the lines are closed */
    unsigned split_late, split_late_room;
    uint64_t held_bytes;     /* replies that clients have not taken */
    uint64_t shed_bytes;     /* of them, those of clients that are about to be closed */
    uint64_t shed_looked_us; /* when one to be closed was looked for */
    uint64_t expected_bytes; /* large values that have not all arrived */
    uint64_t rng;
    bool ending; /* nothing is sent any more */
    bool draining;
    bool gives_clients; /* there is a process to give them to */
    uint64_t drain_until_us;
    struct loop_hook flush_hook;
    struct loop_timer tick_timer;
    _Atomic uint64_t beat_us; /* when the last tick ran */
    pthread_t thread;
    bool started;
};

struct worker *worker_create(unsigned index, const struct worker_limits *limits,
                             const struct worker_host *host, struct metric_block *metrics);
void worker_start(struct worker *w);
/* Stops the thread. Any thread but a worker's. */
void worker_stop(struct worker *w);
/* Closes all connections, frees. To be called when all workers have been stopped,
 * because each may look at the others' sketches. */
void worker_destroy(struct worker **w);

/* Any thread: */

/* The worker serves this connection from now on, which came by this frontend. */
void worker_give_client(struct worker *w, int fd, unsigned frontend);

/* Routes by this placement from the next turn on. Placements arrive in the
 * order of their creation; the caller keeps its reference. */
void worker_give_placement(struct worker *w, struct placement *placement);

/* The process before this one had the node of these statistics as DOWN. */
void worker_tell_down(struct worker *w, struct node_stats *stats);

/* Something was put into journals for it to deliver. */
void worker_look_at_journals(struct worker *w);

/* Finishes what is on its way and closes idle clients, evenly over `ms`; or, if
 * `clients_too`, gives them to the process that took over, each as soon as it is idle. */
void worker_drain(struct worker *w, uint64_t ms, bool clients_too);

/* ms since the worker last said that it is alive. */
uint64_t worker_silent_ms(const struct worker *w);

/* Own thread: */

/* If clients are given away and this one is idle: it is gone. False if it stays. */
bool worker_give_away(struct worker *w, struct client *c);

/* A roster of this worker has ended. */
void worker_roster_gone(struct worker *w);

/* Counts a read's key among the hot ones, if it is its turn. */
void worker_look_at(struct worker *w, const struct lookup_key *key);
static inline void
worker_note_read(struct worker *w, const struct lookup_key *key)
{
    if (--w->hotkeys_distance == 0) {
        worker_look_at(w, key);
    }
}

/* The next `count` reads are not to be looked at; false if one of them is. */
static inline bool
worker_pass_reads(struct worker *w, unsigned count)
{
    if (w->hotkeys_distance <= count) {
        return false;
    }
    w->hotkeys_distance -= count;
    return true;
}

/* lookup_key.hash of a key; needs no roster. */
uint64_t worker_key_hash(const struct worker *w, struct span key);

static inline uint64_t
worker_now_us(const struct worker *w)
{
    return loop_now_us(w->loop);
}

static inline void
worker_count(struct worker *w, enum proxy_metric id, uint64_t n)
{
    metric_add(w->metrics, id, n);
}
