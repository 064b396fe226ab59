/* sends.h - the answers of several connections, sent together.
 *
 * When many connections have asked at once, a worker executes what one of them asked, then
 * what the next one did, and sends the answers of up to SENDS_MAX by one system call
 * (call_batch.h) when they are all there, or the turn ends. Only short answers wait for the
 * others: the long ones are worth a call of their own, and would hold memory meanwhile.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/buf.h"
#include "common/net/loop.h"

#define SENDS_MAX       CALL_BATCH_MAX
#define SENDS_BYTES_MAX 4096  /* of one connection */
#define SENDS_SPARE_MAX 16384 /* a larger buffer is not kept for the next turn */

struct conn;
struct worker;

struct sends {
    struct call_ring *ring; /* the loop's */
    struct call_batch batch;
    struct conn *conns[SENDS_MAX]; /* whose they are */
    struct buf spares[SENDS_MAX];  /* buffers for the answers of the next ones */
    unsigned spare_count;
    struct loop_hook turn_end; /* while there are any */
};

void sends_init(struct sends *s, struct loop *loop);
void sends_deinit(struct sends *s);

/* A buffer for answers: empty, and without memory if none is spare. */
static inline struct buf
sends_borrow(struct sends *s)
{
    return s->spare_count > 0 ? s->spares[--s->spare_count] : BUF_EMPTY;
}

/* Takes an empty buffer back, unless there are enough: one that may be as large as
 * `one_max`, and some smaller ones. */
static inline void
sends_give_back(struct sends *s, struct buf *bytes, size_t one_max)
{
    size_t most = s->spare_count == 0 ? one_max : SENDS_SPARE_MAX;
    if (bytes->mem != NULL && s->spare_count < SENDS_MAX && bytes->cap <= most) {
        s->spares[s->spare_count++] = *bytes;
        *bytes = BUF_EMPTY;
    }
}

/* Is anything ever sent together? */
static inline bool
sends_together(const struct sends *s)
{
    return !s->ring->refused;
}

/* The connection's answers go out at the end of this turn at the latest, and then conn_sent()
 * tells it. False if they are to be sent at once: nobody else waits for his turn, or they are
 * long. */
bool sends_put(struct worker *w, struct conn *c);

/* Sends what there is. */
void sends_flush(struct worker *w);

/* The connection is about to be closed: what it is owed, it gets before. Nobody closes one in
 * the turn in which it was answered, but who will is not to leave us with it. */
void sends_forget(struct worker *w, const struct conn *c);
