/* conn.h - one client connection: which bytes go where.
 *
 *          +----------- read, one per event --------------+
 *          v                                              |
 *     [command line] -> execute -> outbox -> one send ----+
 *          | set, ms                            |
 *          v                                    v the client reads slowly
 *     [value] -> straight into the item     [blocked]: nothing is read
 *          | refused
 *          v
 *     [swallow]: the value's bytes are thrown away
 *
 * The command line's state is the default; `ingest`, `swallow_bytes`, `get`, `dump`
 * and `watch` say that one of the others holds. conn_input.h does what the bytes say;
 * what a command means is in exec.h.
 *
 * Bounds: input held is at most one command line or one read; output held is at
 * most CONN_OUTPUT_MAX (less where memory is short, see conn_memory.h) and the reply to one more
 * command (an item sent by reference costs nothing) or the lines that answer STORE_SIGHTS sets; a
 * client that holds half a command is cut.
 *
 * Thread: the worker's. `state` and `active_ms` are read by others too. */
#pragma once
#include "cached/outbox.h"
#include "cached/worker.h"
#include "common/net/addr.h"

#define CONN_OUTPUT_MAX  (256 * 1024)
#define CONN_HALF_MAX_MS 10000

struct announced;
struct dump;
struct ingest;
struct watch;

/* For `stats conns`, in memcached's words. */
#define CONN_STATES(X)                                                                             \
    X(READ, "conn_read")                                                                           \
    X(PARSE, "conn_parse_cmd")                                                                     \
    X(VALUE, "conn_nread")                                                                         \
    X(SWALLOW, "conn_swallow")                                                                     \
    X(WATCH, "conn_watch")                                                                         \
    X(WRITE, "conn_mwrite")

/* Why a connection ended, in memcached's words. */
#define CONN_ENDS(X)                                                                               \
    X(ERROR, "error")                                                                              \
    X(NORMAL, "normal")                                                                            \
    X(IDLE, "idle_timeout")                                                                        \
    X(SHUTDOWN, "shutdown")

enum conn_end {
#define X(id, name) END_##id,
    CONN_ENDS(X)
#undef X
};

enum conn_state {
#define X(id, name) CONN_##id,
    CONN_STATES(X)
#undef X
};

/* The keys of a get that are still to be answered; they stand at the head of
 * the input. */
struct get_rest {
    enum proto_command cmd;
    uint64_t expiry_ms; /* gat, gats */
    size_t keys_bytes;  /* 0: no get is going on */
    size_t line_bytes;  /* keys and newline */
};

struct conn {
    struct list link;   /* worker's conns */
    struct list half;   /* worker's halves */
    struct list yield;  /* worker's yielded */
    struct list unsent; /* worker's memory.unsent */
    struct list entry;  /* node's registry */
    struct worker *worker;
    struct loop_io io;
    struct request_parser parser;
    struct buf in;
    struct outbox out;
    struct ingest *ingest;          /* a value that is arriving, or NULL */
    uint64_t swallow_bytes;         /* of a refused value, still to come */
    enum proto_error swallow_error; /* answered behind it, as memcached does */
    struct get_rest get;
    struct announced *announced; /* by which table its proxy goes, or NULL (fencing.h) */
    struct dump *dump;           /* a listing of all items that goes on, or NULL */
    struct watch *watch;         /* what it is told, or NULL; then its input means nothing */
    uint64_t room_effort;        /* spent on room for the value that comes next */
    uint64_t half_since_ms;
    uint64_t look_ms;      /* while it has unsent output: when to look at it again */
    uint32_t memory_bytes; /* that it takes, as counted (conn_memory.h) */
    uint32_t crowd_round;  /* of its last turn (crowd.h) */
    _Atomic uint64_t active_ms;
    _Atomic uint8_t state;
    bool calm;     /* nothing was unfinished when its last turn ended */
    bool closing;  /* no more input; close when all is sent */
    bool eof;      /* the client will send nothing more */
    bool refused;  /* it spoke another protocol */
    bool fenced;   /* its proxy is too far behind; then it is never calm */
    bool end_told; /* watchers know that it ends */
};

/* Takes the socket over. */
void conn_open(struct worker *w, int fd);
void conn_close(struct conn *c, enum conn_end why);

/* Goes on with input that was left at the end of the last turn. */
void conn_continue(struct conn *c);

/* So much of what sends_put() took was sent, or -errno. The connection may be gone then. */
void conn_sent(struct conn *c, ssize_t n);

/* Has too much output gathered to execute more? */
static inline bool
conn_blocked(const struct conn *c)
{
    return outbox_unsent(&c->out) > c->worker->memory.output_max;
}

/* For exec: throws away the next `bytes` of input, then answers `error` (PROTO_OK:
 * nothing). */
void conn_swallow(struct conn *c, uint64_t bytes, enum proto_error error);

/* For exec: a reply line from errorline.h. */
void conn_put_error(struct conn *c, enum proto_error error);
const char *conn_state_name(enum conn_state state);
