/* When a key becomes hot, and when it is no more. */
#include "proxy/promotion.h"
#include "t/unit/unit.h"

#include <stdio.h>

static struct promotion p;
static uint64_t now;

static void
begin(unsigned percent)
{
    promotion_init(&p, percent, 3);
    now = 5000000;
    promotion_step(&p, now);
}

static void
note(const char *name, unsigned owner, unsigned times)
{
    uint64_t hash = 5381;
    for (const char *c = name; *c != '\0'; c++) {
        hash = hash * 33 + (unsigned char)*c;
    }
    struct lookup_key key = {span_cstr(name), hash, 0};
    for (unsigned i = 0; i < times; i++) {
        promotion_note(&p, &key, owner);
    }
}

static struct promotion_changes
window(void)
{
    now += PROMOTION_WINDOW_US;
    return promotion_step(&p, now);
}

static bool
is_promoted(const char *name)
{
    for (unsigned i = 0; i < PROMOTION_CANDIDATES; i++) {
        const struct promotion_key *k = &p.keys[i];
        if (k->key_bytes > 0 && span_eq_cstr(span_make(k->key, k->key_bytes), name)) {
            return k->promoted;
        }
    }
    return false;
}

START_TEST(promoted_after_so_many_windows)
{
    begin(20);
    for (unsigned i = 1; i <= PROMOTION_WINDOWS; i++) {
        ck_assert(!is_promoted("a"));
        note("a", 1, 20);
        note("b", 1, 80);
        note("c", 2, 1000); /* another's load is not its */
        ck_assert_uint_eq(window().promoted, i == PROMOTION_WINDOWS ? 3 : 0);
    }
    ck_assert(is_promoted("a") && is_promoted("b") && is_promoted("c"));
    ck_assert_uint_eq(p.promoted, 3);
    promotion_deinit(&p);
}
END_TEST

START_TEST(windows_must_follow_one_another)
{
    begin(20);
    for (unsigned i = 0; i < 10; i++) {
        note("a", 1, i % 3 < 2 ? 20 : 19);
        note("b", 1, i % 3 < 2 ? 80 : 81);
        window();
        ck_assert(!is_promoted("a"));
    }
    ck_assert(is_promoted("b"));
    promotion_deinit(&p);
}
END_TEST

START_TEST(few_reads_say_nothing)
{
    begin(20);
    for (unsigned i = 0; i < 10; i++) {
        note("a", 1, PROMOTION_NOTED_MIN - 1);
        window();
        ck_assert(!is_promoted("a"));
    }
    promotion_deinit(&p);
}
END_TEST

static void
promote_a(void)
{
    for (unsigned i = 0; i < PROMOTION_WINDOWS; i++) {
        note("a", 1, 100);
        window();
    }
    ck_assert(is_promoted("a"));
}

START_TEST(between_the_marks_nothing_changes)
{
    begin(20);
    promote_a();
    for (unsigned i = 0; i < 100; i++) {
        note("a", 1, i % 2 == 0 ? 10 : 25);
        note("b", 1, i % 2 == 0 ? 90 : 75);
        window();
        ck_assert(is_promoted("a"));
    }
    for (unsigned i = 0; i < 100; i++) { /* not long enough below */
        note("a", 1, i % PROMOTION_WINDOWS_OUT == 0 ? 10 : 9);
        note("b", 1, i % PROMOTION_WINDOWS_OUT == 0 ? 90 : 91);
        window();
        ck_assert(is_promoted("a"));
    }
    promotion_deinit(&p);
}
END_TEST

START_TEST(demoted_when_it_stays_below)
{
    begin(20);
    promote_a();
    for (unsigned i = 1; i <= PROMOTION_WINDOWS_OUT; i++) {
        ck_assert(is_promoted("a"));
        note("a", 1, 9);
        note("b", 1, 91);
        ck_assert_uint_eq(window().demoted, i == PROMOTION_WINDOWS_OUT);
    }
    ck_assert(!is_promoted("a"));
    note("a", 1, 100);
    window();
    ck_assert(!is_promoted("a")); /* it begins anew */
    promotion_deinit(&p);
}
END_TEST

START_TEST(silence_demotes)
{
    begin(20);
    promote_a();
    now += 3600ull * 1000000;
    ck_assert_uint_eq(promotion_step(&p, now).demoted, 1);
    ck_assert_uint_eq(p.promoted, 0);
    promote_a();
    promotion_deinit(&p);
}
END_TEST

START_TEST(a_flood_of_others_drives_nobody_out)
{
    begin(10);
    unsigned other = 0;
    for (unsigned i = 0; i < PROMOTION_WINDOWS + 5; i++) {
        for (unsigned j = 0; j < 500; j++) {
            char name[16];
            snprintf(name, sizeof(name), "k%u", other++);
            note(name, 1, 1);
            if (j % 4 == 0) {
                note("a", 1, 1);
            }
        }
        window();
    }
    ck_assert(is_promoted("a"));
    ck_assert_uint_eq(p.promoted, 1); /* nobody else, by what was inherited */
    promotion_deinit(&p);
}
END_TEST

START_TEST(not_more_than_so_many)
{
    begin(1);
    for (unsigned i = 0; i < PROMOTION_WINDOWS + 1; i++) {
        for (unsigned j = 0; j < PROMOTION_KEYS_MAX + 5; j++) {
            char name[16];
            snprintf(name, sizeof(name), "k%u", j);
            note(name, 1, 10);
        }
        window();
    }
    ck_assert_uint_eq(p.promoted, PROMOTION_KEYS_MAX);
    promotion_deinit(&p);
}
END_TEST

UNIT_MAIN("promotion", promoted_after_so_many_windows, windows_must_follow_one_another,
          few_reads_say_nothing, between_the_marks_nothing_changes, demoted_when_it_stays_below,
          silence_demotes, a_flood_of_others_drives_nobody_out, not_more_than_so_many)
