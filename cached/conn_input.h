/* conn_input.h - what is done with the bytes that a connection was sent: commands
 * are executed, values go into their items, and refused ones are thrown away. Who
 * reads them, and when, is conn.c's; which commands there are is in exec.h.
 *
 * Thread: the connection's worker. */
#pragma once
#include "cached/exec.h"
#include "cached/ingest.h"

/* Executes what is in `input`, as far as the outbox and the turn allow; a dump
 * goes on without input, a slice each turn, and a watcher's input means nothing. Returns the bytes
 * done with. *stopped: there is more to do that needs no more reading. */
size_t conn_consume(struct conn *c, struct span input, uint64_t requests, bool *stopped);

/* Is there something to do that needs no input? */
static inline bool
conn_goes_on(const struct conn *c)
{
    return c->dump != NULL || ingest_goes_on(c->ingest);
}

/* The head of what was read stands in the item already whose value is arriving. Returns
 * how many of the `n` bytes are left. */
size_t conn_finish_held_value(struct conn *c, size_t n);

/* Executes several requests of a kind that most are of; 0 if there is none. Those
 * done with are subtracted from *requests. `input` is not empty. */
static inline size_t
conn_take_plain(struct conn *c, struct span input, uint64_t *requests)
{
    switch (input.ptr[0]) {
    case 'g': return exec_plain_gets(c, input, requests);
    case 's': return ingest_plain_sets(c, input, requests);
    case 'm':
        return input.len > 1 && input.ptr[1] == 's' ? ingest_plain_mss(c, input, requests)
                                                    : exec_plain_mgs(c, input, requests);
    default: return 0;
    }
}
