/* retry_budget.h - how much may be asked again. Pure.
 *
 * When nodes fail, asking everything again is what keeps them down. So at most
 * a fifth of what is on its way may be second tries, and always a few, or a
 * quiet proxy would never try again. One per worker; its thread only. */
#pragma once
#include <stdbool.h>

#define RETRY_SHARE 5 /* one in so many */
#define RETRY_LEAST 3

struct retry_budget {
    unsigned on_their_way; /* requests, retries among them */
    unsigned retries;      /* of them */
    unsigned copies;       /* of them, those for shadow pools: nobody waits for an answer */
};

static inline bool
retry_budget_admits(const struct retry_budget *b)
{
    return b->retries < RETRY_LEAST || b->retries < (b->on_their_way - b->copies) / RETRY_SHARE;
}
