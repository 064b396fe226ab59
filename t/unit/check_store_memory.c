/* What fits, what goes for it, and how that is counted. */
#include "t/unit/store_steps.h"

/* A value that grows changes its band; so does what evicts and what expires. */
START_TEST(items_are_counted_by_size)
{
    open_store(4 * MB, true);
    char text[201] = {0};
    memset(text, 'v', 200);
    set("k", "v");
    struct store_band small = band_at(1);
    ck_assert_uint_eq(small.limit_bytes, 96);
    ck_assert_uint_eq(small.items, 1);
    ck_assert_uint_eq(small.item_bytes, metric_sum(store_metrics(st), METRIC_ID_STORE_ITEM_BYTES));
    set("k", text);
    ck_assert_uint_eq(band_at(1).items, 0);
    ck_assert_uint_eq(band_at(1).item_bytes, 0);
    ck_assert_uint_eq(band_at(1).stored, 1);
    ck_assert_uint_eq(band_at(6).items, 1);
    struct store_write brief = {.expiry_ms = T0 + 10};
    write_at("e", "v", &brief, T0, NULL);
    ck_assert_ptr_null(value_at("e", T0 + 20));
    ck_assert_uint_eq(band_at(1).expired_unfetched, 1);
    char key[16];
    struct store_write mortal = {.expiry_ms = T0 + 10000000};
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(key, sizeof(key), "%u", i);
        write_at(key, text, &mortal, T0 + i, NULL);
    }
    struct store_key k = key_of("k"), one = key_of("1");
    struct store_write compare = {.compare = true, .compare_cas = 1};
    struct store_arith more = {.delta = 1}, less = {.decrement = true};
    struct store_number number;
    set("k", "5");
    write_at("k", "v", &compare, T0, NULL);
    store_arith(th, &k, &more, T0, &number);
    store_arith(th, &k, &less, T0, &number);
    store_touch(th, &k, T0 + 1000000, T0);
    compare.compare_cas = cas_of("k");
    write_at("k", "v", &compare, T0, NULL);
    store_delete(th, &k, NULL, T0);
    store_delete(th, &one, NULL, T0);
    small = band_at(1);
    ck_assert_uint_eq(small.cas_badval, 1);
    ck_assert_uint_eq(small.cas_hits, 1);
    ck_assert_uint_eq(small.increments, 1);
    ck_assert_uint_eq(small.decrements, 1);
    ck_assert_uint_eq(small.touches, 1);
    ck_assert_uint_eq(small.deletes, 1);
    struct store_band full = band_at(6);
    ck_assert_uint_gt(full.evictions, 10000);
    ck_assert_uint_ge(full.evicted_mortal, full.evictions - 1);
    ck_assert_uint_gt(full.evicted_idle_ms, 1000);
    ck_assert_uint_lt(full.evicted_idle_ms, 40000);
    close_store();
}
END_TEST

START_TEST(refuses_what_never_fits)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_reservation r;
    ck_assert_int_eq(store_reserve(th, &k, MB, &plain, T0, &r), STORE_TOO_LARGE);
    ck_assert_ptr_null(r.item);
    uint64_t most = MB - 1 - STORE_TRAILER_BYTES - STORE_ITEM_OVERHEAD;
    ck_assert_int_eq(store_reserve(th, &k, most + 1, &plain, T0, &r), STORE_TOO_LARGE);
    ck_assert_int_eq(store_reserve(th, &k, most, &plain, T0, &r), STORE_OK);
    store_abandon(th, &r);
    ck_assert_ptr_null(r.item);
    close_store();
}
END_TEST

START_TEST(keeps_the_memory_limit)
{
    open_store(4 * MB, true);
    fill(20000, 1000);
    struct store_info info = store_info(st);
    ck_assert_uint_le(info.memory_bytes, 4 * MB);
    ck_assert_uint_gt(info.memory_bytes, 4 * MB - 64 * 1024);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 15000);
    ck_assert_ptr_nonnull(value_at("fill19999", T0));
    ck_assert_ptr_null(value_at("fill0", T0));
    close_store();
}
END_TEST

/* The table grows with the items it holds, out of the same memory: what it
 * takes is evicted for once, and the store stays full of items. */
START_TEST(makes_room_for_its_table)
{
    for (unsigned memory = MB * 5 / 4; memory < MB * 3 / 2; memory += MB / 12) {
        open_store(memory, true);
        for (unsigned i = 0; i < 40000; i++) {
            char key[16];
            snprintf(key, sizeof(key), "%u", i);
            set(key, "v");
            if (i % 16 == 0) {
                ck_assert_uint_le(store_info(st).memory_bytes, memory);
            }
        }
        uint64_t items = metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS);
        ck_assert_uint_gt(items, memory / 64);
        ck_assert_uint_lt(store_info(st).table_bytes, items * 12);
        close_store();
    }
}
END_TEST

START_TEST(a_vivify_without_memory_is_a_miss)
{
    open_store(64 * 1024, false);
    fill(1000, 100);
    fill(1000, 0);
    struct store_key k = key_of("longer than those");
    struct store_lookup how = {.vivify = true};
    struct store_view view;
    memset(&view, 0xff, sizeof(view));
    ck_assert_int_eq(store_get(th, &k, &how, T0, &view), STORE_NOT_FOUND);
    ck_assert_ptr_null(view.item);
    close_store();
}
END_TEST

START_TEST(keeps_what_is_used)
{
    open_store(4 * MB, true);
    set("hot", "value");
    char key[32];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "cold%u", i);
        struct store_write w = {0};
        char value[1000] = {0};
        memset(value, 'c', sizeof(value) - 1);
        write_at(key, value, &w, T0 + i, NULL);
        ck_assert_ptr_nonnull(value_at("hot", T0 + i));
    }
    close_store();
}
END_TEST

