/* One item in memory: every layout holds what it was made for, and what is
 * narrow is right or says that it cannot be. */
#include "cached/store/item.h"
#include "t/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_S 3600u
#define DAY_S  (24 * HOUR_S)

static const struct item_base base = {UINT64_C(1) << 60, 1000, 7};

/* In memory of just its size, so that a sanitizer sees what is too much. */
static struct store_item *
make(const struct item_base *of, struct span key, uint64_t value_bytes, unsigned layout,
     uint64_t now_ms)
{
    struct store_item *it = malloc(item_bytes_for(layout, key.len, value_bytes));
    item_init(it, of, key, value_bytes, layout, now_ms);
    memset(item_value(it), 'v', value_bytes);
    return it;
}

static void
check_fields(unsigned layout, size_t key_bytes, uint64_t value_bytes)
{
    char text[STORE_KEY_MAX];
    memset(text, 'k', sizeof(text));
    struct span key = span_make(text, key_bytes);
    bool wide = layout & ITEM_WIDE;
    uint64_t flags = !(layout & ITEM_HAS_FLAGS) ? 0 : wide ? UINT64_MAX - 5 : UINT16_MAX - 5;
    uint64_t expiry_ms = layout & ITEM_HAS_EXPIRY ? ITEM_EXPIRY_MAX - 5 : 0;
    uint64_t cas = wide ? UINT64_MAX - 5 : base.cas_from + ITEM_CAS_RANGE - (1 << 14);
    struct store_item *it = make(&base, key, value_bytes, layout, 2000000);
    item_set_flags(it, flags);
    ck_assert(item_set_expiry_ms(it, expiry_ms));
    ck_assert(item_set_cas(it, &base, cas));
    item_seal(it);
    ck_assert_uint_eq(item_flags(it), flags);
    ck_assert_uint_eq(item_expiry_ms(it), expiry_ms);
    ck_assert_uint_eq(item_cas(it, &base), cas);
    ck_assert_uint_eq(item_value_bytes(it), value_bytes);
    ck_assert(span_eq(item_key(it), key));
    struct store_view view;
    item_show(it, &base, 2000000, &view);
    ck_assert_uint_eq(view.accessed_ms, 2000000);
    ck_assert_uint_eq(view.bytes, item_bytes_for(layout, key_bytes, value_bytes));
    ck_assert_uint_eq(view.value.len, value_bytes);
    ck_assert(value_bytes == 0 ||
              (view.value.ptr[0] == 'v' && view.value.ptr[value_bytes - 1] == 'v'));
    free(it);
}

START_TEST(every_layout_holds_what_it_is_for)
{
    for (unsigned layout = 0; layout < 256; layout += 16) {
        for (uint64_t value_bytes = 0; value_bytes < 3000; value_bytes += 51) {
            if (value_bytes < 256 || (layout & ITEM_LONG_VALUE)) {
                check_fields(layout, 1 + value_bytes % STORE_KEY_MAX, value_bytes);
            }
        }
    }
    check_fields(ITEM_LONG_VALUE, 250, ITEM_NARROW_VALUE);
    check_fields(ITEM_LONG_VALUE | ITEM_WIDE, 250, ITEM_NARROW_VALUE + 1);
}
END_TEST

START_TEST(a_layout_is_as_wide_as_it_must_be)
{
    ck_assert_uint_eq(item_layout_for(0, 0, 255), 0);
    ck_assert_uint_eq(item_layout_for(0, 0, 256), ITEM_LONG_VALUE);
    ck_assert_uint_eq(item_layout_for(65535, 1, 0), ITEM_HAS_FLAGS | ITEM_HAS_EXPIRY);
    ck_assert_uint_eq(item_layout_for(65536, 0, 0), ITEM_HAS_FLAGS | ITEM_WIDE);
    ck_assert_uint_eq(item_layout_for(0, 0, 1 << 24), ITEM_LONG_VALUE | ITEM_WIDE);
    ck_assert_uint_eq(item_bytes_for(0, 24, 10), 44);
}
END_TEST

START_TEST(a_narrow_cas_value_is_near_its_base)
{
    struct store_item *it = make(&base, SPAN_LIT("k"), 1, 0, 2000000);
    uint64_t unit = 1 << ITEM_CAS_UNIT_BITS;
    ck_assert(item_set_cas(it, &base, base.cas_from));
    ck_assert_uint_eq(item_cas(it, &base), base.cas_from);
    ck_assert(!item_set_cas(it, &base, base.cas_from + 1));
    ck_assert(!item_set_cas(it, &base, base.cas_from - unit));
    ck_assert(!item_set_cas(it, &base, base.cas_from + ITEM_CAS_RANGE));
    ck_assert(!item_set_cas(it, &base, 0));
    ck_assert_uint_eq(item_cas(it, &base), base.cas_from);
    free(it);
}
END_TEST

