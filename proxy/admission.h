/* admission.h - what may be asked of a prefix of a pool's keys, by rate: requests
 * and bytes a second, as its table's `limits` say. docs/failure-modes.md.
 *
 * One gate for each limit, shared by all threads of the proxy. Over it reads are
 * answered as misses and writes as overloaded; deletes go through, or others would
 * read what was to be gone, and count. Bytes are those of keys and values that
 * clients send, and of replies: what a reply has is known when it is told, and is
 * then owed.
 *
 * A gate outlives its table while a request of its is on its way. Threads: any. */
#pragma once
#include "common/core/span.h"
#include "common/core/token_bucket.h"
#include "common/fleet/table.h"
#include "common/proto/request.h"

struct admission_gate {
    _Atomic unsigned refs;
    struct token_rate request_rate, byte_rate;
    struct token_bucket requests, bytes;
    _Atomic uint64_t admitted, refused_requests, refused_bytes; /* and why */
    char *prefix;
};

struct admission {
    unsigned count;
    struct admission_gate **gates; /* as the pool's limits */
    const struct table_pool *pool;
};

/* NULL if the pool has no limits. `previous`: of the pool of this name in the table
 * before, or NULL; its counts and debts go on where a prefix is the same. */
struct admission *admission_create(const struct table_pool *pool, const struct admission *previous);
void admission_destroy(struct admission **a);

/* The gate of the longest prefix, or NULL. */
struct admission_gate *admission_find(const struct admission *a, struct span key);

/* May the request pass? `bytes`: of its key and value. */
bool admission_passes(struct admission_gate *g, enum proto_command cmd, uint64_t bytes,
                      uint64_t now_ns);
/* Its reply had so many. */
void admission_owe(struct admission_gate *g, uint64_t bytes, uint64_t now_ns);

static inline struct admission_gate *
admission_gate_ref(struct admission_gate *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}
void admission_gate_unref(struct admission_gate **g);