/* A fill's keys are told when they go, each once, and no others. */
static void
count_told(void *arg, const struct store_view *view)
{
    unsigned *told = arg;
    *told += view->key.len > 4 && memcmp(view->key.ptr, "fill", 4) == 0 && view->value.len == 1000;
}

START_TEST(evictions_are_told)
{
    unsigned told = 0;
    open_store(2 * MB, true);
    store_tell_evictions(th, count_told, &told);
    fill(3000, 1000);
    ck_assert_uint_gt(told, 0);
    ck_assert_uint_eq(told, metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS));
    close_store();
}
END_TEST

START_TEST(without_eviction_says_so)
{
    open_store(2 * MB, false);
    fill(3000, 1000);
    ck_assert_ptr_null(value_at("fill2999", T0));
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 0);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_REFUSED_MEMORY), 0);
    ck_assert_ptr_nonnull(value_at("fill0", T0));
    close_store();
}
END_TEST

START_TEST(does_not_evict_for_what_can_never_fit)
{
    open_store(4 * MB, true);
    fill(100, 1000);
    store_set_memory_limit(st, MB / 2);
    struct store_key k = key_of("huge");
    struct store_reservation r;
    ck_assert_int_eq(store_reserve(th, &k, MB * 3 / 4, &plain, T0, &r), STORE_NO_MEMORY);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 100);
    close_store();
}
END_TEST

START_TEST(does_not_evict_what_is_being_read)
{
    open_store(2 * MB, true);
    set("read", "me");
    struct store_key k = key_of("read");
    struct store_view view;
    store_get(th, &k, NULL, T0, &view);
    fill(5000, 1000);
    ck_assert_mem_eq(view.value.ptr, "me", strlen("me"));
    ck_assert_str_eq(value_at("read", T0), "me");
    store_release(th, &view.item);
    close_store();
}
END_TEST

/* However far the limit was lowered: nobody's request waits for all of it. */
/* Values that replace others in no order: what is dead is used again before more
 * memory is, though the limit would allow for it. Without that: 43 MB. */
START_TEST(overwriting_takes_no_more_memory)
{
    open_store(64 * MB, true);
    char key[16], text[1001] = {0};
    memset(text, 'v', 1000);
    uint32_t random = 1;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        snprintf(key, sizeof(key), "%u", i < 8000 ? i : random >> 8 & 0x1fff);
        ck_assert_int_eq(set(key, text), STORE_OK);
    }
    ck_assert_uint_lt(store_info(st).memory_bytes, 30 * MB);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 0);
    close_store();
}
END_TEST

START_TEST(no_write_works_a_lower_limit_off_alone)
{
    open_store(8 * MB, true);
    fill(6000, 1000);
    store_set_memory_limit(st, 2 * MB);
    uint64_t before = store_info(st).memory_bytes;
    uint64_t items = metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS);
    ck_assert_int_eq(set("new", "value"), STORE_OK);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS) + 200, items);
    ck_assert_uint_lt(store_info(st).memory_bytes, before);
    close_store();
}
END_TEST

/* Room is made ahead of need: in a full store nobody's item waits for more than a
 * small part of a round of the cleaner, which lets go of some hundred at once. */
START_TEST(evictions_are_spread)
{
    open_store(8 * MB, true);
    unsigned most = 0, waits = 0;
    char key[16];
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t before = metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS);
        snprintf(key, sizeof(key), "k%u", i);
        set(key, "a value of thirty-two characters");
        unsigned now =
            (unsigned)(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS) - before);
        most = now > most ? now : most;
        waits += now > 60;
    }
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 50000);
    ck_assert_uint_le(waits, 2);
    ck_assert_uint_le(most, 200);
    close_store();
}
END_TEST

START_TEST(a_lower_limit_is_worked_off)
{
    open_store(8 * MB, true);
    fill(6000, 1000);
    store_set_memory_limit(st, 2 * MB);
    for (int i = 0; i < 600; i++) {
        store_sweep(th, 0, 1, 100, T0);
    }
    ck_assert_uint_le(store_info(st).memory_bytes, 2 * MB);
    close_store();
}
END_TEST

/* As one who is off the CPU in the middle of a group of lookups: what is cleaned
 * meanwhile cannot be used, so new values are refused rather than the limit
 * passed, and nobody is let go for them in vain for ever. */
START_TEST(a_reader_who_stays_costs_no_memory)
{
    open_store(8 * MB, true);
    struct store_thread *reader = store_join(st);
    static char value[100001];
    memset(value, 'v', sizeof(value) - 1);
    fill(6000, 1000);
    store_enter(reader);
    unsigned refused = 0;
    for (unsigned i = 0; i < 400; i++) {
        char key[16];
        snprintf(key, sizeof(key), "large%u", i);
        refused += set(key, value) == STORE_NO_MEMORY;
        ck_assert_uint_le(store_info(st).memory_bytes, 8 * MB + 8 * MB / 16);
    }
    ck_assert_uint_gt(refused, 0);
    store_leave(reader);
    ck_assert_int_eq(set("new", value), STORE_OK);
    close_store();
}
END_TEST

UNIT_MAIN("store_memory", items_are_counted_by_size, refuses_what_never_fits,
          keeps_the_memory_limit, makes_room_for_its_table, a_vivify_without_memory_is_a_miss,
          keeps_what_is_used, evictions_are_told, without_eviction_says_so,
          does_not_evict_for_what_can_never_fit, does_not_evict_what_is_being_read,
          overwriting_takes_no_more_memory, no_write_works_a_lower_limit_off_alone,
          evictions_are_spread, a_lower_limit_is_worked_off, a_reader_who_stays_costs_no_memory)
