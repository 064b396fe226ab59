/* proxy.h - the process: listeners and signals on the main thread, workers, the
 * follower of the routing table, HTTP.
 *
 *     main thread: accept -> a worker; signals; HTTP
 *     follower's:  table -> placement -> every worker
 *     resolver's:  names of nodes -> addresses
 *     workers:     clients and backends; nothing else
 *
 * With --takeover a new process meets the one that runs (predecessor), and later
 * the one that replaces it (successor); proxy_takeover.c tells how.
 */
#pragma once
#include "common/core/list.h"
#include "common/net/http.h"
#include "common/net/listener.h"
#include "proxy/journal.h"
#include "proxy/placement.h"
#include "proxy/predecessor.h"
#include "proxy/proxy_metrics.h"
#include "proxy/proxy_options.h"
#include "proxy/proxy_worker.h"
#include "proxy/successor.h"
#include "proxy/watcher.h"

struct follower;
struct journal_heir;

struct proxy_listener {
    struct proxy *proxy;
    struct listener *listener; /* NULL when it has ended */
    struct addr told;          /* what it was told to bind: with port 0, not what it has bound */
    unsigned frontend;
};

struct proxy {
    const struct proxy_options *options;
    struct loop *loop;
    struct metric_set *metrics;
    struct metric_block *accept_metrics;             /* the main thread's */
    _Atomic uint64_t stats_base[PROXY_METRIC_COUNT]; /* as of `stats reset` */
    struct worker_limits limits;
    struct worker_host host;
    struct write_marks writes; /* the workers' */
    struct watch_hub watches;
    struct worker **workers;
    unsigned worker_count;
    unsigned next_worker;
    struct proxy_listener *listeners;
    unsigned listener_count;
    struct frontends frontends;
    struct http_server *http;
    struct addr http_name;
    struct predecessor *predecessor; /* NULL if there was none */
    struct successor *successor;     /* NULL without --takeover */
    struct journal_heir *heir;       /* what the journals hold goes to it; NULL: to nobody */
    bool relieved;                   /* a successor serves */
    struct resolver *resolver;
    struct journal_budget journal_budget;
    struct journal_dir *journals; /* NULL: they end with the process */
    pthread_mutex_t lock;         /* covers the two below */
    struct follower *follower;    /* NULL when it has ended */
    struct placement *placement;  /* the newest; NULL before there is a table */
    _Atomic uint64_t hurried_ms;  /* when a newer table was asked for last */
    _Atomic uint64_t clear_epoch; /* nothing older than this table is on its way */
    _Atomic unsigned connections;
    _Atomic uint64_t connections_max; /* --max-connections, or what descriptors allow */
    atomic_bool draining;
    uint64_t drain_until_us;
    uint64_t started_ms;
    struct loop_signal sigterm;
    struct loop_signal sigint;
    struct loop_timer drain_timer;
    char *id;
};

/* Binds and starts everything. False and a line on stderr if it cannot; call
 * proxy_stop() in any case. `options` must outlive the proxy. */
bool proxy_start(struct proxy *proxy, const struct proxy_options *options);

/* Tells the process before us, if there is one, that we serve. To be called when
 * nothing can fail any more. */
void proxy_take_over(struct proxy *proxy);

/* Serves until a signal has been obeyed, or a successor has taken over. */
void proxy_run(struct proxy *proxy);
void proxy_stop(struct proxy *proxy);

/* From any thread. A reference to the newest placement, or NULL. */
struct placement *proxy_placement(struct proxy *proxy);

/* A table is in use and no signal to end has come. Any thread. */
bool proxy_is_ready(struct proxy *proxy);

/* Accepts no more, answers what is on its way, and ends. */
void proxy_drain(struct proxy *proxy);

/* proxy_listen.c: binds what the options name, or takes it from the predecessor.
 * Those that can fail print why. */
bool proxy_listen(struct proxy *proxy);
void proxy_stop_listening(struct proxy *proxy);
bool proxy_resolve(const char *text, struct addr *out);
/* A client has connected by this frontend, here or before us. */
void proxy_accept(struct proxy *proxy, int fd, unsigned frontend);
void proxy_offer_listeners(struct proxy *proxy, struct handover_offer *offer);
/* Whether the files of unix sockets are ours to remove. */
void proxy_own_files(struct proxy *proxy, bool own);

/* proxy_takeover.c: the steps of a start with --takeover, in order; true without. */
bool proxy_meet_predecessor(struct proxy *proxy);
bool proxy_await_table(struct proxy *proxy);
bool proxy_meet_successor(struct proxy *proxy);

/* proxy_journals.c: opens the folder, if there is to be one (prints why it cannot be);
 * what the journals hold goes to the successor, and comes from the predecessor. */
bool proxy_keep_journals(struct proxy *proxy);
void proxy_bequeath_journals(struct proxy *proxy);
bool proxy_heir_has_all(struct proxy *proxy);
void proxy_inherit_journal(struct proxy *proxy, struct span message);
/* The node of this journal_owner(), or NULL. */
const struct place_node *proxy_node_of(const struct placement *p, struct span owner);
/* The end of the newest placement and of the folder; workers have ended. */
void proxy_end_journals(struct proxy *proxy);

/* proxy_health.c: the same of what is known of the nodes' health. */
void proxy_bequeath_health(struct proxy *proxy);
void proxy_inherit_health(struct proxy *proxy, struct span message);

/* proxy_stats.c: the reply to `stats`, `stats <group>`, and `stats reset`. */
bool proxy_stats(void *arg, struct span group, struct buf *out);
void proxy_stats_reset(void *arg);
void proxy_hotkeys(void *arg, unsigned top, struct buf *out);

/* The keys that are hot by what this proxy sees: how many, and as rows of `stats
 * hotkeys`, if `out` is not NULL. */
unsigned proxy_promoted(struct proxy *proxy, struct buf *out);

/* The workers' sketches of hot keys; the caller's to free. */
struct hotkeys **proxy_sketches(const struct proxy *proxy);

/* Calls `fn` for the `n` keys that were read most in the last minutes, the first first. *total has
 * become all reads of that time before. */
void proxy_hottest(const struct proxy *proxy, unsigned n, uint64_t *total,
                   void (*fn)(void *arg, const struct hotkey *key), void *arg);

/* proxy_watch.c: tells who watches. The first worker's thread, now and then. */
void proxy_watch_tick(void *arg);

/* proxy_frontends.c: which listener is bound to which pool. The first logs those whose
 * pool the table lacks. */
void proxy_check_frontends(struct proxy *proxy, const struct table *table);
void proxy_frontend_stats(struct proxy *proxy, struct buf *out);
void proxy_frontend_metrics(struct proxy *proxy, struct buf *out);
void proxy_frontend_rows(struct proxy *proxy, struct buf *out);
/* Appends a line for each of those; false if no listener has a route. */
bool proxy_frontend_faults(struct proxy *proxy, struct buf *out);

/* proxy_http.c: the HTTP endpoints. */
void proxy_http_routes(struct proxy *proxy);

/* proxy_page.c: the status page. */
void proxy_page(void *arg, struct http_reply *reply);
