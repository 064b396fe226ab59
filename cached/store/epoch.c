#include "cached/store/epoch.h"

void
epochs_init(struct epochs *e)
{
    atomic_init(&e->now, 1);
    atomic_init(&e->guards, NULL);
}

void
epochs_join(struct epochs *e, struct guard *g)
{
    g->next = atomic_load(&e->guards);
    while (!atomic_compare_exchange_weak(&e->guards, &g->next, g)) {
    }
}

uint64_t
epochs_oldest(const struct epochs *e)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct guard *g = atomic_load(&e->guards); g != NULL; g = g->next) {
        uint64_t inside = atomic_load(&g->inside);
        if (inside != 0 && inside < oldest) {
            oldest = inside;
        }
    }
    return oldest;
}

bool
epochs_held(const struct epochs *e, uint32_t slot)
{
    for (const struct guard *g = atomic_load(&e->guards); g != NULL; g = g->next) {
        if (atomic_load_explicit(&g->holds[slot % GUARD_SLOTS], memory_order_acquire) > 0) {
            return true;
        }
    }
    return false;
}
