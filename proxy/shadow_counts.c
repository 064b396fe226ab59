#include "proxy/shadow_counts.h"
#include "common/core/mem.h"

#include <stdlib.h>

struct shadow_counts *
shadow_counts_create(unsigned workers)
{
    struct shadow_counts *counts = mem_zalloc(sizeof(*counts));
    counts->workers = workers;
    counts->cells = mem_zalloc_lines(workers * sizeof(counts->cells[0]));
    atomic_init(&counts->refs, 1);
    return counts;
}

struct shadow_counts *
shadow_counts_ref(struct shadow_counts *counts)
{
    atomic_fetch_add_explicit(&counts->refs, 1, memory_order_relaxed);
    return counts;
}

void
shadow_counts_unref(struct shadow_counts **counts)
{
    struct shadow_counts *c = *counts;
    *counts = NULL;
    if (c != NULL && atomic_fetch_sub(&c->refs, 1) == 1) {
        free(c->cells);
        free(c);
    }
}

uint64_t
shadow_counts_sum(const struct shadow_counts *counts, enum shadow_count id)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < counts->workers; i++) {
        sum += atomic_load_explicit(&counts->cells[i].of[id], memory_order_relaxed);
    }
    return sum;
}
