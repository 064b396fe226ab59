#include "proxy/admission.h"
#include "common/core/mem.h"

#include <stdlib.h>

static struct admission_gate *
create_gate(const struct table_limit *limit)
{
    struct admission_gate *g = mem_zalloc_lines(sizeof(*g));
    atomic_init(&g->refs, 1);
    g->prefix = mem_strdup(limit->prefix);
    g->request_rate = (struct token_rate){limit->requests, limit->burst_ms * 1000000};
    g->byte_rate = (struct token_rate){limit->bytes, limit->burst_ms * 1000000};
    return g;
}

void
admission_gate_unref(struct admission_gate **gate)
{
    struct admission_gate *g = *gate;
    *gate = NULL;
    if (g != NULL && atomic_fetch_sub(&g->refs, 1) == 1) {
        free(g->prefix);
        free(g);
    }
}

/* What is counted at the old one meanwhile is lost; that is little. */
static void
go_on(struct admission_gate *g, const struct admission *previous)
{
    for (unsigned i = 0; previous != NULL && i < previous->count; i++) {
        const struct admission_gate *old = previous->gates[i];
        if (strcmp(old->prefix, g->prefix) == 0) {
            atomic_init(&g->requests.used_until_ns, atomic_load(&old->requests.used_until_ns));
            atomic_init(&g->bytes.used_until_ns, atomic_load(&old->bytes.used_until_ns));
            atomic_init(&g->admitted, atomic_load(&old->admitted));
            atomic_init(&g->refused_requests, atomic_load(&old->refused_requests));
            atomic_init(&g->refused_bytes, atomic_load(&old->refused_bytes));
        }
    }
}

struct admission *
admission_create(const struct table_pool *pool, const struct admission *previous)
{
    if (pool->limit_count == 0) {
        return NULL;
    }
    struct admission *a = mem_zalloc(sizeof(*a));
    a->pool = pool;
    a->count = pool->limit_count;
    a->gates = mem_zalloc(a->count * sizeof(a->gates[0]));
    for (unsigned i = 0; i < a->count; i++) {
        a->gates[i] = create_gate(&pool->limits[i]);
        go_on(a->gates[i], previous);
    }
    return a;
}

void
admission_destroy(struct admission **admission)
{
    struct admission *a = *admission;
    *admission = NULL;
    if (a == NULL) {
        return;
    }
    for (unsigned i = 0; i < a->count; i++) {
        admission_gate_unref(&a->gates[i]);
    }
    free(a->gates);
    free(a);
}

struct admission_gate *
admission_find(const struct admission *a, struct span key)
{
    unsigned i = table_pool_limit(a->pool, key);
    return i == TABLE_NO_LIMIT ? NULL : a->gates[i];
}

static void
count(_Atomic uint64_t *number)
{
    atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

bool
admission_passes(struct admission_gate *g, enum proto_command cmd, uint64_t bytes, uint64_t now_ns)
{
    if (cmd == CMD_DELETE || cmd == CMD_MD) {
        token_bucket_owe(&g->requests, &g->request_rate, 1, now_ns);
        token_bucket_owe(&g->bytes, &g->byte_rate, bytes, now_ns);
    } else if (!token_bucket_take(&g->requests, &g->request_rate, 1, now_ns)) {
        count(&g->refused_requests);
        return false;
    } else if (!token_bucket_take(&g->bytes, &g->byte_rate, bytes, now_ns)) {
        count(&g->refused_bytes);
        return false;
    }
    count(&g->admitted);
    return true;
}

void
admission_owe(struct admission_gate *g, uint64_t bytes, uint64_t now_ns)
{
    token_bucket_owe(&g->bytes, &g->byte_rate, bytes, now_ns);
}
