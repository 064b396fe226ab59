/* Steps that change what is there, one item or all of them. */
#include "t/unit/store_steps.h"

START_TEST(deletes_and_marks)
{
    open_default();
    struct store_key k = key_of("k");
    ck_assert_int_eq(store_delete(th, &k, NULL, T0), STORE_NOT_FOUND);
    set("k", "v");
    struct store_removal how = {.compare = true, .compare_cas = cas_of("k") + 1};
    ck_assert_int_eq(store_delete(th, &k, &how, T0), STORE_EXISTS);
    uint64_t before = cas_of("k");
    how = (struct store_removal){.mark_stale = true, .touch = true, .touch_expiry_ms = T0 + 20};
    ck_assert_int_eq(store_delete(th, &k, &how, T0), STORE_OK);
    struct store_view view;
    struct store_lookup look = {0};
    store_get(th, &k, NULL, T0, &view); /* a plain get takes no part */
    ck_assert(view.stale && !view.won && !view.taken);
    store_release(th, &view.item);
    store_get(th, &k, &look, T0, &view);
    ck_assert(view.stale && view.won && view.expiry_ms == T0 + 20);
    ck_assert_uint_gt(view.cas, before);
    store_release(th, &view.item);
    store_get(th, &k, &look, T0, &view);
    ck_assert(view.stale && !view.won && view.taken);
    store_release(th, &view.item);
    ck_assert_int_eq(set("k", "fresh"), STORE_OK);
    store_get(th, &k, NULL, T0, &view);
    ck_assert(!view.stale && !view.won && !view.taken);
    store_release(th, &view.item);
    close_store();
}
END_TEST

START_TEST(drops_a_value_and_keeps_the_expiry)
{
    open_default();
    struct store_write w = {.flags = 5, .expiry_ms = T0 + 44};
    write_at("k", "v", &w, T0, NULL);
    struct store_key k = key_of("k");
    struct store_removal how = {.drop_value = true};
    ck_assert_int_eq(store_delete(th, &k, &how, T0), STORE_OK);
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.value.len, 0);
    ck_assert_uint_eq(view.flags, 0);
    ck_assert_uint_eq(view.expiry_ms, T0 + 44);
    store_release(th, &view.item);
    close_store();
}
END_TEST

static enum store_outcome
add_to(const char *key, uint64_t delta, bool decrement, struct store_number *number)
{
    struct store_key k = key_of(key);
    struct store_arith how = {.delta = delta, .decrement = decrement};
    return store_arith(th, &k, &how, T0, number);
}

START_TEST(counts)
{
    open_default();
    struct store_number n;
    ck_assert_int_eq(add_to("k", 1, false, &n), STORE_NOT_FOUND);
    set("k", "99");
    ck_assert_int_eq(add_to("k", 1, false, &n), STORE_OK);
    ck_assert_uint_eq(n.value, 100);
    ck_assert_str_eq(value_at("k", T0), "100");
    ck_assert_int_eq(add_to("k", 1, true, &n), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "99 ");
    ck_assert_int_eq(add_to("k", 1000, true, &n), STORE_OK);
    ck_assert_uint_eq(n.value, 0);
    set("k", "18446744073709551615");
    ck_assert_int_eq(add_to("k", 2, false, &n), STORE_OK);
    ck_assert_uint_eq(n.value, 1);
    ck_assert_uint_eq(n.cas, cas_of("k"));
    close_store();
}
END_TEST

START_TEST(counts_only_numbers)
{
    open_default();
    static const char *const wrong[] = {
        "", "x", "-5", "1x", "18446744073709551616", "1111111111111111111111", "  "};
    struct store_number n;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set("k", wrong[i]);
        ck_assert_int_eq(add_to("k", 1, false, &n), STORE_NON_NUMERIC);
        ck_assert_str_eq(value_at("k", T0), wrong[i]);
    }
    set("k", "12  ");
    ck_assert_int_eq(add_to("k", 1, false, &n), STORE_OK);
    ck_assert_uint_eq(n.value, 13);
    close_store();
}
END_TEST

START_TEST(counting_leaves_a_reader_its_value)
{
    open_default();
    set("k", "50");
    struct store_key k = key_of("k");
    struct store_view view;
    struct store_number n;
    store_get(th, &k, NULL, T0, &view);
    ck_assert_int_eq(add_to("k", 1, false, &n), STORE_OK);
    ck_assert_mem_eq(view.value.ptr, "50", strlen("50"));
    ck_assert_str_eq(value_at("k", T0), "51");
    store_release(th, &view.item);
    store_get(th, &k, NULL, T0, &view);
    ck_assert_uint_eq(view.flags, 7);
    store_release(th, &view.item);
    close_store();
}
END_TEST

/* Whether somebody happens to be reading decides where the number goes, and
 * nothing else. */
START_TEST(counting_keeps_the_stale_mark)
{
    open_default();
    set("k", "50");
    struct store_key k = key_of("k");
    struct store_removal mark = {.mark_stale = true};
    ck_assert_int_eq(store_delete(th, &k, &mark, T0), STORE_OK);
    struct store_view first, view;
    struct store_lookup peek = {.peek = true};
    struct store_number n;
    store_get(th, &k, &peek, T0, &first);
    ck_assert(first.stale && first.won);
    for (int reading = 1; reading >= 0; reading--) {
        ck_assert_int_eq(add_to("k", 1, false, &n), STORE_OK);
        store_get(th, &k, &peek, T0, &view);
        ck_assert(view.stale && view.taken && !view.won && !view.fetched);
        store_release(th, &view.item);
        store_release(th, &first.item);
    }
    ck_assert_int_eq(add_to("k", 100, false, &n), STORE_OK);
    store_get(th, &k, &peek, T0, &view);
    ck_assert(!view.stale && !view.taken);
    store_release(th, &view.item);
    close_store();
}
END_TEST

