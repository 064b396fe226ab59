/* frontend.h - where clients come in: an address that is listened at, and the pool
 * that it is bound to, if any. Pure.
 *
 *     --listen 0.0.0.0:11211             the table's routes decide, as ever
 *     --listen 0.0.0.0:11212=sessions    every key goes to the pool `sessions`
 *
 * So several legacy fleets may stand behind one proxy, each by its own port. The
 * pool is a name until a table is in use; one that the table lacks is no route.
 *
 * A client is known by its frontend for as long as it is connected, also in the
 * process that takes over: there it follows what that one says of the address, or,
 * if that does not listen there, stays with its pool.
 *
 * Rows are added by the main thread and never change; any thread reads them. */
#pragma once
#include "common/core/buf.h"
#include "common/core/span.h"

#include <stdatomic.h>

#define FRONTENDS_MAX        160 /* twice what one process may hand over */
#define FRONTEND_ADDR_MAX    280 /* with its zero */
#define FRONTEND_POOL_MAX    129
#define FRONTEND_NONE        FRONTENDS_MAX
#define FRONTEND_UNKNOWN     0 /* the first row: no address is known, and no pool */
#define FRONTEND_MESSAGE_MAX (FRONTEND_ADDR_MAX + FRONTEND_POOL_MAX)

struct frontend {
    char addr[FRONTEND_ADDR_MAX]; /* as bound */
    char pool[FRONTEND_POOL_MAX]; /* "": by the routes */
    bool listens;                 /* in this process, not in one before it */
    _Atomic unsigned clients;     /* connected now */
};

struct frontends {
    struct frontend rows[FRONTENDS_MAX];
    _Atomic unsigned count;
};

/* With the first row. */
void frontends_init(struct frontends *f);

/* What stands behind the last '=' of a --listen is the pool; nothing behind it, and
 * it only ends a path that has an '=' itself. False if that is no pool's name. */
bool frontend_split(struct span text, struct span *addr, struct span *pool);

/* The new row's number, or FRONTEND_NONE if there are too many. */
unsigned frontends_add(struct frontends *f, const char *addr, struct span pool, bool listens);

/* What a process says to its successor of a client that came by this one, and what
 * that makes of it: a row's number, or FRONTEND_NONE if it makes no sense. An
 * empty message is one of a process that knew no frontends. */
bool frontend_put(const struct frontend *it, struct buf *out);
unsigned frontends_take(struct frontends *f, struct span message);

static inline unsigned
frontends_count(const struct frontends *f)
{
    return atomic_load_explicit(&f->count, memory_order_acquire);
}
static inline bool
frontend_is_bound(const struct frontend *it)
{
    return it->pool[0] != '\0';
}
