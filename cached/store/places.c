#include "cached/store/places.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define BITS 64u

static uint64_t
bit_of(uint32_t place)
{
    return (uint64_t)1 << place % BITS;
}

static void
mark_busy(struct places *p, uint32_t place)
{
    p->busy[place / BITS] |= bit_of(place);
    p->some[place / BITS / BITS] |= bit_of(place / BITS);
}

void
places_init(struct places *p, uint32_t count)
{
    ASSERT(count > 0 && count % BITS == 0);
    uint32_t words = count / BITS;
    *p = (struct places){.words = words, .cold_below = words};
    p->busy = mem_zalloc(words * sizeof(p->busy[0]));
    p->warm = mem_zalloc(words * sizeof(p->warm[0]));
    p->some = mem_zalloc((words + BITS - 1) / BITS * sizeof(p->some[0]));
    mark_busy(p, 0);
}

void
places_deinit(struct places *p)
{
    free(p->busy);
    free(p->warm);
    free(p->some);
}

/* --- one --------------------------------------------------------------------- */

static uint32_t
lowest_warm(struct places *p)
{
    while (p->cold_below < p->cold_from && p->warm[p->cold_below] == 0) {
        p->cold_below++;
    }
    if (p->cold_below >= p->cold_from) {
        return 0;
    }
    return p->cold_below * BITS + (uint32_t)__builtin_ctzll(p->warm[p->cold_below]);
}

static uint32_t
lowest_free(struct places *p)
{
    while (p->busy_below < p->words && p->busy[p->busy_below] == UINT64_MAX) {
        p->busy_below++;
    }
    if (p->busy_below == p->words) {
        return 0;
    }
    return p->busy_below * BITS + (uint32_t)__builtin_ctzll(~p->busy[p->busy_below]);
}

uint32_t
places_take(struct places *p, bool *warm)
{
    uint32_t place = lowest_warm(p);
    *warm = place != 0;
    if (place == 0) {
        place = lowest_free(p);
    }
    if (place != 0) {
        p->warm[place / BITS] &= ~bit_of(place);
        mark_busy(p, place);
    }
    return place;
}

bool
places_take_this(struct places *p, uint32_t place)
{
    uint32_t word = place / BITS;
    if ((p->busy[word] | p->warm[word]) & bit_of(place)) {
        return false;
    }
    mark_busy(p, place);
    return true;
}

void
places_give(struct places *p, uint32_t place, bool warm)
{
    uint32_t word = place / BITS;
    ASSERT(p->busy[word] & bit_of(place));
    p->busy[word] &= ~bit_of(place);
    if (p->busy[word] == 0) {
        p->some[word / BITS] &= ~bit_of(word);
    }
    p->busy_below = word < p->busy_below ? word : p->busy_below;
    if (warm) {
        p->warm[word] |= bit_of(place);
        p->cold_below = word < p->cold_below ? word : p->cold_below;
        p->cold_from = word >= p->cold_from ? word + 1 : p->cold_from;
    }
}

bool
places_cool(struct places *p, uint32_t place)
{
    bool warm = p->warm[place / BITS] & bit_of(place);
    p->warm[place / BITS] &= ~bit_of(place);
    return warm;
}

/* The lowest bit that is set from `from` on, below `end`; else `end`. */
static uint32_t
next_bit(const uint64_t *bits, uint32_t from, uint32_t end)
{
    for (uint32_t word = from / BITS; word * BITS < end; word++) {
        uint64_t set = bits[word];
        set &= word == from / BITS ? ~(uint64_t)0 << from % BITS : ~(uint64_t)0;
        if (set != 0) {
            return word * BITS + (uint32_t)__builtin_ctzll(set);
        }
    }
    return end;
}

/* Between the single places and the runs there is little but thousands of empty words. */
uint32_t
places_next_busy(const struct places *p, uint32_t place)
{
    uint32_t word = (place + 1) / BITS;
    if (word >= p->words) {
        return 0;
    }
    uint64_t busy = p->busy[word] & ~(uint64_t)0 << (place + 1) % BITS;
    if (busy == 0) {
        word = next_bit(p->some, word + 1, p->words);
        busy = word < p->words ? p->busy[word] : 0;
    }
    return busy == 0 ? 0 : word * BITS + (uint32_t)__builtin_ctzll(busy);
}

/* --- runs -------------------------------------------------------------------- */

/* How many of the places below bit `end` of this word are as `end` - 1 is, in a
 * row; 1 at least. */
static uint32_t
streak_below(uint64_t word, uint32_t end)
{
    uint64_t up = word << (BITS - end);
    uint64_t other = up >> 63 != 0 ? ~up : up;
    uint32_t same = other != 0 ? (uint32_t)__builtin_clzll(other) : BITS;
    return same < end ? same : end;
}

/* The first of the highest `n` bits in a row that are `value`, in words from `low` up to
 * `high`; or 0. */
static uint32_t
highest_row(const uint64_t *bits, bool value, uint32_t low, uint32_t high, uint32_t n)
{
    uint32_t row = 0;
    for (uint32_t word = high; word-- > low;) {
        for (uint32_t end = BITS; end > 0;) {
            uint32_t streak = streak_below(bits[word], end);
            bool fits = (bits[word] >> (end - 1) & 1) == value;
            end -= streak;
            row = fits ? row + streak : 0;
            if (row >= n) {
                return word * BITS + end + row - n;
            }
        }
    }
    return 0;
}

uint32_t
places_take_run(struct places *p, uint32_t n)
{
    uint32_t first = highest_row(p->warm, true, p->cold_below, p->cold_from, n);
    if (first == 0) {
        first = highest_row(p->busy, false, 0, p->words, n);
    }
    for (uint32_t i = 0; first != 0 && i < n; i++) {
        mark_busy(p, first + i);
    }
    return first;
}

/* --- giving back ------------------------------------------------------------- */

uint32_t
places_chill(struct places *p, uint32_t most, uint32_t *n)
{
    while (p->cold_from > 0 && p->warm[p->cold_from - 1] == 0) {
        p->cold_from--;
    }
    *n = 0;
    if (p->cold_from == 0) {
        return 0;
    }
    uint32_t place = p->cold_from * BITS - 1 - (uint32_t)__builtin_clzll(p->warm[p->cold_from - 1]);
    while (*n < most && places_cool(p, place)) {
        place--; /* 0 is busy for ever, so this ends */
        ++*n;
    }
    return place + 1;
}
