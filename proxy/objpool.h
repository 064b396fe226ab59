/* objpool.h - objects of one size to borrow, so that a request costs no malloc
 * once the worker has warmed up. One pool per worker, no lock. */
#pragma once
#include "common/core/mem.h"

#include <stdlib.h>
#include <string.h>

#define OBJPOOL_SPARES 8192 /* what a burst leaves beyond this is freed */

struct objpool {
    void *head; /* each spare object begins with a pointer to the next */
    unsigned count;
    unsigned object_bytes;
};

static inline void
objpool_init(struct objpool *pool, size_t object_bytes)
{
    *pool = (struct objpool){NULL, 0, (unsigned)object_bytes};
}

/* The object has what its last use left. */
static inline void *
objpool_borrow_raw(struct objpool *pool)
{
    void *object = pool->head;
    if (object == NULL) {
        return mem_zalloc(pool->object_bytes);
    }
    memcpy(&pool->head, object, sizeof(pool->head));
    pool->count--;
    return object;
}

/* The object is zeroed. */
static inline void *
objpool_borrow(struct objpool *pool)
{
    return memset(objpool_borrow_raw(pool), 0, pool->object_bytes);
}

static inline void
objpool_give_back(struct objpool *pool, void *object)
{
    if (pool->count == OBJPOOL_SPARES) {
        free(object);
        return;
    }
    memcpy(object, &pool->head, sizeof(pool->head));
    pool->head = object;
    pool->count++;
}

static inline void
objpool_deinit(struct objpool *pool)
{
    while (pool->head != NULL) {
        void *object = pool->head;
        memcpy(&pool->head, object, sizeof(pool->head));
        free(object);
    }
    pool->count = 0;
}
