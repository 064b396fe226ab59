/* The store's steps that write a value or read one. */
#include "t/unit/store_steps.h"

START_TEST(stores_by_mode)
{
    open_default();
    ck_assert_int_eq(set_mode("k", "x", STORE_REPLACE), STORE_NOT_STORED);
    ck_assert_int_eq(set_mode("k", "x", STORE_APPEND), STORE_NOT_STORED);
    ck_assert_int_eq(set_mode("k", "x", STORE_PREPEND), STORE_NOT_STORED);
    ck_assert_ptr_null(value_at("k", T0));
    ck_assert_int_eq(set_mode("k", "b", STORE_ADD), STORE_OK);
    ck_assert_int_eq(set_mode("k", "x", STORE_ADD), STORE_NOT_STORED);
    ck_assert_int_eq(set_mode("k", "c", STORE_APPEND), STORE_OK);
    ck_assert_int_eq(set_mode("k", "a", STORE_PREPEND), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "abc");
    ck_assert_int_eq(set_mode("k", "r", STORE_REPLACE), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "r");
    ck_assert_int_eq(set("k", ""), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "");
    close_store();
}
END_TEST

static enum store_outcome
put_one(struct span value, uint64_t flags, uint64_t expiry_ms, uint64_t now_ms)
{
    struct store_key k = key_of("k");
    struct store_put put = {.value = value, .flags = flags, .expiry_ms = expiry_ms};
    put_all(&k, &put, 1, now_ms);
    return put.outcome;
}

/* In one step, what reserving and committing does in two. */
START_TEST(sets_what_is_at_hand)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_view view;
    ck_assert_int_eq(put_one(SPAN_LIT("one"), 0, 0, T0), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "one");
    uint64_t cas = cas_of("k");
    ck_assert_int_eq(put_one(SPAN_LIT(""), 5000000000, T0 + 50, T0), STORE_OK);
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.flags, 5000000000);
    ck_assert_uint_eq(view.expiry_ms, T0 + 50);
    ck_assert_uint_eq(view.value.len, 0);
    ck_assert_uint_gt(view.cas, cas);
    store_release(th, &view.item);
    ck_assert_ptr_null(value_at("k", T0 + 50));
    ck_assert_int_eq(put_one(SPAN_LIT("two"), 0, 0, T0 + 50), STORE_OK);
    ck_assert_str_eq(value_at("k", T0 + 50), "two");
    store_flush(th, 0, T0 + 50);
    ck_assert_int_eq(put_one(SPAN_LIT("three"), 1, 0, T0 + 50), STORE_OK);
    ck_assert_str_eq(value_at("k", T0 + 50), "three");
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 1);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS_TOTAL), 4);
    static char large[MB];
    ck_assert_int_eq(put_one(span_make(large, MB), 0, 0, T0), STORE_TOO_LARGE);
    ck_assert_ptr_null(value_at("k", T0 + 50));
    close_store();
}
END_TEST

START_TEST(append_keeps_flags_and_expiry)
{
    open_default();
    struct store_write first = {.flags = 9, .expiry_ms = T0 + 50};
    struct store_write more = {.mode = STORE_APPEND, .flags = 1, .expiry_ms = T0 + 5000};
    struct store_written written;
    ck_assert_int_eq(write_at("k", "ab", &first, T0, NULL), STORE_OK);
    ck_assert_int_eq(write_at("k", "c", &more, T0, &written), STORE_OK);
    ck_assert_uint_eq(written.value_bytes, 3);
    struct store_key k = key_of("k");
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.flags, 9);
    ck_assert_uint_eq(view.expiry_ms, T0 + 50);
    ck_assert_uint_eq(view.cas, written.cas);
    store_release(th, &view.item);
    close_store();
}
END_TEST

START_TEST(append_can_vivify)
{
    open_default();
    struct store_write w = {.mode = STORE_APPEND, .vivify = true, .vivify_expiry_ms = T0 + 10};
    ck_assert_int_eq(write_at("k", "v", &w, T0, NULL), STORE_OK);
    ck_assert_str_eq(value_at("k", T0 + 9), "v");
    ck_assert_ptr_null(value_at("k", T0 + 10));
    close_store();
}
END_TEST

START_TEST(compares_and_sets)
{
    open_default();
    struct store_write w = {.compare = true, .compare_cas = 1};
    ck_assert_int_eq(write_at("k", "v", &w, T0, NULL), STORE_NOT_FOUND);
    set("k", "old");
    w.compare_cas = cas_of("k") + 1;
    ck_assert_int_eq(write_at("k", "v", &w, T0, NULL), STORE_EXISTS);
    ck_assert_str_eq(value_at("k", T0), "old");
    w.compare_cas = cas_of("k");
    struct store_written written;
    ck_assert_int_eq(write_at("k", "new", &w, T0, &written), STORE_OK);
    ck_assert_uint_gt(written.cas, w.compare_cas);
    ck_assert_uint_eq(cas_of("k"), written.cas);
    w.has_new_cas = true;
    w.new_cas = 123456;
    w.compare_cas = written.cas;
    ck_assert_int_eq(write_at("k", "newer", &w, T0, NULL), STORE_OK);
    ck_assert_uint_eq(cas_of("k"), 123456);
    close_store();
}
END_TEST

