#include "t/chaos/chaosplan.h"
#include "common/core/backoff.h"

#define CALM_EVERY 40

static const struct {
    const char *name;
    unsigned weight;
} kinds[] = {
#define X(id, name, weight, what) {name, weight},
    CHAOS_FAULTS(X)
#undef X
};

const char *
chaos_fault_name(enum chaos_fault_kind kind)
{
    return kinds[kind].name;
}

static unsigned
find_kind(struct span name)
{
    for (unsigned i = 0; i < CHAOS_FAULT_KINDS; i++) {
        if (span_eq_cstr(name, kinds[i].name)) {
            return 1u << i;
        }
    }
    return 0;
}

unsigned
chaos_faults_parse(const char *names)
{
    unsigned found = 0;
    struct span rest = names != NULL ? span_cstr(names) : SPAN_LIT("");
    if (rest.len == 0) {
        return (1u << CHAOS_FAULT_KINDS) - 1;
    }
    while (rest.len > 0) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t n = comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;
        unsigned kind = find_kind(span_make(rest.ptr, n));
        if (kind == 0) {
            return 0;
        }
        found |= kind;
        rest = span_skip(rest, comma != NULL ? n + 1 : n);
    }
    return found;
}

static enum chaos_fault_kind
pick_kind(struct chaos_plan *plan)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CHAOS_FAULT_KINDS; i++) {
        sum += (plan->allowed >> i & 1) * kinds[i].weight;
    }
    unsigned at = (unsigned)(random_next(&plan->rng) % sum);
    unsigned i = 0;
    for (;; i++) {
        unsigned weight = (plan->allowed >> i & 1) * kinds[i].weight;
        if (at < weight) {
            return (enum chaos_fault_kind)i;
        }
        at -= weight;
    }
}

/* Half of them shorter than a request may take, the others up to six times as
 * long: then the node is DOWN, and connections are given up. */
static uint64_t
pick_time(struct chaos_plan *plan)
{
    uint64_t x = random_next(&plan->rng), t = plan->timeout_us;
    return x % 2 == 0 ? t / 20 + (x >> 8) % t : t + (x >> 8) % (t * 5);
}

struct chaos_fault
chaos_plan_next(struct chaos_plan *plan)
{
    struct chaos_fault f = {.kind = pick_kind(plan)};
    f.proxy = (unsigned)(random_next(&plan->rng) % plan->proxies);
    f.node = (unsigned)(random_next(&plan->rng) % plan->nodes);
    f.lasts_us = pick_time(plan);
    f.gap_us = random_next(&plan->rng) % (plan->timeout_us / 2);
    f.calm = ++plan->made % CALM_EVERY == 0;
    return f;
}
