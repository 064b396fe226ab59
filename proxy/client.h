/* client.h - a client's connection: reads commands, keeps its replies in order.
 *
 *     socket -> (scratch or in) -> request_parse -> dispatch -> pending in the queue
 *     socket <- out <- replies in the queue's order
 *
 * Back-pressure: a client that has too much on its way, or does not take its
 * replies, is not read from until that is over. Bytes read and not yet parsed
 * wait in `in`; an idle client holds no buffer at all.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/buf.h"
#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/proto/request.h"

#define CLIENT_WAITING_MAX 1024       /* commands on their way */
#define CLIENT_HELD_MAX    (1u << 20) /* bytes of replies, had and expected */

struct pending;
struct watcher;
struct worker;

struct client {
    struct worker *worker;
    struct list link;      /* worker->clients */
    struct list busy_link; /* worker->busy_clients */
    struct loop_io io;
    int fd;
    uint16_t frontend; /* by which it came */
    bool bound;        /* that one's pool has all its keys */
    bool asking;       /* at the end of its last turn something was on its way */
    struct request_parser parser;
    struct buf in;
    struct buf out;
    uint64_t in_needed;             /* a command is known to be at least so long */
    uint64_t expected;              /* accounted for it in worker->expected_bytes */
    uint64_t half_since_us;         /* since when half a command stands; 0: none */
    uint64_t swallow;               /* bytes of a refused value still to be thrown away */
    enum proto_error swallow_error; /* to be told when they are */
    struct pending *first;          /* the queue */
    struct pending **last;
    unsigned waiting;        /* its length */
    unsigned writing;        /* of them, writes that are not answered yet */
    unsigned moving;         /* of them, those of keys that move: until then no more is taken */
    uint64_t held;           /* bytes of replies not sent yet */
    uint64_t taken_us;       /* when it took some last, or when they began to be held */
    uint64_t shed_bytes;     /* of them, accounted for in worker->shed_bytes */
    uint32_t reply_bytes;    /* moving average of a reply's length */
    struct watcher *watcher; /* what it is told, or NULL; then its input means nothing */
    bool ended;              /* it sends no more; what it sent is still served */
    bool closing;            /* no more commands are taken; closed when all is answered and sent */
    bool doomed;             /* closed at the end of this turn, whatever is left */
};

struct client *client_create(struct worker *w, int fd, unsigned frontend);
void client_destroy(struct client **c);

/* Memory runs short: whoever holds some of it and does not read has to go. While all do,
 * it is `c`, for which more is needed, if that has much. */
void client_make_room(struct client *c);

/* Something of this client waits for the end of the turn. */
void client_busy(struct client *c);

/* What this turn answered, to be sent at its end; the client's until then. */
struct span client_unsent(const struct client *c);

/* The end of the turn: so much of that was sent, or -errno, or 0 if there was nothing. Goes
 * on parsing what back-pressure left, closes if it is time to. *c may be gone afterwards. */
void client_end_turn(struct client *c, ssize_t sent);

/* `p`, of this client, may change the key of this hash. A client that has not
 * heard yet what became of its own write does not share others' reads of the
 * key. */
void client_begins_write(struct pending *p, uint64_t hash);
void client_begins_write_of_all(struct pending *p);
void client_ends_write(struct pending *p);

bool client_has_written(const struct client *c, uint64_t hash);
static inline bool
client_is_writing(const struct client *c, uint64_t hash)
{
    return c->writing > 0 && client_has_written(c, hash);
}

/* A local command's whole answer, in its turn. */
void client_answer(struct client *c, struct span reply);
void client_answer_error(struct client *c, enum proto_error error);

/* Reads no more commands; closes when all is answered. */
void client_finish(struct client *c);

/* Accounts for reply bytes that are kept for the client (answered, not sent),
 * and for those that are no longer. */
void client_hold(struct client *c, size_t bytes);
void client_release(struct client *c, size_t bytes);

/* Cuts the client if half a command has stood too long. */
void client_check_half(struct client *c, uint64_t now_us);

/* Nothing on its way, nothing to send. */
bool client_is_told_all(const struct client *c);

/* Nothing on its way, nothing half read, nothing to send. */
bool client_is_idle(const struct client *c);

/* Idle and to stay so: all that there is of it is its socket. */
bool client_is_portable(const struct client *c);
