#include "proxy/bufpool.h"

void
bufpool_deinit(struct bufpool *pool)
{
    while (pool->count > 0) {
        buf_deinit(&pool->spares[--pool->count]);
    }
}

void
bufpool_take_back(struct bufpool *pool, struct buf *b)
{
    if (pool->count == BUFPOOL_SPARES || b->cap > BUFPOOL_SPARE_BYTES) {
        buf_deinit(b);
        return;
    }
    buf_clear(b);
    pool->spares[pool->count++] = *b;
    *b = BUF_EMPTY;
}

void
bufpool_trim(struct bufpool *pool)
{
    unsigned unused = pool->least;
    for (unsigned i = 0; i < unused; i++) {
        buf_deinit(&pool->spares[--pool->count]);
    }
    pool->least = pool->count;
}
