/* bufpool.h - byte queues to borrow: whoever has nothing to hold holds no
 * memory, and a busy worker still does not allocate for every request. What a
 * burst leaves behind is freed when a while has shown that it is not needed.
 *
 * One pool per worker, no lock. */
#pragma once
#include "common/core/buf.h"

#define BUFPOOL_SPARES      128
#define BUFPOOL_SPARE_BYTES 65536 /* a larger one is freed, not kept */

struct bufpool {
    unsigned count;
    unsigned least; /* of count since the last bufpool_trim() */
    struct buf spares[BUFPOOL_SPARES];
};

void bufpool_deinit(struct bufpool *pool);

/* An empty buf, with memory if a spare one is at hand. */
static inline struct buf
bufpool_borrow(struct bufpool *pool)
{
    if (pool->count == 0) {
        return BUF_EMPTY;
    }
    pool->count--;
    if (pool->count < pool->least) {
        pool->least = pool->count;
    }
    return pool->spares[pool->count];
}

void bufpool_take_back(struct bufpool *pool, struct buf *b);

/* Takes the memory back, content and all; *b is empty afterwards. Most bufs of a
 * request never had any. */
static inline void
bufpool_give_back(struct bufpool *pool, struct buf *b)
{
    if (b->mem != NULL) {
        bufpool_take_back(pool, b);
    }
}

/* Frees the spares that nobody borrowed since the last call. */
void bufpool_trim(struct bufpool *pool);
