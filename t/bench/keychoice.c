#include "t/bench/keychoice.h"
#include "common/core/backoff.h"
#include "common/core/mem.h"

#include <math.h>
#include <stdlib.h>

/* Drawing by Zipf's law costs a search in a table of a million sums; so it is
 * done for this many draws beforehand, which are then taken from any place. */
#define DRAWS (1u << 20)

struct keychoice {
    uint32_t count;
    uint32_t next;
    int in_turn;
    uint64_t rng;
    uint32_t *draws; /* NULL: uniform */
};

static uint32_t
find_rank(const double *sums, uint32_t count, double at)
{
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sums[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t *
draw_all(uint32_t count, double exponent, uint64_t *rng)
{
    double *sums = mem_alloc(count * sizeof(double)), sum = 0;
    uint32_t *draws = mem_alloc(DRAWS * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        sum += pow(i + 1, -exponent);
        sums[i] = sum;
    }
    for (uint32_t i = 0; i < DRAWS; i++) {
        draws[i] = find_rank(sums, count, sum * (double)(random_next(rng) >> 11) * 0x1p-53);
    }
    free(sums);
    return draws;
}

struct keychoice *
keychoice_create(uint32_t count, int in_turn, double zipf, uint64_t seed)
{
    struct keychoice *c = mem_zalloc(sizeof(*c));
    c->count = count;
    c->in_turn = in_turn;
    c->rng = seed;
    c->draws = zipf > 0 ? draw_all(count, zipf, &c->rng) : NULL;
    return c;
}

void
keychoice_destroy(struct keychoice **c)
{
    free((*c)->draws);
    free(*c);
    *c = NULL;
}

uint32_t
keychoice_next(void *arg)
{
    struct keychoice *c = arg;
    if (c->in_turn) {
        return c->next++ % c->count;
    }
    uint64_t random = random_next(&c->rng) >> 16;
    return c->draws != NULL ? c->draws[random % DRAWS] : (uint32_t)(random % c->count);
}
