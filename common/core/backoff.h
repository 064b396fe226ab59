/* backoff.h - how long to wait before trying again: exponential with full
 * jitter (each wait is uniform between 0 and the current ceiling), so that a
 * fleet that lost the same peer does not return to it in step.
 * After M. Brooker, "Exponential Backoff and Jitter". Pure; one owner. */
#pragma once
#include <stdint.h>

struct backoff {
    uint64_t floor_ms;   /* never shorter */
    uint64_t cap_ms;     /* ceiling of the ceiling */
    uint64_t ceiling_ms; /* of the next wait */
    uint64_t rng;
};

/* `seed` any number; different owners should pass different ones. */
void backoff_init(struct backoff *b, uint64_t floor_ms, uint64_t first_ms, uint64_t cap_ms,
                  uint64_t seed);

/* The next wait; doubles the ceiling. */
uint64_t backoff_next_ms(struct backoff *b);

/* Success: the next failure starts from `first_ms` again. */
void backoff_reset(struct backoff *b, uint64_t first_ms);

/* xorshift64*, for jitter and sampling; never for secrets. *state is not 0. */
uint64_t random_next(uint64_t *state);

/* A seed from the system, never 0. */
uint64_t random_seed(void);
