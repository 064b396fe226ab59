/* What is known of copies of hot keys, and which one is read. */
#include "proxy/copies.h"
#include "t/unit/unit.h"

#include <stdio.h>

static const unsigned nodes[] = {7, 3, 5};

static struct lookup_key
named(const char *name, uint64_t hash, unsigned pool)
{
    return (struct lookup_key){span_cstr(name), hash, pool};
}

START_TEST(a_key_is_found_again_and_no_other)
{
    struct copies *c = copies_create();
    struct lookup_key a = named("a", 1, 0), b = named("b", 1, 0), other = named("a", 1, 1);
    struct copied_key *k = copies_add(c, &a, nodes, 3, 10);
    ck_assert_ptr_eq(copies_find(c, &a), k);
    ck_assert_ptr_null(copies_find(c, &b));
    ck_assert_ptr_null(copies_find(c, &other));
    ck_assert_uint_eq(k->at[0].node, 7);
    copies_destroy(&c);
}
END_TEST

START_TEST(who_was_asked_for_longest_ago_is_forgotten)
{
    struct copies *c = copies_create();
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct lookup_key keys[5];
    for (unsigned i = 0; i < 5; i++) {
        keys[i] = named(names[i], 9, 0);
    }
    for (unsigned i = 0; i < COPIES_WAYS; i++) {
        copies_add(c, &keys[i], nodes, 3, 10 + i);
    }
    copies_find(c, &keys[0])->asked_us = 20;
    copies_add(c, &keys[4], nodes, 3, 21);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(copies_find(c, &keys[i]) == NULL, i == 1);
    }
    copies_destroy(&c);
}
END_TEST

/* How often each of three was chosen in 3000 times. */
static void
choose(const struct copied_key *k, const struct copy_load *load, uint64_t now, unsigned *chosen)
{
    uint64_t random = 88172645463325252u;
    chosen[0] = chosen[1] = chosen[2] = 0;
    for (unsigned i = 0; i < 3000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned at = copies_choose(k, load, now, random);
        if (at != COPIES_NONE) {
            chosen[at]++;
        }
    }
}

START_TEST(only_what_is_fresh_and_open_is_read)
{
    struct copied_key k = {.count = 3};
    struct copy_load load[] = {{true, 0}, {true, 0}, {true, 0}};
    unsigned n[3];
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[0], 3000);
    k.at[1].fresh_until_us = 100; /* its time is over */
    k.at[2].fresh_until_us = 101;
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[1], 0);
    ck_assert_uint_gt(n[2], 1300);
    ck_assert_uint_lt(n[2], 1700);
    k.at[2].out_until_us = 101;
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[0], 3000);
    k.at[2].out_until_us = 100; /* in again */
    load[0].open = false;
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[2], 3000);
    load[2].open = false;
    ck_assert_uint_eq(copies_choose(&k, load, 100, 1), COPIES_NONE);
}
END_TEST

START_TEST(the_less_loaded_of_two)
{
    struct copied_key k = {.count = 3};
    struct copy_load load[] = {{true, 0}, {true, 0}, {true, 0}};
    unsigned n[3];
    k.at[1].fresh_until_us = k.at[2].fresh_until_us = 101;
    choose(&k, load, 100, n);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_gt(n[i], 850);
        ck_assert_uint_lt(n[i], 1150);
    }
    load[1].on_way = 2;
    load[2].on_way = 1;
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[1], 0); /* never the most loaded */
    ck_assert_uint_gt(n[0], n[2]);
    k.at[1].near = true;
    choose(&k, load, 100, n);
    ck_assert_uint_eq(n[1], 3000); /* but one's own zone first */
}
END_TEST

START_TEST(a_copy_is_filled_once_at_a_time_and_in_its_time)
{
    struct copy c = {0};
    ck_assert(copy_wants_filling(&c, 1));
    c.filling = true;
    ck_assert(!copy_wants_filling(&c, 1));
    c = (struct copy){.fresh_until_us = 5};
    ck_assert(!copy_wants_filling(&c, 4) && copy_wants_filling(&c, 5));
    c = (struct copy){.out_until_us = 5};
    ck_assert(!copy_wants_filling(&c, 4) && copy_wants_filling(&c, 5));
    c = (struct copy){.fill_after_us = 5};
    ck_assert(!copy_wants_filling(&c, 4) && copy_wants_filling(&c, 5));
}
END_TEST

START_TEST(a_copy_of_ones_own_ends_with_a_write)
{
    struct copied_key k = {.count = 3, .local = true};
    k.at[1] = (struct copy){.fresh_until_us = 50, .mark = 7};
    k.at[2] = (struct copy){.fresh_until_us = 50, .mark = 8};
    copies_outdate(&k, 8);
    ck_assert_uint_eq(k.at[1].fresh_until_us, 0);
    ck_assert_uint_eq(k.at[2].fresh_until_us, 50);
    struct copy c = {.fresh_until_us = 50, .early_us = 10};
    ck_assert(!copy_wants_filling(&c, 39) && copy_wants_filling(&c, 40)); /* before it ends */
}
END_TEST

UNIT_MAIN("copies", a_key_is_found_again_and_no_other, who_was_asked_for_longest_ago_is_forgotten,
          only_what_is_fresh_and_open_is_read, the_less_loaded_of_two,
          a_copy_is_filled_once_at_a_time_and_in_its_time, a_copy_of_ones_own_ends_with_a_write)
