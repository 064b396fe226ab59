/* What is remembered of a ring is never another key's answer. */
#include "proxy/owner_cache.h"
#include "common/core/backoff.h"
#include "t/unit/unit.h"

#include <stdio.h>

static struct lookup_key
named(const char *name, uint64_t hash, unsigned pool)
{
    return (struct lookup_key){span_cstr(name), hash, pool};
}

START_TEST(only_the_same_key_is_remembered)
{
    struct owner_cache *c = owner_cache_create();
    struct lookup_key a = named("a", 5, 0), b = named("b", 5, 0), ab = named("ab", 5, 0);
    struct lookup_key other_pool = named("a", 5, 1);
    struct lookup_key other_hash = named("a", 5 + OWNER_CACHE_ENTRIES, 0);
    ck_assert_uint_eq(owner_cache_find(c, &a), OWNER_UNKNOWN);
    owner_cache_put(c, &a, 3);
    ck_assert_uint_eq(owner_cache_find(c, &a), 3);
    ck_assert_uint_eq(owner_cache_find(c, &b), OWNER_UNKNOWN);
    ck_assert_uint_eq(owner_cache_find(c, &ab), OWNER_UNKNOWN);
    ck_assert_uint_eq(owner_cache_find(c, &other_pool), OWNER_UNKNOWN);
    ck_assert_uint_eq(owner_cache_find(c, &other_hash), OWNER_UNKNOWN);
    owner_cache_put(c, &b, 4);
    ck_assert_uint_eq(owner_cache_find(c, &b), 4);
    ck_assert_uint_eq(owner_cache_find(c, &a), OWNER_UNKNOWN);
    owner_cache_destroy(&c);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(long_keys_are_not)
{
    struct owner_cache *c = owner_cache_create();
    char text[OWNER_CACHE_KEY_MAX + 2];
    memset(text, 'k', sizeof(text));
    struct lookup_key longest = {span_make(text, OWNER_CACHE_KEY_MAX), 7, 0};
    struct lookup_key longer = {span_make(text, OWNER_CACHE_KEY_MAX + 1), 7, 0};
    owner_cache_put(c, &longer, 1);
    ck_assert_uint_eq(owner_cache_find(c, &longer), OWNER_UNKNOWN);
    owner_cache_put(c, &longest, 2);
    ck_assert_uint_eq(owner_cache_find(c, &longest), 2);
    ck_assert_uint_eq(owner_cache_find(c, &longer), OWNER_UNKNOWN);
    owner_cache_destroy(&c);
}
END_TEST

/* Few hashes and few keys, so that everything collides. */
START_TEST(an_answer_is_the_right_one_or_none)
{
    struct owner_cache *c = owner_cache_create();
    uint64_t rng = 7;
    unsigned known = 0;
    for (unsigned i = 0; i < 100000; i++) {
        char name[8];
        unsigned n = (unsigned)(random_next(&rng) % 50);
        snprintf(name, sizeof(name), "k%u", n);
        struct lookup_key key = named(name, n % 3 + OWNER_CACHE_ENTRIES * (n % 2), n % 4);
        uint32_t found = owner_cache_find(c, &key);
        ck_assert(found == OWNER_UNKNOWN || found == n);
        known += found == n;
        owner_cache_put(c, &key, n);
    }
    ck_assert_uint_gt(known, 1000);
    owner_cache_destroy(&c);
}
END_TEST

UNIT_MAIN("owner_cache", only_the_same_key_is_remembered, long_keys_are_not,
          an_answer_is_the_right_one_or_none)
