#include "cached/store/bands.h"
#include "cached/store/engine.h"

/* clang-format off */
const uint32_t band_limits[STORE_BANDS] = {
         0,     96,    120,    152,    192,    240,    304,    384,    480,    600,
       752,    944,   1184,   1480,   1856,   2320,   2904,   3632,   4544,   5680,
      7104,   8880,  11104,  13880,  17352,  21696,  27120,  33904,  42384,  52984,
     66232,  82792, 103496, 129376, 161720, 202152, 252696, 315872, 394840, 524288,
};

const uint8_t band_first[128] = {
     1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,
     1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  2,  3,  4,  4,  5,
     6,  7,  7,  8,  9, 10, 11, 11, 12, 13, 14, 14, 15, 16, 17, 17,
    18, 19, 20, 21, 21, 22, 23, 24, 24, 25, 26, 27, 27, 28, 29, 30,
    30, 31, 32, 33, 34, 35, 35, 36, 37, 38, 38, 39, 39, 39, 39, 39,
    39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39,
    39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39,
    39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39,
};
/* clang-format on */

static void
add(struct store_band *sum, const struct band_counts *counts)
{
#define X(field) sum->field += atomic_load_explicit(&counts->field, memory_order_relaxed);
    STORE_BAND_COUNTS(X)
#undef X
}

/* Threads are read one after the other, and an item may leave by another one than
 * it came by: seen between, there is one less than none. */
static void
clamp(uint64_t *gauge)
{
    if ((int64_t)*gauge < 0) {
        *gauge = 0;
    }
}

void
store_bands(const struct store *st, struct store_band *bands)
{
    for (unsigned b = 0; b < STORE_BANDS; b++) {
        bands[b] = (struct store_band){.limit_bytes = band_limits[b]};
        bands[b].evicted_idle_ms =
            atomic_load_explicit(&st->evicted_idle_ms[b], memory_order_relaxed);
    }
    for (struct store_thread *th = atomic_load(&st->threads); th != NULL; th = th->next) {
        for (unsigned b = 0; b < STORE_BANDS; b++) {
            add(&bands[b], &th->bands[b]);
        }
    }
    for (unsigned b = 0; b < STORE_BANDS; b++) {
        clamp(&bands[b].items);
        clamp(&bands[b].item_bytes);
    }
}

unsigned
store_band_of(uint64_t key_bytes, uint64_t value_bytes)
{
    return band_of(key_bytes, value_bytes);
}
