/* The store's steps, one at a time and with a made-up clock. */
#include "cached/store/store.h"
#include "common/proto/exptime.h"
#include "config.h"
#include "t/unit/unit.h"

#include <stdio.h>

#define MB (1024u * 1024u)
#define T0 1000u

static struct store *st;
static struct store_thread *th;
static const struct store_write plain;

static void
open_store(uint64_t memory, bool evict)
{
    struct store_options options = {.memory_bytes = memory,
                                    .item_max_bytes = MB,
                                    .concurrency = 1,
                                    .evict = evict,
                                    .cas = true};
    st = store_create(&options);
    th = store_join(st);
}

static void
open_default(void)
{
    open_store(64 * MB, true);
}

static struct store_key
key_of(const char *text)
{
    return store_key(span_cstr(text));
}

static enum store_outcome
write_at(const char *key, const char *value, const struct store_write *write, uint64_t now_ms,
         struct store_written *out)
{
    struct store_key k = key_of(key);
    struct store_reservation r;
    enum store_outcome outcome = store_reserve(th, &k, strlen(value), write, now_ms, &r);
    if (outcome != STORE_OK) {
        return outcome;
    }
    memcpy(r.value, value, strlen(value));
    struct store_written ignored;
    return store_commit(th, &r, write, now_ms, out != NULL ? out : &ignored);
}

static enum store_outcome
set(const char *key, const char *value)
{
    struct store_write write = {.flags = 7};
    return write_at(key, value, &write, T0, NULL);
}

static enum store_outcome
set_mode(const char *key, const char *value, enum store_mode mode)
{
    struct store_write write = {.mode = mode};
    return write_at(key, value, &write, T0, NULL);
}

/* A lookup without a reference must say the same. */
static void
check_seen(const struct store_key *key, uint64_t now_ms, const struct store_view *view)
{
    struct store_sight sight;
    store_enter(th);
    unsigned found = store_see(th, key, 1, now_ms, &sight);
    ck_assert_uint_eq(found, view != NULL);
    ck_assert((sight.item != NULL) == (view != NULL));
    if (view != NULL) {
        ck_assert_mem_eq(sight.value.ptr, view->value.ptr, view->value.len);
        ck_assert_uint_eq(sight.value.len, view->value.len);
        ck_assert_uint_eq(sight.flags, view->flags);
        ck_assert_uint_eq(sight.cas, view->cas);
    }
    store_leave(th);
}

/* The value at a time, or NULL. */
static const char *
value_at(const char *key, uint64_t now_ms)
{
    static char text[2048];
    struct store_key k = key_of(key);
    struct store_view view;
    if (store_get(th, &k, NULL, now_ms, &view) != STORE_OK) {
        check_seen(&k, now_ms, NULL);
        return NULL;
    }
    check_seen(&k, now_ms, &view);
    ck_assert_int_lt(view.value.len, sizeof(text));
    memcpy(text, view.value.ptr, view.value.len);
    text[view.value.len] = '\0';
    if (view.value.len >= STORE_TRAILED_FROM) {
        ck_assert_mem_eq(view.value.ptr + view.value.len, "\r\n", STORE_TRAILER_BYTES);
    }
    store_release(th, &view.item);
    return text;
}

static uint64_t
cas_of(const char *key)
{
    struct store_key k = key_of(key);
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    uint64_t cas = view.cas;
    store_release(th, &view.item);
    return cas;
}

/* The counts by size add up to the counts of all. */
static void
check_bands(void)
{
    struct store_band bands[STORE_BANDS], all = {0};
    store_bands(st, bands);
    for (unsigned b = 0; b < STORE_BANDS; b++) {
#define X(field) all.field += bands[b].field;
        STORE_BAND_COUNTS(X)
#undef X
    }
    const struct metric_set *metrics = store_metrics(st);
    ck_assert_uint_eq(all.items, metric_sum(metrics, METRIC_ID_STORE_ITEMS));
    ck_assert_uint_eq(all.item_bytes, metric_sum(metrics, METRIC_ID_STORE_ITEM_BYTES));
    ck_assert_uint_eq(all.stored, metric_sum(metrics, METRIC_ID_STORE_ITEMS_TOTAL));
    ck_assert_uint_eq(all.evictions, metric_sum(metrics, METRIC_ID_STORE_EVICTIONS));
    ck_assert_uint_eq(all.evicted_unfetched,
                      metric_sum(metrics, METRIC_ID_STORE_EVICTED_UNFETCHED));
    ck_assert_uint_eq(all.expired_unfetched,
                      metric_sum(metrics, METRIC_ID_STORE_EXPIRED_UNFETCHED));
    ck_assert_uint_eq(all.reclaimed, metric_sum(metrics, METRIC_ID_STORE_RECLAIMED));
    ck_assert_uint_eq(all.swept, metric_sum(metrics, METRIC_ID_STORE_SWEPT));
}

