/* When memory may be used again; and under threads that it is not before. */
#include "cached/store/epoch.h"
#include "config.h"
#include "t/unit/unit.h"

#include <pthread.h>

static struct epochs epochs;
static struct guard guards[2];

static void
begin(void)
{
    epochs_init(&epochs);
    for (int i = 0; i < 2; i++) {
        guards[i] = (struct guard){0};
        epochs_join(&epochs, &guards[i]);
    }
}

START_TEST(waits_for_those_inside)
{
    begin();
    ck_assert_uint_eq(epochs_oldest(&epochs), UINT64_MAX);
    guard_enter(&guards[0], &epochs);
    uint64_t retired = epochs_retire(&epochs);
    ck_assert_uint_le(epochs_oldest(&epochs), retired);
    guard_enter(&guards[1], &epochs); /* too late to see it */
    guard_leave(&guards[0]);
    ck_assert_uint_gt(epochs_oldest(&epochs), retired);
    guard_leave(&guards[1]);
}
END_TEST

START_TEST(holds_outlive_the_inside)
{
    begin();
    guard_enter(&guards[0], &epochs);
    guard_hold(&guards[0], 7);
    guard_hold(&guards[0], 7);
    guard_leave(&guards[0]);
    ck_assert(epochs_held(&epochs, 7));
    ck_assert(!epochs_held(&epochs, 8));
    guard_drop(&guards[0], 7);
    ck_assert(epochs_held(&epochs, 7));
    guard_drop(&guards[0], 7);
    ck_assert(!epochs_held(&epochs, 7));
}
END_TEST

/* One thread publishes memory, retires it, and overwrites it when it may; the
 * other reads it all the time. A slip is a torn value, or a race for the thread
 * sanitizer. */
#ifdef HAVE_SANITIZER
enum { ROUNDS = 20000 };
#else
enum { ROUNDS = 300000 };
#endif
enum { WORDS = 8 };

static uint64_t memory[2][WORDS];
static _Atomic(uint64_t *) path;
static _Atomic int done;

static void *
read_on(void *arg)
{
    uintptr_t torn = 0;
    while (!atomic_load(&done)) {
        guard_enter(&guards[1], &epochs);
        const uint64_t *seen = atomic_load_explicit(&path, memory_order_acquire);
        for (int i = 1; seen != NULL && i < WORDS; i++) {
            torn += seen[i] != seen[0];
        }
        guard_leave(&guards[1]);
    }
    return (void *)torn;
}

START_TEST(nothing_changes_under_a_reader)
{
    begin();
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_on, NULL), 0);
    uint64_t retired = 0;
    for (uint64_t round = 1; round < ROUNDS; round++) {
        uint64_t *next = memory[round % 2]; /* out of the way since the last round */
        while (epochs_oldest(&epochs) <= retired) {
        }
        for (int i = 0; i < WORDS; i++) {
            next[i] = round;
        }
        atomic_store_explicit(&path, next, memory_order_release);
        retired = epochs_retire(&epochs);
    }
    atomic_store(&done, 1);
    void *torn;
    pthread_join(reader, &torn);
    ck_assert_ptr_null(torn);
}
END_TEST

UNIT_MAIN("epoch", waits_for_those_inside, holds_outlive_the_inside, nothing_changes_under_a_reader)
