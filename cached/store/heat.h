/* heat.h - what an item is worth: hits by byte. Pure.
 *
 * An item has one byte of heat: a bit that says whether it was ever read, and
 * a credit. A new item has one hit's credit, each hit adds one, and each time
 * the evictor passes by without taking the item half of it is gone. So credit
 * is the number of hits with an exponential memory, and memory is kept for
 * what brings the most hits by byte: the smaller item at equal credit, whatever
 * the sizes are. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HEAT_FETCHED 0x80u
#define HEAT_CREDIT  0x7fu /* mask, and the most there can be */
#define HEAT_HIT     8u    /* credit of one hit, so that four halvings leave something */

static inline uint8_t
heat_hit(uint8_t heat)
{
    _Static_assert((HEAT_FETCHED | HEAT_CREDIT) == UINT8_MAX, "the most there can be");
    uint8_t hotter = (uint8_t)(heat | HEAT_FETCHED);
    return __builtin_add_overflow(hotter, (uint8_t)HEAT_HIT, &hotter) ? UINT8_MAX : hotter;
}

static inline uint8_t
heat_passed(uint8_t heat)
{
    return (uint8_t)((heat & HEAT_FETCHED) | (heat & HEAT_CREDIT) / 2);
}

/* Worth on a scale of logarithms, eight steps to a doubling. */
#define HEAT_WORTHS 320u
unsigned heat_worth(uint8_t heat, uint64_t bytes);

/* Bytes by worth, of what may have to go. */
struct heat_census {
    uint64_t bytes[HEAT_WORTHS];
};

struct heat_cut {
    unsigned below;   /* all of less worth goes */
    uint64_t partial; /* and so many bytes of just this worth */
};

/* What to take so that at least `bytes` go. */
struct heat_cut heat_cut_at(const struct heat_census *census, uint64_t bytes);

/* Asks the cut about one item after the other. */
bool heat_cut_takes(struct heat_cut *cut, unsigned worth, uint64_t bytes);