/* Closing finds every leak of memory accounts: what is left are the tables. */
static void
close_store(void)
{
    check_bands();
    store_flush(th, 0, T0);
    for (int i = 0; i < 10000 && store_info(st).memory_bytes > store_info(st).table_bytes; i++) {
        store_sweep(th, 0, 1, 1000, T0);
    }
    struct store_info info = store_info(st);
    ck_assert_uint_eq(info.memory_bytes, info.table_bytes);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 0);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEM_BYTES), 0);
    check_bands();
    store_destroy(&st);
    ck_assert_ptr_null(st);
}

static struct store_band
band_at(unsigned band)
{
    struct store_band bands[STORE_BANDS];
    store_bands(st, bands);
    return bands[band];
}

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

/* In one step, what reserving and committing does in two. */
START_TEST(sets_what_is_at_hand)
{
    open_default();
    struct store_key k = key_of("k");
    struct store_view view;
    ck_assert_int_eq(store_set(th, &k, SPAN_LIT("one"), 0, 0, T0), STORE_OK);
    ck_assert_str_eq(value_at("k", T0), "one");
    uint64_t cas = cas_of("k");
    ck_assert_int_eq(store_set(th, &k, SPAN_LIT(""), 5000000000, T0 + 50, T0), STORE_OK);
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.flags, 5000000000);
    ck_assert_uint_eq(view.expiry_ms, T0 + 50);
    ck_assert_uint_eq(view.value.len, 0);
    ck_assert_uint_gt(view.cas, cas);
    store_release(th, &view.item);
    ck_assert_ptr_null(value_at("k", T0 + 50));
    ck_assert_int_eq(store_set(th, &k, SPAN_LIT("two"), 0, 0, T0 + 50), STORE_OK);
    ck_assert_str_eq(value_at("k", T0 + 50), "two");
    store_flush(th, 0, T0 + 50);
    ck_assert_int_eq(store_set(th, &k, SPAN_LIT("three"), 1, 0, T0 + 50), STORE_OK);
    ck_assert_str_eq(value_at("k", T0 + 50), "three");
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 1);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS_TOTAL), 4);
    static char large[MB];
    ck_assert_int_eq(store_set(th, &k, span_make(large, MB), 0, 0, T0), STORE_TOO_LARGE);
    ck_assert_str_eq(value_at("k", T0 + 50), "three");
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
    ck_assert_uint_eq(store_see(th, keys, 4, T0, sights), 3);
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
    ck_assert_uint_eq(store_see(th, &key, 1, T0 + 9, &sight), 1);
    ck_assert_uint_eq(store_see(th, &key, 1, T0 + 10, &sight), 0);
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

static void
fill(unsigned count, size_t value_bytes)
{
    char key[32];
    char *value = calloc(1, value_bytes + 1);
    memset(value, 'v', value_bytes);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "fill%u", i);
        set(key, value);
    }
    free(value);
}

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

START_TEST(a_lower_limit_is_worked_off)
{
    open_store(8 * MB, true);
    fill(6000, 1000);
    store_set_memory_limit(st, 2 * MB);
    for (int i = 0; i < 200; i++) {
        store_sweep(th, 0, 1, 100, T0);
    }
    ck_assert_uint_le(store_info(st).memory_bytes, 2 * MB);
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

UNIT_MAIN("store", items_are_counted_by_size, stores_by_mode, sets_what_is_at_hand,
          append_keeps_flags_and_expiry, append_can_vivify, compares_and_sets, append_compares,
          outdated_write_is_kept_as_stale, expires, touches, a_reference_outlives_the_key,
          a_group_is_seen_at_once, the_dead_are_not_seen, views_tell_what_was_before,
          one_caller_wins_the_refill, recache_hands_out_the_token_once, deletes_and_marks,
          drops_a_value_and_keeps_the_expiry, counts, counts_only_numbers,
          counting_leaves_a_reader_its_value, counting_keeps_the_stale_mark, counters_can_be_made,
          flushes_now_and_later, refuses_what_never_fits, keeps_the_memory_limit,
          makes_room_for_its_table, a_vivify_without_memory_is_a_miss, keeps_what_is_used,
          evictions_are_told, without_eviction_says_so, does_not_evict_for_what_can_never_fit,
          does_not_evict_what_is_being_read, no_write_works_a_lower_limit_off_alone,
          a_lower_limit_is_worked_off, sweeps_the_dead, walks_all_while_the_table_grows,
          finds_all_after_growing, without_cas_nothing_matches)
