/* keychoice.h - which key comes next: each in turn, any, or by Zipf's law. One
 * thread. */
#pragma once
#include <stdint.h>

struct keychoice;

/* Of `count` keys, from 0. `in_turn`: 0, 1, 2 ...; else at random, the first
 * ones more often if `zipf` is above 0 (its exponent). `seed` is not 0. */
struct keychoice *keychoice_create(uint32_t count, int in_turn, double zipf, uint64_t seed);
void keychoice_destroy(struct keychoice **c);

/* `arg` is a struct keychoice: fits load_work_put(). */
uint32_t keychoice_next(void *arg);
