/* Appending to long values in pieces: how much each step does, and what becomes of it when the
 * value changes meanwhile. */
#include "t/unit/store_steps.h"

#define LONG_BYTES  900000u
#define PIECE_BYTES 1000u
#define STEP_MAX    (2 * STORE_PIECE_BYTES) /* of effort: taking room counts too */

static char old_value[LONG_BYTES], wanted[LONG_BYTES + PIECE_BYTES];

static struct store_reservation
reserve(const char *key, size_t bytes, char fill, const struct store_write *w)
{
    struct store_key k = key_of(key);
    struct store_reservation r;
    ck_assert_int_eq(store_reserve(th, &k, bytes, w, T0, &r), STORE_OK);
    memset(r.value, fill, bytes);
    return r;
}

static void
set_long(char first)
{
    struct store_reservation r = reserve("k", LONG_BYTES, 'x', &plain);
    struct store_written out;
    for (unsigned i = 0; i < LONG_BYTES; i++) {
        r.value[i] = old_value[i] = (char)(first + i % 20);
    }
    ck_assert_int_eq(store_commit(th, &r, &plain, T0, &out), STORE_OK);
}

static bool
step(struct store_reservation *r, const struct store_write *w)
{
    uint64_t before = store_effort(th);
    bool done = store_join_some(th, r, w, T0);
    ck_assert_uint_le(store_effort(th) - before, STEP_MAX);
    return done;
}

static enum store_outcome
finish(struct store_reservation *r, const struct store_write *w)
{
    struct store_written out;
    uint64_t before = store_effort(th);
    enum store_outcome outcome = store_commit(th, r, w, T0, &out);
    ck_assert_uint_eq(store_effort(th) - before, 0);
    ck_assert(outcome != STORE_OK || out.value_bytes == LONG_BYTES + PIECE_BYTES);
    return outcome;
}

static void
expect_joined(enum store_mode mode)
{
    struct store_key k = key_of("k");
    struct store_view view;
    memset(wanted, '+', sizeof(wanted));
    memcpy(mode == STORE_APPEND ? wanted : wanted + PIECE_BYTES, old_value, LONG_BYTES);
    ck_assert_int_eq(store_get(th, &k, NULL, T0, &view), STORE_OK);
    ck_assert_uint_eq(view.value.len, sizeof(wanted));
    ck_assert_mem_eq(view.value.ptr, wanted, sizeof(wanted));
    store_release(th, &view.item);
}

START_TEST(a_long_value_is_joined_in_pieces)
{
    static const enum store_mode modes[] = {STORE_APPEND, STORE_PREPEND};
    for (int i = 0; i < 2; i++) {
        open_default();
        set_long('a');
        struct store_write w = {.mode = modes[i]};
        struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
        unsigned steps = 1;
        while (!step(&r, &w)) {
            steps++;
        }
        ck_assert_uint_ge(steps, LONG_BYTES / STORE_PIECE_BYTES);
        ck_assert_uint_le(steps, LONG_BYTES / STORE_PIECE_BYTES + 5);
        ck_assert_int_eq(finish(&r, &w), STORE_OK);
        expect_joined(modes[i]);
        close_store();
    }
}
END_TEST

/* One that did not change meanwhile counts. */
START_TEST(a_value_that_changes_is_joined_anew)
{
    open_default();
    set_long('a');
    struct store_write w = {.mode = STORE_APPEND};
    struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
    for (int i = 0; i < 5; i++) {
        ck_assert(!step(&r, &w));
    }
    set_long('A');
    while (!step(&r, &w)) {
    }
    ck_assert_int_eq(finish(&r, &w), STORE_OK);
    expect_joined(STORE_APPEND);
    close_store();
}
END_TEST

