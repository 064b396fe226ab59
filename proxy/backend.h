/* backend.h - a worker's one connection to one node.
 *
 * Requests of all the worker's clients are appended to `out` during a turn and
 * sent together at its end. Each has a leg in the queue; replies are matched by
 * position. A request that is not answered in time fails towards its client,
 * and its leg stays, so that the late reply is dropped and the connection, with
 * everybody else's requests on it, is kept. The connection is closed only if it
 * owes replies and has made no progress for twice the request timeout, or owes
 * replies to more than a megabyte of timed-out requests, or sends what is no
 * reply. A request that is not answered because there is no connection yet has not
 * been sent, and will not be.
 *
 * What is sent while nothing else is on its way is held until the first byte comes
 * back. If the connection is closed before, it was stale, and the reads among it
 * are sent once more by the next.
 *
 * Connects when first needed. Of a name with several addresses each is tried
 * before the node counts as one that cannot be connected to; then the name is
 * looked up again, since the node may have moved. Health is judged by health.c; a DOWN node is
 * probed from prober.c. Worker's thread only. */
#pragma once
#include "common/core/buf.h"
#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/proto/reply.h"
#include "proxy/failure.h"
#include "proxy/health.h"
#include "proxy/journal.h"
#include "proxy/placement.h"
#include "proxy/proxy_worker.h"
#include "proxy/rejoin.h"

#define BACKEND_OUT_MAX  (16u << 20) /* unsent bytes; beyond, the node is overloaded */
#define BACKEND_DUE_MAX  (4u << 20)  /* bytes of replies expected; beyond, clients must wait */
#define BACKEND_SENT_MAX 16384       /* bytes held for that; of more, nothing is sent again */
#define BACKEND_OWED_MAX (1u << 20)  /* bytes of timed-out requests without a reply */

struct leg;
struct pending;
struct roster;
struct worker;

enum backend_state { BACKEND_CLOSED, BACKEND_CONNECTING, BACKEND_CONNECTED };

struct backend {
    struct worker *worker;
    struct list link;        /* worker->backends */
    struct list busy_link;   /* worker->busy_backends */
    struct list herald_link; /* worker->herald.due */
    struct loop_io io;
    int fd;
    enum backend_state state;
    struct buf in;
    struct buf out;
    struct buf sent; /* what was sent to a connection that owed nothing, until it answers */
    struct reply_parser parser;
    uint64_t reply_so_far; /* bytes of the reply that is coming */
    uint64_t reply_bytes;  /* moving average of a reply's length */
    struct leg *first;     /* the queue: leg_queue.h */
    struct leg **last;
    struct leg *live; /* the first that has not timed out */
    unsigned queued;
    struct buf keys;           /* of the legs that have a duty, in the queue's order */
    size_t owed_bytes;         /* of requests that timed out and are still in the queue */
    size_t owed_keys;          /* bytes of their keys, the first in `keys` */
    bool owed_nothing;         /* when the queue began: all of it is in `out` */
    bool gave_bytes;           /* this connection has brought at least one, the greeting's aside */
    bool greeting_owed;        /* the answer to what this connection began with (herald.h) */
    uint64_t progress_us;      /* when a byte came last, or the queue began */
    uint64_t connect_until_us; /* while CONNECTING */
    uint64_t connect_after_us; /* after a failed connect: not before */
    struct loop_timer timer;
    uint64_t timer_due_us; /* 0: not running */
    bool excused;          /* the timer came late, and time was given for it */
    struct health health;
    struct leg *probe; /* the one on its way */
    struct journal *journal;
    bool journal_unwritten; /* see worker->journals_unwritten */
    struct rejoin rejoin;
    struct endpoint *endpoint;
    unsigned addr_at;     /* which of its addresses is the one to connect to */
    unsigned addrs_tried; /* since one of them could be connected to */
    /* as the current roster has it */
    char *name;
    unsigned node;
    bool masked;  /* the table calls it down: no requests, no probes */
    bool heralds; /* it is told by which table we go */
    uint64_t connect_timeout_us;
    uint64_t request_timeout_us;
    enum rejoin_policy rejoin_policy;
    bool shadow;      /* for copies: nobody waits, and no metric of nodes tells of it */
    uint32_t tail_us; /* tail_estimate.h: of its answers to reads of hot keys */
    struct node_stats *stats;
    uint64_t stats_requests; /* not yet added to stats->requests */
    uint64_t latency_us;     /* of so many replies that were the last, not yet noted: */
    unsigned latency_count;
    bool retired;            /* in no roster: ends when nothing is on its way */
    bool crowded;
    uint32_t split_round; /* of the multiget that is being split, with: */
    uint32_t split_shard;
    const struct roster_pool *split_pool; /* whose usual keys may join that line; NULL: none */
    size_t split_mark;
};

/* Connects when first needed. */
struct backend *backend_create(struct worker *w, const struct place_node *node);

/* Its place in a new roster. */
void backend_assign(struct backend *b, const struct place_node *node, unsigned index);

/* In no roster any more: closes and frees itself when nothing is on its way. */
void backend_retire(struct backend **b);

/* Fails what is on its way and frees. For the worker's end. */
void backend_destroy(struct backend **b);

static inline bool
backend_is_down(const struct backend *b)
{
    return b->health.state == HEALTH_DOWN;
}

/* It is UP, connected, and owes nothing that a key of it must wait for: so it admits,
 * whatever its pool looks like. */
static inline bool
backend_is_well(const struct backend *b)
{
    return b->health.state == HEALTH_UP && b->state == BACKEND_CONNECTED && !b->masked &&
           b->queued < b->worker->limits->max_inflight && buf_len(&b->out) <= BACKEND_OUT_MAX &&
           journal_is_empty(b->journal);
}

enum backend_admission { BACKEND_ADMITS, BACKEND_REFUSES_DOWN, BACKEND_REFUSES_OVERLOADED };

/* May a request be queued? `down` of the pool's `nodes` look DOWN. */
enum backend_admission backend_admit(struct backend *b, unsigned down, unsigned nodes);

/* Composing: take the mark, append the request to b->out, then queue its leg
 * (leg_queue.h). Undoing takes a half-written request back when memory runs out. */
static inline size_t
backend_mark(struct backend *b)
{
    if (b->out.mem == NULL) {
        b->out = bufpool_borrow(&b->worker->bufs);
    }
    return buf_len(&b->out);
}
static inline void
backend_undo(struct backend *b, size_t mark)
{
    b->out.tail = b->out.head + mark;
}

/* The end of the turn, in two steps, between which its worker sends. What there is to be
 * sent, the backend's until then; connects if needed. */
struct span backend_unsent(struct backend *b);
/* So much of it was sent, or -errno, or 0 if there was nothing. *b may be gone afterwards. */
void backend_end_turn(struct backend *b, ssize_t sent);

/* Once a second: other workers may have left something to do. */
void backend_tick(struct backend *b);

/* --- between backend.c, leg_queue.c, prober.c and rejoin.c ---------------------------- */
/* Something waits for the end of the turn: bytes, a connect, or its own end. */
void backend_busy(struct backend *b);
void backend_busy_if_retired(struct backend *b);
/* Queues `version` if a probe is due. */
void prober_run(struct backend *b, uint64_t now_us);
/* The probe was answered (or not). */
void prober_answered(struct backend *b);
void prober_failed(struct backend *b);
/* An event for the judge; carries a change of state out. */
void backend_note(struct backend *b, enum health_event event);
/* Wakes backend's timer no later than `due_us`; UINT64_MAX: never. */
void backend_wake_at(struct backend *b, uint64_t due_us);