START_TEST(a_copy_needs_a_place_for_everything)
{
    struct store_item *from = make(&base, SPAN_LIT("k"), 300,
                                   ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS | ITEM_LONG_VALUE, 2000000);
    item_set_flags(from, 9);
    item_set_cas(from, &base, base.cas_from + ITEM_CAS_RANGE / 2);
    struct item_base later = {base.cas_from + ITEM_CAS_RANGE, 5000, 7};
    unsigned whole = item_layout_for(9, 0, 300);
    struct {
        const struct item_base *base;
        unsigned layout;
        bool fits;
    } cases[] = {
        {&base, whole, true},
        {&base, whole | ITEM_HAS_EXPIRY, true},
        {&base, ITEM_LONG_VALUE, false}, /* no flags */
        {&later, whole, false},          /* a CAS value from before */
        {&later, whole | ITEM_WIDE, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_item *to = make(cases[i].base, SPAN_LIT("k"), 300, cases[i].layout, 6000000);
        ck_assert_int_eq(item_copy(to, cases[i].base, from, &base), cases[i].fits);
        if (cases[i].fits) {
            struct store_view view;
            item_show(to, cases[i].base, 6000000, &view);
            ck_assert_uint_eq(view.cas, base.cas_from + ITEM_CAS_RANGE / 2);
            ck_assert_uint_eq(view.flags, 9);
            ck_assert_uint_le(view.accessed_ms / 1000, 2003);
            ck_assert_uint_ge(view.accessed_ms / 1000, 1997);
        }
        free(to);
    }
    free(from);
}
END_TEST

static uint64_t
age_s(const struct store_item *it, const struct item_base *of, uint64_t now_s)
{
    struct store_view view;
    item_show((struct store_item *)it, of, now_s * 1000, &view);
    return now_s - view.accessed_ms / 1000;
}

/* Within its segment's time an access is known to the second. */
START_TEST(recent_accesses_are_exact)
{
    struct store_item *it = make(&base, SPAN_LIT("k"), 1, 0, 1000000);
    for (uint64_t s = 1000; s < 1000 + 13 * HOUR_S; s += 77) {
        item_bump(it, &base, s * 1000 + 999);
        ck_assert_uint_eq(age_s(it, &base, s), 0);
        ck_assert_uint_eq(age_s(it, &base, s + 5), 5);
        ck_assert_uint_eq(age_s(it, &base, s + DAY_S), DAY_S);
    }
    item_bump(it, &base, 1000000 + 30ull * DAY_S * 1000);
    ck_assert_uint_ge(age_s(it, &base, 1000 + 30 * DAY_S), 29 * DAY_S); /* out of its range */
    free(it);
}
END_TEST

/* Moved from segment to segment for years, nobody asking for it: never more than
 * a thousandth off. */
START_TEST(old_accesses_keep_their_age)
{
    struct item_base from = base;
    struct store_item *it = make(&from, SPAN_LIT("k"), 1, 0, 1000000);
    item_set_cas(it, &from, from.cas_from);
    for (unsigned moves = 0; moves < 3000; moves++) {
        uint32_t step = moves % 7 == 0 ? 13 : 12 * HOUR_S + moves * 31 % 997;
        struct item_base to = {from.cas_from, from.opened_s + step, 7};
        struct store_item *copy = make(&to, SPAN_LIT("k"), 1, 0, (uint64_t)to.opened_s * 1000);
        ck_assert(item_copy(copy, &to, it, &from));
        free(it);
        it = copy;
        from = to;
        uint64_t age = from.opened_s - 1000, told = age_s(it, &from, from.opened_s);
        uint64_t off = told > age ? told - age : age - told;
        ck_assert_uint_le(off, 1 + age / 1000);
    }
    ck_assert_uint_gt(from.opened_s, 3u * 365 * DAY_S);
    item_bump(it, &from, (uint64_t)from.opened_s * 1000);
    ck_assert_uint_eq(age_s(it, &from, from.opened_s), 0);
    free(it);
}
END_TEST

UNIT_MAIN("item", every_layout_holds_what_it_is_for, a_layout_is_as_wide_as_it_must_be,
          a_narrow_cas_value_is_near_its_base, a_copy_needs_a_place_for_everything,
          recent_accesses_are_exact, old_accesses_keep_their_age)
