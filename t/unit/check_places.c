/* Which places are free; and the bits against a plain array. */
#include "cached/store/places.h"
#include "config.h"
#include "t/unit/unit.h"

enum { COUNT = 256 };

static struct places p;

static uint32_t
take(bool expect_warm)
{
    bool warm;
    uint32_t place = places_take(&p, &warm);
    ck_assert(place == 0 || warm == expect_warm);
    return place;
}

START_TEST(single_places_come_lowest_first)
{
    places_init(&p, COUNT);
    for (uint32_t i = 1; i < COUNT; i++) {
        ck_assert_uint_eq(take(false), i);
    }
    ck_assert_uint_eq(take(false), 0);
    places_give(&p, 200, false);
    places_give(&p, 100, false);
    ck_assert_uint_eq(take(false), 100);
    ck_assert_uint_eq(take(false), 200);
    ck_assert_uint_eq(take(false), 0);
    places_deinit(&p);
}
END_TEST

START_TEST(a_certain_place_can_be_had_once)
{
    places_init(&p, COUNT);
    ck_assert(!places_take_this(&p, 0));
    ck_assert(places_take_this(&p, 1));
    ck_assert(places_take_this(&p, 100));
    ck_assert(!places_take_this(&p, 100));
    ck_assert_uint_eq(take(false), 2);
    ck_assert(!places_take_this(&p, 2));
    places_give(&p, 100, false);
    ck_assert(places_take_this(&p, 100));
    places_give(&p, 100, true);
    ck_assert(!places_take_this(&p, 100)); /* somebody counts its memory */
    ck_assert_uint_eq(take(true), 100);
    places_deinit(&p);
}
END_TEST

START_TEST(warm_places_come_first)
{
    places_init(&p, COUNT);
    for (uint32_t i = 1; i <= 130; i++) {
        ck_assert_uint_eq(take(false), i);
    }
    places_give(&p, 3, false);
    places_give(&p, 129, true);
    places_give(&p, 65, true);
    ck_assert_uint_eq(take(true), 65);
    ck_assert_uint_eq(take(true), 129);
    ck_assert_uint_eq(take(false), 3);
    ck_assert_uint_eq(take(false), 131);
    places_deinit(&p);
}
END_TEST

START_TEST(runs_come_highest_first)
{
    places_init(&p, COUNT);
    ck_assert_uint_eq(places_take_run(&p, 70), COUNT - 70);
    ck_assert_uint_eq(places_take_run(&p, 1), COUNT - 71);
    ck_assert_uint_eq(places_take_run(&p, COUNT), 0);
    ck_assert_uint_eq(places_take_run(&p, COUNT - 72), 1); /* 0 is never given out */
    ck_assert_uint_eq(places_take_run(&p, 1), 0);
    places_give(&p, 10, true);
    places_give(&p, 12, false);
    ck_assert_uint_eq(places_take_run(&p, 2), 0);
    places_give(&p, 11, true);
    ck_assert_uint_eq(places_take_run(&p, 3), 10);
    ck_assert(places_cool(&p, 10) && places_cool(&p, 11) && !places_cool(&p, 12));
    ck_assert(!places_cool(&p, 10));
    ck_assert_uint_eq(take(true), 0);
    places_deinit(&p);
}
END_TEST

START_TEST(warm_runs_come_first)
{
    places_init(&p, COUNT);
    for (uint32_t i = 1; i <= 100; i++) {
        take(false);
    }
    places_give(&p, 20, true);
    places_give(&p, 21, true);
    places_give(&p, 22, false);
    places_give(&p, 63, true);
    places_give(&p, 64, true);
    ck_assert_uint_eq(places_take_run(&p, 3), COUNT - 3);
    ck_assert_uint_eq(places_take_run(&p, 2), 63);
    ck_assert(places_cool(&p, 63) && places_cool(&p, 64));
    ck_assert_uint_eq(places_take_run(&p, 2), 20);
    ck_assert(places_cool(&p, 20) && places_cool(&p, 21));
    ck_assert_uint_eq(places_take_run(&p, 2), COUNT - 5);
    places_deinit(&p);
}
END_TEST

/* Some words of `busy` apart, and words of words. */
START_TEST(busy_places_are_found_far_apart)
{
    static const uint32_t at[] = {63, 64, 5000, 64 * 64 - 1, 64 * 64 * 3, 64 * 64 * 4 - 1};
    places_init(&p, 64 * 64 * 4);
    ck_assert_uint_eq(places_next_busy(&p, 0), 0);
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        ck_assert(places_take_this(&p, at[i]));
        ck_assert_uint_eq(places_next_busy(&p, 0), at[i]);
        ck_assert_uint_eq(places_next_busy(&p, at[i] - 1), at[i]);
        ck_assert_uint_eq(places_next_busy(&p, at[i]), 0);
        places_give(&p, at[i], false);
        ck_assert_uint_eq(places_next_busy(&p, 0), 0);
    }
    places_deinit(&p);
}
END_TEST

