/* So many a second, and for a moment more. */
#include "common/core/token_bucket.h"
#include "t/unit/unit.h"

#include <pthread.h>

#define MS 1000000u
#define S  1000000000u

static struct token_bucket b;
static const struct token_rate rate = {.per_second = 100, .burst_ns = 50 * MS};

static unsigned
taken(uint64_t n, uint64_t now_ns, unsigned tries)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++) {
        count += token_bucket_take(&b, &rate, n, now_ns);
    }
    return count;
}

START_TEST(full_at_first_and_then_by_the_rate)
{
    uint64_t now = 1000ull * S;
    ck_assert_uint_eq(taken(1, now, 100), 5);
    ck_assert_uint_eq(taken(1, now, 100), 0);
    ck_assert_uint_eq(taken(1, now + 1 * MS, 100), 1); /* a part of one is left, and nine owed */
    ck_assert_uint_eq(taken(1, now + 10 * MS, 100), 0);
    ck_assert_uint_eq(taken(1, now + 11 * MS, 100), 1);
    ck_assert_uint_eq(taken(1, now + 3600ull * S, 100), 5); /* not more for having waited */
}
END_TEST

START_TEST(over_a_long_time_the_rate)
{
    uint64_t now = 1000ull * S;
    unsigned count = 0;
    for (unsigned i = 0; i < 10000; i++, now += MS) {
        count += taken(1, now, 3);
    }
    ck_assert_uint_ge(count, 1000);
    ck_assert_uint_le(count, 1005);
}
END_TEST

START_TEST(who_takes_much_owes)
{
    uint64_t now = 1000ull * S;
    ck_assert_uint_eq(taken(0, now, 100), 100);
    token_bucket_owe(&b, &rate, 100, now); /* a second's */
    ck_assert_uint_eq(taken(0, now + 949 * MS, 1), 0);
    ck_assert_uint_eq(taken(0, now + 951 * MS, 1), 1);
    ck_assert_uint_eq(taken(1000, now + 951 * MS, 2), 1); /* all or nothing, and all is asked for */
    ck_assert_uint_eq(taken(0, now + 10 * (uint64_t)S, 1), 0);
    ck_assert_uint_eq(taken(0, now + 11 * (uint64_t)S, 1), 1);
}
END_TEST

START_TEST(no_debt_is_for_ever)
{
    uint64_t now = 1000ull * S;
    for (unsigned i = 0; i < 10; i++) {
        token_bucket_owe(&b, &rate, UINT64_MAX, now);
    }
    ck_assert_uint_eq(taken(0, now + TOKEN_BUCKET_DEBT_NS - MS, 1), 0);
    ck_assert_uint_eq(taken(0, now + TOKEN_BUCKET_DEBT_NS + MS, 1), 1);
}
END_TEST

START_TEST(large_rates_are_counted)
{
    struct token_rate fast = {.per_second = 10ull * S, .burst_ns = S};
    uint64_t now = 1000ull * S;
    ck_assert(token_bucket_take(&b, &fast, 9ull * S, now));
    ck_assert(token_bucket_take(&b, &fast, 1ull * S, now));
    ck_assert(!token_bucket_take(&b, &fast, 1, now));
    struct token_rate none = {.per_second = 0};
    ck_assert(token_bucket_take(&b, &none, UINT64_MAX, now));
}
END_TEST

static void *
take_many(void *arg)
{
    unsigned *count = arg;
    for (unsigned i = 0; i < 100000; i++) {
        *count += taken(1, 1000ull * S + i / 1000 * MS, 1);
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    pthread_t threads[4];
    unsigned counts[4] = {0}, sum = 0;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &counts[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    ck_assert_uint_ge(sum, 5);
    ck_assert_uint_le(sum, 15); /* 99 ms, and what was there */
}
END_TEST

UNIT_MAIN("token_bucket", full_at_first_and_then_by_the_rate, over_a_long_time_the_rate,
          who_takes_much_owes, no_debt_is_for_ever, large_rates_are_counted, threads_share_it)
