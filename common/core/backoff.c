#include "common/core/backoff.h"
#include "common/core/assert.h"
#include "common/core/clock.h"

#include <sys/random.h>

uint64_t
random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Du;
}

uint64_t
random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        seed = clock_mono_ns();
    }
    return seed | 1;
}

void
backoff_init(struct backoff *b, uint64_t floor_ms, uint64_t first_ms, uint64_t cap_ms,
             uint64_t seed)
{
    ASSERT(floor_ms <= first_ms && first_ms <= cap_ms && first_ms > 0);
    *b = (struct backoff){floor_ms, cap_ms, first_ms, seed | 1};
}

uint64_t
backoff_next_ms(struct backoff *b)
{
    uint64_t span = b->ceiling_ms - b->floor_ms + 1;
    uint64_t wait = b->floor_ms + random_next(&b->rng) % span;
    b->ceiling_ms = b->ceiling_ms > b->cap_ms / 2 ? b->cap_ms : b->ceiling_ms * 2;
    return wait;
}

void
backoff_reset(struct backoff *b, uint64_t first_ms)
{
    b->ceiling_ms = first_ms;
}