START_TEST(the_highest_warm_places_are_chilled)
{
    places_init(&p, COUNT);
    uint32_t n;
    ck_assert_uint_eq(places_chill(&p, 9, &n), 0);
    ck_assert_uint_eq(n, 0);
    for (uint32_t i = 1; i < COUNT; i++) {
        take(false);
    }
    for (uint32_t i = 62; i <= 130; i++) {
        places_give(&p, i, i != 100);
    }
    ck_assert_uint_eq(places_chill(&p, 10, &n), 121);
    ck_assert_uint_eq(n, 10);
    ck_assert_uint_eq(places_chill(&p, 100, &n), 101);
    ck_assert_uint_eq(n, 20);
    ck_assert_uint_eq(places_chill(&p, 100, &n), 62);
    ck_assert_uint_eq(n, 38);
    ck_assert_uint_eq(places_chill(&p, 100, &n), 0);
    ck_assert_uint_eq(take(false), 62); /* still free */
    places_deinit(&p);
}
END_TEST

/* --- against a model ---------------------------------------------------------- */

enum state { COLD, WARM, BUSY };
static enum state model[COUNT];

static uint32_t
model_row(uint32_t n, bool warm)
{
    for (uint32_t first = COUNT - n; first > 0; first--) {
        uint32_t i = 0;
        while (i < n && (warm ? model[first + i] == WARM : model[first + i] != BUSY)) {
            i++;
        }
        if (i == n) {
            return first;
        }
    }
    return 0;
}

static uint32_t
model_run(uint32_t n)
{
    uint32_t first = model_row(n, true);
    return first != 0 ? first : model_row(n, false);
}

static uint32_t
model_lowest(enum state wanted)
{
    for (uint32_t i = 1; i < COUNT; i++) {
        if (model[i] == wanted) {
            return i;
        }
    }
    return 0;
}

static void
take_one_and_compare(void)
{
    bool warm;
    uint32_t expected = model_lowest(WARM);
    bool expect_warm = expected != 0;
    expected = expect_warm ? expected : model_lowest(COLD);
    ck_assert_uint_eq(places_take(&p, &warm), expected);
    ck_assert(expected == 0 || warm == expect_warm);
    model[expected] = BUSY;
}

static void
take_run_and_compare(uint32_t n)
{
    uint32_t first = places_take_run(&p, n);
    ck_assert_uint_eq(first, model_run(n));
    for (uint32_t i = first; first != 0 && i < first + n; i++) {
        ck_assert(places_cool(&p, i) == (model[i] == WARM));
        model[i] = BUSY;
    }
}

static void
chill_and_compare(uint32_t most)
{
    uint32_t n, first = places_chill(&p, most, &n);
    uint32_t last = COUNT - 1;
    while (last > 0 && model[last] != WARM) {
        last--;
    }
    ck_assert_uint_eq(first == 0 ? 0 : first + n - 1, last);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert(model[first + i] == WARM);
        model[first + i] = COLD;
    }
    ck_assert(n == most || first == 0 || model[first - 1] != WARM);
}

static void
next_busy_and_compare(uint32_t place)
{
    uint32_t next = place + 1;
    while (next < COUNT && model[next] != BUSY) {
        next++;
    }
    ck_assert_uint_eq(places_next_busy(&p, place), next < COUNT ? next : 0);
}

START_TEST(agrees_with_a_plain_array)
{
    places_init(&p, COUNT);
    model[0] = BUSY;
    unsigned seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint32_t place = 1 + (uint32_t)rand_r(&seed) % (COUNT - 1);
        uint32_t n = 1 + (uint32_t)rand_r(&seed) % 20;
        switch (rand_r(&seed) % 16) {
        case 0: take_run_and_compare(n); break;
        case 1: chill_and_compare(n); break;
        case 5: next_busy_and_compare(place - n % 2); break;
        case 2:
        case 3:
        case 4: take_one_and_compare(); break;
        default:
            if (model[place] == BUSY) {
                model[place] = n % 2 ? WARM : COLD;
                places_give(&p, place, model[place] == WARM);
            }
        }
    }
    places_deinit(&p);
}
END_TEST

UNIT_MAIN("places", single_places_come_lowest_first, a_certain_place_can_be_had_once,
          warm_places_come_first, runs_come_highest_first, warm_runs_come_first,
          busy_places_are_found_far_apart, the_highest_warm_places_are_chilled,
          agrees_with_a_plain_array)
