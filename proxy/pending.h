/* pending.h - a client's command on its way, and the legs it travels on.
 *
 *     client --queue, in the client's order--> pending <--- leg --- backend's queue
 *                                                  ^------- leg --- another's
 *
 * A pending is one command of one client. It waits in the client's queue until
 * it is answered whole and all before it are; so a client reads its replies in
 * order, whichever node was faster. A command without legs (version, a miss
 * because the node is DOWN) is answered as soon as it is its turn.
 *
 * A leg is one request in the queue of one backend connection. Replies carry no
 * name, so they belong to the first leg of the queue. A read may also wait for
 * what another's leg brings (coalesce.h). A leg outlives its
 * pending: when the pending gave up waiting, the leg stays and the late reply is
 * dropped by its position.
 *
 * Worker's thread only; both come from the worker's pools. */
#pragma once
#include "common/core/buf.h"
#include "common/proto/reply.h"
#include "common/proto/request.h"
#include "proxy/failure.h"
#include "proxy/flight.h"

struct admission;
struct admission_gate;
struct backend;
struct client;
struct fan_write;
struct fill;
struct moving;
struct multiget;
struct rename;
struct roster;
struct shadow_cells;
struct worker;

struct pending {
    struct pending *next;  /* in the client's queue */
    struct client *client; /* NULL once it has gone */
    struct worker *worker;
    struct buf reply;      /* answered while others are still before it */
    struct buf echo;       /* " Oabc kkey" of a meta command, in case it fails */
    struct buf worst;      /* a broadcast's worst line so far; a hot write's answer, held back */
    struct multiget *many; /* of a get with several keys */
    struct admission_gate *gate; /* which its reply's bytes count at (admission.h); or NULL */
    struct rename *rename;       /* its node knows the key by another name; or NULL */
    struct fan_write *fan;       /* of a write of a hot key (fanout.h); or NULL */
    unsigned legs;   /* its own and those it waits for, not answered and not failed yet */
    uint32_t bytes;  /* of the reply so far */
    uint32_t writes; /* which key: client_begins_write(); 0: none */
    struct failure_request request;
    struct failure_policy policy;
    bool done;
    bool failed; /* a shard of a multiget, or a hot write at its owner, failed, with: */
    enum failure failure;
};

enum leg_kind {
    LEG_ONE,       /* the reply is the pending's, byte for byte */
    LEG_SHARD,     /* some keys of a multiget */
    LEG_BROADCAST, /* one of many that do the same; the worst line counts */
    LEG_FETCH,     /* for those who wait for its flight. No pending. */
    LEG_PROBE,     /* is it alive? No pending. */
    LEG_ASIDE,     /* a delete that nobody waits for. No pending. */
    LEG_COPY,      /* a delete of a hot key's copy */
    LEG_FILL,      /* a step of making such a copy (fill.h). No pending. */
    LEG_SHADOW,    /* a copy for the shadow pool (shadow.h). No pending. */
    LEG_MOVE,      /* an act for a key that moves (moving.h). No pending. */
    LEG_HERALD,    /* by which table we go (herald.h). No pending. */
    LEG_AGE,       /* the three of rejoin.h, without a pending */
    LEG_REPLAY,
    LEG_FLUSH,
};

/* What the whole of a plain reply is, which nothing but the leg's client is to be told of. */
enum leg_plain {
    PLAIN_NOT,    /* any reply is looked at closely */
    PLAIN_VALUE,  /* "VALUE ...END" of its lead's key, or END */
    PLAIN_STORED, /* STORED */
    PLAIN_MG,     /* VA with its value, HD or EN */
};

/* leg_create() names what must be nothing at first; the rest is for its kind, and
 * has what its last use left. */
struct leg {
    struct leg *next;            /* in the backend's queue */
    struct pending *pending;     /* NULL: nobody waits for this reply (any more) */
    struct roster *roster;       /* of the epoch under which it was sent */
    struct fill *fill;           /* LEG_FILL, until it is answered or given up */
    struct moving *moving;       /* LEG_MOVE, the same */
    struct journal_entry *entry; /* LEG_REPLAY, until it is answered or given up */
    uint64_t queued_us;
    uint64_t deadline_us;
    union {
        uint64_t written_hash;       /* LEG_WRITES_KEY: the key's */
        struct shadow_cells *copied; /* LEG_SHADOW: where it counts; the roster's placement's */
    };
    size_t bytes; /* of the request */
    union {
        uint32_t shard; /* LEG_SHARD: which */
        uint32_t asked; /* LEG_SHADOW: keys of which nothing has come so far */
    };
    uint8_t kind;            /* enum leg_kind */
    uint8_t shape;           /* enum reply_shape */
    uint8_t writes;          /* enum leg_writes */
    uint8_t duty;            /* enum failure_duty */
    uint8_t key_bytes;       /* of the key in the backend's `keys`; 0: all its keys are meant */
    uint8_t plain;           /* enum leg_plain */
    bool retry;              /* counts against the retry budget */
    bool repeatable;         /* a read: asked twice it has changed nothing */
    bool begun;              /* a part of the reply has come */
    struct lead lead;        /* LEG_ONE, LEG_FETCH: others may wait for the answer */
    char key[KEY_MAX_BYTES]; /* the lead's */
};

/* What the request may change: reads that are asked from now on, and again from
 * when its end is known, do not share fetches that are older (write_marks.h). */
enum leg_writes { LEG_WRITES_NOTHING, LEG_WRITES_KEY, LEG_WRITES_ALL };

/* At the end of the client's queue. `request` may be NULL for an answer that is
 * known at once. */
struct pending *pending_create(struct client *c, const struct request *request);

/* May the request, or a key of it, pass the limits by rate of its pool? `bytes`: of
 * the value that it brings. If so its reply will count, that of a multiget for the
 * first of its keys whose bytes are limited. */
bool pending_admit(struct pending *p, const struct admission *a, struct span key, uint64_t bytes);

/* Bytes of the answer: to the client at once if it is this pending's turn, else
 * held until it is. */
void pending_emit(struct pending *p, struct span bytes);

/* All of the answer has been emitted. *p may be gone afterwards. */
void pending_done(struct pending *p);

/* Answers as failure.h says, and is done. Without legs. */
void pending_fail(struct pending *p, enum failure failure);

/* The client has gone; the pending, already off its queue, stays until its
 * legs are answered. */
void pending_abandon(struct pending *p);

/* A leg that is to be queued at a backend next. `p` may be NULL (a probe). */
struct leg *leg_create(struct worker *worker, struct pending *p, enum leg_kind kind,
                       enum proto_command cmd, struct roster *roster);
/* Call when it has been queued. `hash` is the key's. */
void leg_is_write(struct worker *worker, struct leg *leg, enum leg_writes writes, uint64_t hash);
void leg_is_retry(struct worker *worker, struct leg *leg);

/* What the leg, a read at `target`, brings may be waited for, or is kept:
 * coalesce_lead(). */
struct coalesce_read;
void leg_lead(struct leg *leg, const struct coalesce_read *read, const struct backend *target,
              bool shared);

/* The write is answered, failed or lost: part of leg_destroy(). */
void leg_has_written(struct worker *worker, struct leg *leg);

/* Gives the leg and its hold on the roster back. */
void leg_destroy(struct worker *worker, struct leg *leg);
