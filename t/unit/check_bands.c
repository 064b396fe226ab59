/* Which of memcached's slab classes an item would be in. */
#include "cached/store/bands.h"
#include "t/unit/unit.h"

/* memcached's own search. */
static unsigned
class_of(uint64_t size)
{
    unsigned class = 1;
    while (class < STORE_BANDS - 1 && size > band_limits[class]) {
        class ++;
    }
    return class;
}

START_TEST(every_size_has_its_class)
{
    for (uint64_t value = 0; value < 2u << 20; value++) {
        ck_assert_uint_eq(band_of(1, value), class_of(1 + value + BAND_OVERHEAD));
    }
    ck_assert_uint_eq(band_of(STORE_KEY_MAX, 0), class_of(STORE_KEY_MAX + BAND_OVERHEAD));
    ck_assert_uint_eq(band_of(1, 1024u << 20), STORE_BANDS - 1);
}
END_TEST

START_TEST(limits_are_memcacheds)
{
    ck_assert_uint_eq(band_limits[1], 96);
    for (unsigned i = 2; i < STORE_BANDS - 1; i++) {
        /* The factor is 1.25, the result rounded up to 8 bytes. */
        ck_assert_uint_eq(band_limits[i], (band_limits[i - 1] * 5 / 4 + 7) / 8 * 8);
    }
    ck_assert_uint_eq(band_limits[STORE_BANDS - 1], 512 * 1024);
}
END_TEST

UNIT_MAIN("bands", every_size_has_its_class, limits_are_memcacheds)
