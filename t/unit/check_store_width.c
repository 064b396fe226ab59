/* Items are as narrow as they can be, and what does not fit is made anew: nobody
 * outside may notice. */
#include "t/unit/store_steps.h"

#define HOUR_MS 3600000ull

static struct store_view
look(const char *key, uint64_t now_ms)
{
    struct store_key k = key_of(key);
    struct store_lookup peek = {.peek = true};
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, &peek, now_ms, &view), STORE_OK);
    store_release(th, &view.item);
    return view;
}

static bool
is_there(const char *key, uint64_t now_ms)
{
    return value_at(key, now_ms) != NULL;
}

START_TEST(flags_and_cas_values_of_any_width)
{
    open_default();
    static const uint64_t flags[] = {0, 1, 65535, 65536, UINT32_MAX, UINT64_MAX};
    static const uint64_t cas[] = {0, 1, 77, UINT32_MAX, 1ull << 62, UINT64_MAX};
    for (size_t i = 0; i < 36; i++) {
        struct store_write w = {.flags = flags[i / 6], .has_new_cas = true, .new_cas = cas[i % 6]};
        ck_assert_int_eq(write_at("k", "v", &w, T0, NULL), STORE_OK);
        ck_assert_uint_eq(look("k", T0).flags, w.flags);
        ck_assert_uint_eq(look("k", T0).cas, w.new_cas);
    }
    close_store();
}
END_TEST

/* More than narrow items can tell apart in a moment. */
START_TEST(a_storm_of_writes_has_increasing_cas_values)
{
    open_default();
    struct store_written out = {0};
    struct store_write w = {0};
    uint64_t last = 0;
    for (unsigned i = 0; i < 20000; i++) {
        ck_assert_int_eq(write_at("k", "v", &w, T0, &out), STORE_OK);
        ck_assert_uint_gt(out.cas, last);
        last = out.cas;
    }
    ck_assert_uint_eq(look("k", T0).cas, last);
    uint64_t later = T0 + 60000;
    ck_assert_int_eq(write_at("k", "v", &w, later, &out), STORE_OK);
    ck_assert_uint_gt(out.cas, last);
    ck_assert_uint_lt(out.cas - last, 61000ull << 20);
    close_store();
}
END_TEST

/* All that gives an item that is there a new CAS value, long after it was made. */
START_TEST(an_old_item_gets_new_cas_values)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_removal stale = {.mark_stale = true};
    struct store_removal far = {.mark_stale = true, .has_new_cas = true, .new_cas = 5};
    struct store_arith more = {.delta = 1, .has_new_cas = true, .new_cas = 9};
    struct store_number number;
    uint64_t now = T0;
    ck_assert_int_eq(set("k", "5"), STORE_OK);
    for (unsigned days = 0; days < 4; days++) {
        uint64_t before = look("k", now).cas;
        now += 20 * HOUR_MS;
        ck_assert_int_eq(store_delete(th, &k, &stale, now), STORE_OK);
        ck_assert_uint_gt(look("k", now).cas, before);
        ck_assert_str_eq(value_at("k", now), "5");
        ck_assert_uint_eq(look("k", now).flags, 7);
    }
    ck_assert_int_eq(store_delete(th, &k, &far, now), STORE_OK);
    ck_assert_uint_eq(look("k", now).cas, 5);
    ck_assert(look("k", now).stale);
    ck_assert_int_eq(store_arith(th, &k, &more, now, &number), STORE_OK);
    ck_assert_uint_eq(number.cas, 9);
    ck_assert_uint_eq(look("k", now).cas, 9);
    close_store();
}
END_TEST

/* A flush between a reservation and its commit is before the write. */
START_TEST(a_flush_during_a_write_is_before_it)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_reservation r;
    struct store_written out;
    for (unsigned i = 0; i < 3; i++) {
        set("k", "old");
        struct store_write w = {.mode = i == 0   ? STORE_SET
                                        : i == 1 ? STORE_ADD
                                                 : STORE_APPEND,
                                .flags = 3,
                                .vivify = true};
        ck_assert_int_eq(store_reserve(th, &k, 3, &w, T0, &r), STORE_OK);
        memcpy(r.value, "new", 3);
        store_flush(th, 0, T0);
        ck_assert_int_eq(store_commit(th, &r, &w, T0, &out), STORE_OK);
        ck_assert_str_eq(value_at("k", T0), "new");
        ck_assert_uint_eq(look("k", T0).flags, 3);
        ck_assert_uint_eq(look("k", T0).cas, out.cas);
    }
    close_store();
}
END_TEST

/* However many there were: what was flushed once does not come back. */
START_TEST(flushes_never_come_round)
{
    open_default();
    char key[32];
    for (unsigned i = 0; i < 700; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        set(key, "v");
        ck_assert(is_there(key, T0));
        store_flush(th, 0, T0);
    }
    for (unsigned i = 0; i < 700; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        ck_assert(!is_there(key, T0));
    }
    close_store();
}
END_TEST

/* The sweep moves items before their segment is too old to tell their times. */
START_TEST(access_times_are_right_after_days)
{
    open_default();
    uint64_t now = T0;
    set("idle", "v");
    set("busy", "v");
    uint64_t cas = look("idle", now).cas;
    for (unsigned hours = 0; hours < 100; hours++) {
        now += HOUR_MS;
        for (unsigned i = 0; i < 20; i++) {
            store_sweep(th, 0, 1, 1000, now);
        }
        ck_assert_str_eq(value_at("busy", now), "v");
        ck_assert_uint_le(now - look("busy", now).accessed_ms, 1000);
        uint64_t age = now - T0, told = now - look("idle", now).accessed_ms;
        ck_assert_uint_le(told, age + 1000 + age / 1000);
        ck_assert_uint_ge(told + 1000 + age / 1000, age);
    }
    ck_assert_uint_eq(look("idle", now).cas, cas);
    close_store();
}
END_TEST

UNIT_MAIN("store_width", flags_and_cas_values_of_any_width,
          a_storm_of_writes_has_increasing_cas_values, an_old_item_gets_new_cas_values,
          a_flush_during_a_write_is_before_it, flushes_never_come_round,
          access_times_are_right_after_days)
