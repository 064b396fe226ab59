/* fencing.h - proxies that are too far behind are refused.
 *
 *     own table from mfcontrol --+
 *     `epoch ...` of a proxy ----+--> fence (fence_token.h) --> each worker looks at
 *                                     the connections that announced something:
 *                                     conn->fenced --> SERVER_ERROR stale epoch N
 *
 * What is refused is everything that reads or changes items: while keys move, a value
 * that is only read by an old table may be as wrong as one that is written by it.
 * Connections that announce nothing are never refused.
 *
 * Nothing is looked at for each request: `fenced` is made anew when the connection
 * announces something and when the fence has changed, and who is not fenced goes the
 * ways that it goes anyway.
 *
 * Threads: `lock` covers all of it; a connection is its worker's. */
#pragma once
#include "common/fleet/fence_token.h"
#include "common/proto/request.h"

#include <pthread.h>
#include <stdatomic.h>

struct conn;
struct node;

struct fencing {
    pthread_mutex_t lock;
    struct fence fence;
    uint64_t serial;              /* of the fence's last change */
    uint64_t table_epoch;         /* the own table's that is to be acknowledged when it holds at
                                   * all workers; 0: none */
    _Atomic uint64_t applied_min; /* min_epoch, as it holds at all; read without the lock */
};

void fencing_init(struct fencing *f);
void fencing_deinit(struct fencing *f);

/* Before any worker runs: what held when the node ended. A table or a proxy may raise it. */
void fencing_restore(struct fencing *f, const struct fence *fence);
/* For that. Any thread. */
struct fence fencing_now(struct fencing *f);

/* The node's own table. When it holds at all workers announce_applied() is told. The
 * follower's thread. */
void fencing_take_table(struct node *node, const struct table *table);

/* The minimum that holds at all workers; 0: nobody is refused. Any thread. */
static inline uint64_t
fencing_min_epoch(const struct fencing *f)
{
    return atomic_load_explicit(&f->applied_min, memory_order_relaxed);
}

/* Is that refused of a connection that is fenced? */
static inline bool
fencing_covers(enum proto_command cmd)
{
    enum command_shape shape = command_shape(cmd);
    return (shape != SHAPE_ADMIN && shape != SHAPE_META_NOOP) || cmd == CMD_FLUSH_ALL;
}

/* Refuses the request, whose line is done with; a value behind it is thrown away. */
void fencing_refuse(struct conn *c, const struct request *r);
/* The line: "SERVER_ERROR stale epoch ", and the one that was announced. */
void fencing_put_refusal(struct conn *c);

/* The connection ends. */
void fencing_forget(struct conn *c);