START_TEST(counters_can_be_made)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_arith how = {
        .vivify = true, .initial = 13, .delta = 5, .vivify_expiry_ms = T0 + 90};
    struct store_number n;
    ck_assert_int_eq(store_arith(th, &k, &how, T0, &n), STORE_OK);
    ck_assert(n.made && n.value == 13 && n.expiry_ms == T0 + 90);
    ck_assert_int_eq(store_arith(th, &k, &how, T0, &n), STORE_OK);
    ck_assert(!n.made && n.value == 18 && n.expiry_ms == T0 + 90);
    how.compare = true;
    how.compare_cas = n.cas + 1;
    ck_assert_int_eq(store_arith(th, &k, &how, T0, &n), STORE_EXISTS);
    close_store();
}
END_TEST

START_TEST(flushes_now_and_later)
{
    open_default();
    set("k", "1");
    store_flush(th, 0, T0);
    ck_assert_ptr_null(value_at("k", T0));
    set("k", "2");
    ck_assert_str_eq(value_at("k", T0), "2");
    store_flush(th, T0 + 100, T0);
    ck_assert_str_eq(value_at("k", T0 + 99), "2");
    ck_assert_ptr_null(value_at("k", T0 + 100));
    struct store_write w = {0};
    write_at("k", "3", &w, T0 + 101, NULL);
    ck_assert_str_eq(value_at("k", T0 + 102), "3");
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_GET_FLUSHED), 2);
    close_store();
}
END_TEST

START_TEST(sweeps_the_dead)
{
    open_default();
    fill(3000, 10);
    struct store_write w = {.expiry_ms = T0 + 10};
    char key[32];
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof(key), "brief%u", i);
        write_at(key, "v", &w, T0, NULL);
    }
    unsigned freed = 0;
    for (int i = 0; i < 400; i++) {
        freed += store_sweep(th, (unsigned)i % 3, 3, 200, T0 + 10);
    }
    ck_assert_uint_eq(freed, 3000);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 3000);
    close_store();
}
END_TEST

static void
note_visit(void *arg, const struct store_view *view)
{
    unsigned char *seen = arg;
    unsigned i;
    char key[32] = {0};
    memcpy(key, view->key.ptr, view->key.len);
    if (sscanf(key, "fill%u", &i) == 1) {
        seen[i]++;
    }
}

/* Half of each segment is dead then, and what lives moves together. */
START_TEST(sweeps_move_what_lives_by_little)
{
    enum { ITEMS = 2000, SLICES = 3 * 8192 };
    open_default();
    fill(ITEMS, 300);
    for (unsigned i = 0; i < ITEMS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "fill%u", i);
        struct store_key k = key_of(key);
        if (i % 3 != 0) {
            ck_assert_int_eq(store_delete(th, &k, NULL, T0), STORE_OK);
        }
    }
    uint64_t before = store_info(st).memory_bytes, effort = store_effort(th);
    for (int i = 0; i < 500; i++) {
        store_sweep(th, 0, 1, 50, T0);
        ck_assert_uint_le(store_effort(th) - effort, SLICES);
        effort = store_effort(th);
    }
    ck_assert_uint_le(store_info(st).memory_bytes, before * 3 / 4);
    close_store();
}
END_TEST

START_TEST(walks_all_while_the_table_grows)
{
    open_default();
    static unsigned char seen[500];
    fill(500, 10);
    uint64_t cursor = 0;
    unsigned more = 0;
    char key[32];
    while (store_walk(th, &cursor, 10, T0, note_visit, seen)) {
        for (int i = 0; i < 100 && more < 5000; i++) {
            snprintf(key, sizeof(key), "more%u", more++);
            set(key, "v");
        }
    }
    for (unsigned i = 0; i < 500; i++) {
        ck_assert_int_eq(seen[i], 1);
    }
    ck_assert_uint_ge(store_info(st).table_bits, 9);
    close_store();
}
END_TEST

START_TEST(finds_all_after_growing)
{
    open_default();
    fill(50000, 8);
    char key[32];
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(key, sizeof(key), "fill%u", i);
        ck_assert_ptr_nonnull(value_at(key, T0));
    }
    close_store();
}
END_TEST

START_TEST(without_cas_nothing_matches)
{
    struct store_options options = {
        .memory_bytes = 64 * MB, .item_max_bytes = MB, .concurrency = 1, .evict = true};
    st = store_create(&options);
    th = store_join(st);
    set("k", "v");
    ck_assert_uint_eq(cas_of("k"), 0);
    struct store_write w = {.compare = true};
    ck_assert_int_eq(write_at("k", "x", &w, T0, NULL), STORE_EXISTS);
    close_store();
}
END_TEST

UNIT_MAIN("store_change", deletes_and_marks, drops_a_value_and_keeps_the_expiry, counts,
          counts_only_numbers, counting_leaves_a_reader_its_value, counting_keeps_the_stale_mark,
          counters_can_be_made, flushes_now_and_later, sweeps_the_dead,
          sweeps_move_what_lives_by_little, walks_all_while_the_table_grows,
          finds_all_after_growing, without_cas_nothing_matches)
