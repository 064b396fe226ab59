#include "cached/store/store.h"
#include "common/proto/exptime.h"
#include "t/unit/unit.h"

/* A store in which nothing looks anything up on its own: a flush to come must
 * count from its point in time, whatever the first call after it is. */
static struct store *st;
static struct store_thread *th;

static void
begin(void)
{
    struct store_options options = {.memory_bytes = 4 << 20,
                                    .item_max_bytes = 1 << 20,
                                    .concurrency = 1,
                                    .evict = true,
                                    .cas = true};
    st = store_create(&options);
    th = store_join(st);
}

static void
put(const char *key, uint64_t now_ms)
{
    struct store_key k = store_key(span_cstr(key));
    struct store_reservation r;
    struct store_written written;
    struct store_write w = {.mode = STORE_SET};
    ck_assert_int_eq(store_reserve(th, &k, 1, &w, now_ms, &r), STORE_OK);
    r.value[0] = 'v';
    ck_assert_int_eq(store_commit(th, &r, &w, now_ms, &written), STORE_OK);
}

static bool
has(const char *key, uint64_t now_ms)
{
    struct store_key k = store_key(span_cstr(key));
    struct store_view view;
    bool found = store_get(th, &k, NULL, now_ms, &view) == STORE_OK;
    if (found) {
        store_release(th, &view.item);
    }
    return found;
}

START_TEST(a_flush_removes_what_was_there)
{
    begin();
    put("a", 1000);
    store_flush(th, 1000, 1000);
    ck_assert(!has("a", 1000));
    put("a", 1000);
    ck_assert(has("a", 1000));
    store_destroy(&st);
}
END_TEST

START_TEST(a_flush_to_come_waits_for_its_time)
{
    begin();
    put("a", 1000);
    store_flush(th, 2000, 1000);
    put("b", 1500);
    ck_assert(has("a", 1999));
    ck_assert(!has("a", 2000));
    ck_assert(!has("b", 2000));
    store_destroy(&st);
}
END_TEST

START_TEST(what_is_stored_after_the_point_stays)
{
    begin();
    store_flush(th, 2000, 1000);
    put("a", 2000);
    ck_assert(has("a", 2001));
    store_destroy(&st);
}
END_TEST

START_TEST(a_flush_that_is_due_is_not_replaced)
{
    begin();
    put("a", 1000);
    store_flush(th, 2000, 1000);
    store_flush(th, 9000, 3000);
    ck_assert(!has("a", 3001));
    store_destroy(&st);
}
END_TEST

START_TEST(a_later_call_replaces_a_flush_to_come)
{
    begin();
    put("a", 1000);
    store_flush(th, 2000, 1000);
    store_flush(th, 9000, 1500);
    ck_assert(has("a", 8999));
    ck_assert(!has("a", 9000));
    store_destroy(&st);
}
END_TEST

UNIT_MAIN("store_flush", a_flush_removes_what_was_there, a_flush_to_come_waits_for_its_time,
          what_is_stored_after_the_point_stays, a_flush_that_is_due_is_not_replaced,
          a_later_call_replaces_a_flush_to_come)