START_TEST(a_value_that_always_changes_is_joined_at_last)
{
    open_default();
    set_long('a');
    struct store_write w = {.mode = STORE_PREPEND};
    struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
    unsigned steps = 0;
    while (!step(&r, &w)) {
        set_long((char)('a' + steps++ % 5));
        ck_assert_uint_lt(steps, 1000);
    }
    struct store_written out;
    ck_assert_int_eq(store_commit(th, &r, &w, T0, &out), STORE_OK);
    expect_joined(STORE_PREPEND);
    close_store();
}
END_TEST

START_TEST(a_value_that_goes_is_not_joined)
{
    open_default();
    set_long('a');
    struct store_key k = key_of("k");
    struct store_write w = {.mode = STORE_APPEND};
    struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
    ck_assert(!step(&r, &w) && !step(&r, &w) && !step(&r, &w));
    ck_assert_int_eq(store_delete(th, &k, NULL, T0), STORE_OK);
    while (!step(&r, &w)) {
    }
    ck_assert_int_eq(finish(&r, &w), STORE_NOT_STORED);
    close_store();
}
END_TEST

START_TEST(so_is_a_long_one_that_comes_to_a_short_one)
{
    open_default();
    struct store_write w = {.mode = STORE_APPEND};
    set("k", "short");
    struct store_reservation r = reserve("k", LONG_BYTES, '+', &w);
    while (!step(&r, &w)) {
    }
    struct store_written out;
    uint64_t before = store_effort(th);
    ck_assert_int_eq(store_commit(th, &r, &w, T0, &out), STORE_OK);
    ck_assert_uint_eq(store_effort(th), before);
    ck_assert_uint_eq(out.value_bytes, LONG_BYTES + 5);
    close_store();
}
END_TEST

START_TEST(who_gives_up_leaves_nothing)
{
    open_default();
    set_long('a');
    struct store_write w = {.mode = STORE_APPEND};
    struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
    ck_assert(!step(&r, &w) && !step(&r, &w) && !step(&r, &w));
    store_abandon(th, &r);
    close_store();
}
END_TEST

START_TEST(short_ones_and_what_is_refused_take_no_steps)
{
    open_default();
    struct store_write w = {.mode = STORE_APPEND};
    set("k", "short");
    struct store_reservation r = reserve("k", PIECE_BYTES, '+', &w);
    ck_assert(step(&r, &w));
    store_abandon(th, &r);
    set_long('a');
    w = (struct store_write){.mode = STORE_APPEND, .compare = true, .compare_cas = 1};
    r = reserve("k", PIECE_BYTES, '+', &w);
    ck_assert(step(&r, &w));
    ck_assert_int_eq(finish(&r, &w), STORE_EXISTS);
    r = reserve("k", PIECE_BYTES, '+', &plain);
    ck_assert(step(&r, &plain));
    store_abandon(th, &r);
    close_store();
}
END_TEST

/* A flush that came in between makes no copy of it. */
START_TEST(a_long_value_from_before_a_flush_is_stored_where_it_is)
{
    open_default();
    struct store_reservation r = reserve("k", LONG_BYTES, 'v', &plain);
    struct store_written out;
    store_flush(th, 0, T0);
    uint64_t before = store_effort(th);
    ck_assert_int_eq(store_commit(th, &r, &plain, T0, &out), STORE_OK);
    ck_assert_uint_eq(store_effort(th), before);
    ck_assert_uint_eq(cas_of("k"), out.cas);
    store_flush(th, 0, T0);
    ck_assert_ptr_null(value_at("k", T0));
    close_store();
}
END_TEST

UNIT_MAIN("store_join", a_long_value_is_joined_in_pieces, a_value_that_changes_is_joined_anew,
          a_value_that_always_changes_is_joined_at_last, a_value_that_goes_is_not_joined,
          so_is_a_long_one_that_comes_to_a_short_one, who_gives_up_leaves_nothing,
          short_ones_and_what_is_refused_take_no_steps,
          a_long_value_from_before_a_flush_is_stored_where_it_is)
