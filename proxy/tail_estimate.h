/* tail_estimate.h - how long the slowest twentieth of a node's answers takes at least.
 * Pure.
 *
 * No times are kept: the estimate is only told, of each answer, whether it was longer.
 * Then it grows by nineteen times of what it shrinks by else, so it stays where one in
 * twenty is longer, wherever that is. Four bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TAIL_FIRST_US 10000
#define TAIL_LEAST_US 1000 /* timers have no finer steps */
#define TAIL_MOST_US  200000

/* 0: nothing is known yet. */
static inline uint32_t
tail_us(uint32_t estimate)
{
    return estimate == 0 ? TAIL_FIRST_US : estimate;
}

static inline uint32_t
tail_learn(uint32_t estimate, bool longer)
{
    uint32_t us = tail_us(estimate);
    us = longer ? us + us * 19 / 160 : us - us / 160;
    return us < TAIL_LEAST_US ? TAIL_LEAST_US : us > TAIL_MOST_US ? TAIL_MOST_US : us;
}
