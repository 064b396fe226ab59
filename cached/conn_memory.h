/* conn_memory.h - what the connections of a worker take of the node's memory:
 * -m bounds items, table and connections together.
 *
 * Each connection is counted with its structures and its buffers, as they are
 * at the end of its turn; within a turn only one connection of a worker grows, but for
 * the short answers that are sent together (sends.h).
 * What they take counts in the store, and items give way to it, up to a share:
 *
 *     half of -m            no new connections; who is there is read from in
 *                           small pieces and answered in small pieces
 *     three quarters of it  a connection that has grown is closed
 *
 * Who does not take his replies would hold what he has for ever. Values that he
 * refers to are copied after a while, so that the memory around them is free;
 * and where there is no room for more connections he is closed after a second.
 *
 * The allocator keeps what is freed for a while, so it counts for a while.
 *
 * Thread: the worker's, but for conn_memory_crowded() and conn_memory_each(). */
#pragma once
#include "common/core/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct node;
struct worker;

struct conn_memory {
    uint64_t held;      /* by this worker's connections */
    uint64_t charged;   /* in the store for that; not less */
    uint64_t eased_ms;  /* when that last became less */
    struct list unsent; /* connections with unsent output, by when to look at them */
    size_t output_max;  /* unsent bytes that stop a connection from going on */
    size_t read_max;    /* bytes of one read */
};

void conn_memory_init(struct conn_memory *m);

/* Counts what the connection holds now, if that has changed. False: it has
 * grown where there is no more room, and must be closed. */
bool conn_memory_settle(struct conn *c);
/* The connection ends. */
void conn_memory_leave(struct conn *c);

/* Now and then. True if it wants to go on soon. */
bool conn_memory_tick(struct worker *w);

/* Bytes of a connection without buffers. */
size_t conn_memory_each(void);

/* Is there no memory for more connections? Any thread. */
bool conn_memory_crowded(const struct node *node);
