#include "cached/store/heat.h"

/* floor(8 * log2(n)) */
static unsigned
log2_eighths(uint64_t n)
{
    static const uint8_t eighths[16] = {0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7};
    unsigned whole = 63 - (unsigned)__builtin_clzll(n);
    uint64_t mantissa = whole >= 4 ? n >> (whole - 4) : n << (4 - whole);
    return whole * 8 + eighths[mantissa & 15];
}

unsigned
heat_worth(uint8_t heat, uint64_t bytes)
{
    unsigned credit = heat & HEAT_CREDIT;
    if (credit == 0) {
        return 0;
    }
    uint64_t density = ((uint64_t)credit << 32) / (bytes > 0 ? bytes : 1);
    unsigned worth = density > 0 ? log2_eighths(density) + 1 : 1;
    return worth < HEAT_WORTHS ? worth : HEAT_WORTHS - 1;
}

struct heat_cut
heat_cut_at(const struct heat_census *census, uint64_t bytes)
{
    struct heat_cut cut = {0, 0};
    while (cut.below < HEAT_WORTHS && census->bytes[cut.below] <= bytes) {
        bytes -= census->bytes[cut.below];
        cut.below++;
    }
    cut.partial = bytes;
    return cut;
}

bool
heat_cut_takes(struct heat_cut *cut, unsigned worth, uint64_t bytes)
{
    if (worth != cut->below) {
        return worth < cut->below;
    }
    if (cut->partial == 0) {
        return false;
    }
    cut->partial -= bytes < cut->partial ? bytes : cut->partial;
    return true;
}
