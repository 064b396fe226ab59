/* chaosfleet.h - the processes of a run: nodes, a node for the gutter, proxies,
 * and the links between them. Nodes listen on unix sockets in a folder of the
 * run's own, proxies on another; so a process that is started again is found where
 * it was. Everything ends with the run. Main thread only. */
#pragma once
#include "common/core/buf.h"
#include "t/chaos/chaoslink.h"
#include "t/chaos/chaosmove.h"
#include "t/chaos/chaosnet.h"
#include "t/chaos/chaosrun.h"

#include <sys/types.h>

#define CHAOS_LOCAL_TTL_MS 250  /* replica_ttl_local_ms */
#define CHAOS_COPY_TTL_MS  1000 /* replica_ttl_ms */

struct chaos_setup {
    const char *bin_dir;     /* with mfproxy and mfcached */
    unsigned proxies, nodes; /* nodes: without the gutter's */
    unsigned node_threads, proxy_threads;
    uint64_t request_timeout_ms;
    uint64_t gutter_ttl_s;  /* 0: no gutter */
    uint64_t miss_lease_ms; /* 0: none */
    uint64_t near_ms;       /* near_cache_ttl_ms; 0: no near cache */
    uint64_t promote;       /* promote_percent, with 3 replicas; 0: no replicas */
    uint64_t hot;           /* so many keys are listed as hot, with 3 replicas */
    bool network;           /* wires are the kernel's: chaosnet.h */
    bool alone;             /* no coalescing */
    bool warm;              /* nodes keep their items in a file */
    bool keep;              /* the folder, for who wants to read logs */
};

struct chaos_process {
    char name[16];
    char socket[128], log[128], extra[128]; /* extra: its table, or memory file */
    struct addr addr;                       /* where it is asked */
    pid_t pid;
};

struct chaos_fleet {
    struct chaos_setup setup;
    struct chaos_run *run;
    struct chaos_links *links;
    struct chaos_net *net; /* with setup.network; then there are no links */
    char dir[96];
    unsigned node_count; /* with the gutter's, which is the last */
    struct chaos_process nodes[CHAOS_NODES_MAX], proxies[CHAOS_PROXIES_MAX];
    char addrs[CHAOS_PROXIES_MAX][CHAOS_NODES_MAX][CHAOS_NET_ADDR_MAX + 8];
    unsigned link_of[CHAOS_PROXIES_MAX][CHAOS_NODES_MAX];
    uint64_t epoch;
    struct chaos_ring ring;
    bool owed[CHAOS_PROXIES_MAX];      /* the last table is still to be written */
    bool unsettled[CHAOS_PROXIES_MAX]; /* it does not follow the last table yet */
};

/* Starts everything; exits the program if that fails. */
void chaos_fleet_start(struct chaos_fleet *f);
/* SIGTERM; false if something ended with another status than 0, or said what only
 * a bug says. */
bool chaos_fleet_stop(struct chaos_fleet *f);

/* Has a process ended by itself? Says so, as wrong. */
void chaos_fleet_look(struct chaos_fleet *f);

void chaos_node_end(struct chaos_fleet *f, unsigned node, int signal);
void chaos_node_start(struct chaos_fleet *f, unsigned node);
/* flush_all; false if it does not answer. */
bool chaos_node_flush(struct chaos_fleet *f, unsigned node);
void chaos_node_signal(struct chaos_fleet *f, unsigned node, int signal);

void chaos_proxy_end(struct chaos_fleet *f, unsigned proxy, int signal);
void chaos_proxy_start(struct chaos_fleet *f, unsigned proxy);

/* Writes a table of a greater epoch, by which keys are at other nodes at once. */
void chaos_fleet_table(struct chaos_fleet *f, const struct chaos_ring *ring);
/* Another step of a move; the proxies but `first` have it when chaos_fleet_pay()
 * is called. */
void chaos_fleet_step(struct chaos_fleet *f, const struct chaos_ring *ring, unsigned first);
void chaos_fleet_pay(struct chaos_fleet *f);
/* Does each proxy follow it? */
bool chaos_fleet_settled(const struct chaos_fleet *f);
/* Which proxies follow it by now. */
void chaos_fleet_settle(struct chaos_fleet *f);

/* The wire between a proxy and a node is such from now on; or its connections are
 * reset. */
void chaos_wire_set(struct chaos_fleet *f, unsigned proxy, unsigned node,
                    enum chaos_link_state state);
void chaos_wire_cut(struct chaos_fleet *f, unsigned proxy, unsigned node);

/* What a proxy answers to "stats..."; false if nothing whole within a second. */
bool chaos_fleet_ask(struct chaos_fleet *f, unsigned proxy, const char *command, struct buf *out);

/* A number of `stats`, of all proxies that answer, since they were started last. */
uint64_t chaos_fleet_sum(struct chaos_fleet *f, const char *name);
