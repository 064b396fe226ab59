/* store_steps.h - what the tests of the store's steps have in common: one store,
 * one thread, a made-up clock. Every test opens a store and closes it, which
 * finds what is not accounted for. */
#pragma once
#include "cached/store/store.h"
#include "common/proto/exptime.h"
#include "config.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MB (1024u * 1024u)
#define T0 1000u

static struct store *st;
static struct store_thread *th;
static const struct store_write plain;

static inline void
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

static inline void
open_default(void)
{
    open_store(64 * MB, true);
}

static inline struct store_key
key_of(const char *text)
{
    return store_key(span_cstr(text));
}

static inline enum store_outcome
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

/* All of them, however often they have to wait for room. */
static inline void
put_all(const struct store_key *keys, struct store_put *puts, unsigned count, uint64_t now_ms)
{
    uint64_t effort = 0;
    for (unsigned done = 0; done < count;) {
        done += store_put(th, keys + done, puts + done, count - done, &effort, now_ms);
    }
}

static inline enum store_outcome
set(const char *key, const char *value)
{
    struct store_write write = {.flags = 7};
    return write_at(key, value, &write, T0, NULL);
}

static inline enum store_outcome
set_mode(const char *key, const char *value, enum store_mode mode)
{
    struct store_write write = {.mode = mode};
    return write_at(key, value, &write, T0, NULL);
}

/* A lookup without a reference must say the same. */
static inline void
check_seen(const struct store_key *key, uint64_t now_ms, const struct store_view *view)
{
    struct store_sight sight;
    store_enter(th);
    store_see_cas(th, key, 1, now_ms, &sight);
    ck_assert((sight.item != NULL) == (view != NULL));
    if (view != NULL) {
        ck_assert_mem_eq(sight.value.ptr, view->value.ptr, view->value.len);
        ck_assert_uint_eq(sight.value.len, view->value.len);
        ck_assert_uint_eq(sight.flags, view->flags);
        ck_assert_uint_eq(sight.cas, view->cas);
    }
    struct store_sight less;
    store_see(th, key, 1, now_ms, &less);
    ck_assert_ptr_eq(less.item, sight.item);
    store_leave(th);
}

/* The value at a time, or NULL. */
static inline const char *
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

static inline uint64_t
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
static inline void
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
static inline void
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

static inline struct store_band
band_at(unsigned band)
{
    struct store_band bands[STORE_BANDS];
    store_bands(st, bands);
    return bands[band];
}

static inline void
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
