/* One holder at a time, whoever waits gets it, and nobody sleeps for ever. */
#include "common/core/lock.h"
#include "t/unit/unit.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4 };
#ifdef HAVE_SANITIZER
enum { ROUNDS = 20000 };
#else
enum { ROUNDS = 200000 };
#endif

static struct lock lock;
static uint64_t guarded; /* plain: the lock alone orders the additions */

static void *
add_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&lock);
        guarded++;
        lock_give(&lock);
    }
    return NULL;
}

START_TEST(one_at_a_time)
{
    pthread_t threads[THREADS];
    guarded = 0;
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_often, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(guarded, THREADS * ROUNDS);
    ck_assert_uint_eq(atomic_load(&lock.state), LOCK_FREE);
}
END_TEST

static void *
take_and_add(void *arg)
{
    lock_take(&lock);
    guarded++;
    lock_give(&lock);
    return NULL;
}

/* The holder keeps it until somebody goes to sleep. */
START_TEST(all_who_sleep_are_woken)
{
    pthread_t threads[THREADS];
    guarded = 0;
    lock_take(&lock);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_add, NULL), 0);
    }
    while (atomic_load(&lock.state) != LOCK_AWAITED) {
        usleep(1000);
    }
    ck_assert_uint_eq(guarded, 0);
    lock_give(&lock);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(guarded, THREADS);
}
END_TEST

UNIT_MAIN("lock", one_at_a_time, all_who_sleep_are_woken)