START_TEST(append_compares)
{
    open_default();
    set("k", "a");
    struct store_write w = {.mode = STORE_APPEND, .compare = true, .compare_cas = cas_of("k") + 9};
    ck_assert_int_eq(write_at("k", "b", &w, T0, NULL), STORE_EXISTS);
    w.compare_cas = cas_of("k");
    ck_assert_int_eq(write_at("k", "b", &w, T0, NULL), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "ab");
    close_store();
}
END_TEST

START_TEST(outdated_write_is_kept_as_stale)
{
    open_default();
    struct store_write first = {.expiry_ms = T0 + 77};
    write_at("k", "old", &first, T0, NULL);
    struct store_write w = {
        .compare = true, .compare_cas = cas_of("k") - 1, .stale_if_older = true};
    ck_assert_int_eq(write_at("k", "outdated", &w, T0, NULL), STORE_OK);
    struct store_key k = key_of("k");
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert(view.stale && !view.won && !view.taken);
    ck_assert_uint_eq(view.expiry_ms, T0 + 77);
    store_release(th, &view.item);
    w.compare_cas = cas_of("k") + 1;
    ck_assert_int_eq(write_at("k", "future", &w, T0, NULL), STORE_EXISTS);
    close_store();
}
END_TEST

START_TEST(expires)
{
    open_default();
    struct store_write w = {.expiry_ms = T0 + 100};
    write_at("k", "v", &w, T0, NULL);
    ck_assert_str_eq(value_at("k", T0 + 99), "v");
    ck_assert_ptr_null(value_at("k", T0 + 100));
    w.expiry_ms = EXPIRES_AT_ONCE;
    ck_assert_int_eq(write_at("k", "v", &w, T0, NULL), STORE_OK);
    ck_assert_ptr_null(value_at("k", T0));
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_GET_EXPIRED), 2);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_EXPIRED_UNFETCHED), 1);
    close_store();
}
END_TEST

START_TEST(touches)
{
    open_default();
    struct store_key k = key_of("k");
    ck_assert_int_eq(store_touch(th, &k, T0 + 5, T0), STORE_NOT_FOUND);
    set("k", "v");
    ck_assert_int_eq(store_touch(th, &k, T0 + 5, T0), STORE_OK);
    struct store_lookup how = {.touch = true, .touch_expiry_ms = T0 + 9};
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, &how, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.expiry_before_ms, T0 + 5);
    ck_assert_uint_eq(view.expiry_ms, T0 + 9);
    store_release(th, &view.item);
    ck_assert_str_eq(value_at("k", T0 + 8), "v");
    ck_assert_ptr_null(value_at("k", T0 + 9));
    close_store();
}
END_TEST

START_TEST(a_reference_outlives_the_key)
{
    open_default();
    set("k", "first");
    struct store_key k = key_of("k");
    struct store_view view;
    store_get(th, &k, NULL, T0, &view);
    set("k", "second");
    store_delete(th, &k, NULL, T0);
    ck_assert_mem_eq(view.value.ptr, "first", strlen("first"));
    ck_assert_mem_eq(view.key.ptr, "k", 1);
    store_release(th, &view.item);
    ck_assert_ptr_null(view.item);
    store_release(th, &view.item);
    close_store();
}
END_TEST

START_TEST(a_group_is_seen_at_once)
{
    open_default();
    set("a", "one");
    set("c", "three");
    struct store_key keys[] = {key_of("a"), key_of("b"), key_of("c"), key_of("a")};
    struct store_sight sights[4];
    store_enter(th);
    store_see(th, keys, 4, T0, sights);
    ck_assert_mem_eq(sights[0].value.ptr, "one", 3);
    ck_assert_ptr_null(sights[1].item);
    ck_assert_mem_eq(sights[2].value.ptr, "three", 5);
    ck_assert_ptr_eq(sights[3].item, sights[0].item);
    struct store_item *kept = store_keep(th, &sights[2]);
    store_leave(th);
    store_delete(th, &keys[2], NULL, T0);
    for (int i = 0; i < 200; i++) {
        store_sweep(th, 0, 1, 1000, T0);
    }
    ck_assert_mem_eq(sights[2].value.ptr, "three", 5);
    store_release(th, &kept);
    close_store();
}
END_TEST

/* Dead ones are found out under the lock, and counted as a lookup counts them. */
START_TEST(the_dead_are_not_seen)
{
    open_default();
    struct store_write write = {.expiry_ms = T0 + 10};
    write_at("k", "v", &write, T0, NULL);
    struct store_key key = key_of("k");
    struct store_sight sight;
    store_enter(th);
    store_see(th, &key, 1, T0 + 9, &sight);
    ck_assert_ptr_nonnull(sight.item);
    store_see(th, &key, 1, T0 + 10, &sight);
    ck_assert_ptr_null(sight.item);
    store_leave(th);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_GET_EXPIRED), 1);
    set("k", "w");
    store_flush(th, 0, T0);
    check_seen(&key, T0, NULL);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_GET_FLUSHED), 1);
    close_store();
}
END_TEST

