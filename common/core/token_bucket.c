#include "common/core/token_bucket.h"

#define NS_PER_S 1000000000u

/* Since a rate is at least one a second, `n` over the debt's seconds is the debt. */
static uint64_t
cost_ns(const struct token_rate *rate, uint64_t n)
{
    uint64_t seconds = n / rate->per_second;
    if (seconds >= TOKEN_BUCKET_DEBT_NS / NS_PER_S) {
        return TOKEN_BUCKET_DEBT_NS;
    }
    uint64_t rest = n % rate->per_second;
    return seconds * NS_PER_S + (uint64_t)((double)rest * NS_PER_S / (double)rate->per_second);
}

static uint64_t
after(uint64_t used_until_ns, uint64_t cost, const struct token_rate *rate, uint64_t now_ns)
{
    uint64_t from = used_until_ns > now_ns ? used_until_ns : now_ns;
    uint64_t most = now_ns + rate->burst_ns + TOKEN_BUCKET_DEBT_NS;
    return from + cost < most ? from + cost : most;
}

bool
token_bucket_take(struct token_bucket *b, const struct token_rate *rate, uint64_t n,
                  uint64_t now_ns)
{
    if (rate->per_second == 0) {
        return true;
    }
    uint64_t cost = cost_ns(rate, n);
    uint64_t used = atomic_load_explicit(&b->used_until_ns, memory_order_relaxed);
    do {
        if (used >= now_ns + rate->burst_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->used_until_ns, &used,
                                                    after(used, cost, rate, now_ns),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void
token_bucket_owe(struct token_bucket *b, const struct token_rate *rate, uint64_t n, uint64_t now_ns)
{
    if (rate->per_second == 0) {
        return;
    }
    uint64_t cost = cost_ns(rate, n);
    uint64_t used = atomic_load_explicit(&b->used_until_ns, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&b->used_until_ns, &used,
                                                  after(used, cost, rate, now_ns),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}