/* What must be done or waited for is not done, and said to be so. */
START_TEST(a_token_is_not_handed_out_by_a_look)
{
    open_default();
    struct store_write write = {.flags = 5, .expiry_ms = T0 + 90, .binary_key = true};
    struct store_removal mark = {.mark_stale = true};
    struct store_lookup how = {0};
    struct store_key keys[] = {key_of("none"), key_of("k")};
    struct store_sight sights[2];
    struct store_view view;
    write_at("k", "value", &write, T0, NULL);
    store_enter(th);
    store_see_meta(th, keys, 2, T0, sights);
    ck_assert(!sights[0].unsure && sights[0].item == NULL && !sights[1].unsure);
    ck_assert_mem_eq(sights[1].value.ptr, "value", 5);
    ck_assert_uint_eq(sights[1].flags, 5);
    ck_assert_uint_eq(sights[1].expiry_ms, T0 + 90);
    ck_assert(sights[1].binary_key && !sights[1].stale && !sights[1].taken);
    store_leave(th);
    store_delete(th, &keys[1], &mark, T0);
    store_enter(th);
    store_see_meta(th, keys, 2, T0, sights);
    ck_assert(!sights[0].unsure && sights[1].unsure);
    store_leave(th);
    ck_assert_int_eq(store_get(th, &keys[1], &how, T0, &view), STORE_OK);
    ck_assert(view.won);
    store_release(th, &view.item);
    store_enter(th);
    store_see_meta(th, keys, 2, T0, sights);
    ck_assert(!sights[1].unsure && sights[1].stale && sights[1].taken);
    store_see_meta(th, keys, 2, T0 + 90, sights);
    ck_assert(sights[1].unsure);
    store_leave(th);
    ck_assert_ptr_nonnull(value_at("k", T0));
    close_store();
}
END_TEST

START_TEST(views_tell_what_was_before)
{
    open_default();
    set("k", "v");
    struct store_key k = key_of("k");
    struct store_lookup peek = {.peek = true};
    struct store_view view;
    store_get(th, &k, &peek, T0 + 100, &view);
    ck_assert(!view.fetched);
    ck_assert_uint_eq(view.accessed_ms / 1000, T0 / 1000);
    ck_assert_uint_eq(view.flags, 7);
    store_release(th, &view.item);
    store_get(th, &k, NULL, T0 + 3000, &view);
    ck_assert(!view.fetched);
    ck_assert_uint_eq(view.accessed_ms / 1000, T0 / 1000);
    store_release(th, &view.item);
    store_get(th, &k, &peek, T0 + 5500, &view);
    ck_assert(view.fetched);
    ck_assert_uint_eq(view.accessed_ms / 1000, (T0 + 3000) / 1000);
    store_release(th, &view.item);
    close_store();
}
END_TEST

START_TEST(one_caller_wins_the_refill)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_lookup how = {.vivify = true, .vivify_expiry_ms = T0 + 30};
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, &how, T0, &view), STORE_OK);
    ck_assert(view.made && view.won && !view.taken);
    ck_assert_uint_eq(view.value.len, 0);
    store_release(th, &view.item);
    ck_assert_int_eq(store_get(th, &k, &how, T0, &view), STORE_OK);
    ck_assert(!view.made && !view.won && view.taken);
    store_release(th, &view.item);
    ck_assert_ptr_null(value_at("k", T0 + 30));
    close_store();
}
END_TEST

START_TEST(recache_hands_out_the_token_once)
{
    open_default();
    struct store_write w = {.expiry_ms = T0 + 100};
    write_at("k", "v", &w, T0, NULL);
    struct store_key k = key_of("k");
    struct store_lookup how = {.recache = true, .recache_before_ms = T0 + 100};
    struct store_view view;
    store_get(th, &k, &how, T0, &view);
    ck_assert(!view.won && !view.taken);
    store_release(th, &view.item);
    how.recache_before_ms++;
    store_get(th, &k, &how, T0, &view);
    ck_assert(view.won && !view.taken);
    store_release(th, &view.item);
    store_get(th, &k, &how, T0, &view);
    ck_assert(!view.won && view.taken);
    store_release(th, &view.item);
    close_store();
}
END_TEST

UNIT_MAIN("store", stores_by_mode, sets_what_is_at_hand, append_keeps_flags_and_expiry,
          append_can_vivify, compares_and_sets, append_compares, outdated_write_is_kept_as_stale,
          expires, touches, a_reference_outlives_the_key, a_group_is_seen_at_once,
          the_dead_are_not_seen, a_token_is_not_handed_out_by_a_look, views_tell_what_was_before,
          one_caller_wins_the_refill, recache_hands_out_the_token_once)
