/* Lookups by a made-up DNS that can be held. */
#include "common/net/resolver.h"
#include "common/core/clock.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint asked, answers;

/* "held..." waits for the mutex; everything has `answers` addresses. */
static unsigned
look_up(const struct addr_name *name, struct addr *out, unsigned max, const char **error)
{
    atomic_fetch_add(&asked, 1);
    if (strncmp(name->host, "held", 4) == 0) {
        pthread_mutex_lock(&held);
        pthread_mutex_unlock(&held);
    }
    unsigned count = atomic_load(&answers);
    for (unsigned i = 0; i < count && i < max; i++) {
        struct addr_name literal = {.host = "10.0.0.0", .port = name->port};
        literal.host[7] = (char)('1' + i);
        ck_assert(addr_literal(&literal, &out[i]));
    }
    *error = "made up";
    return count;
}

static struct endpoint *
endpoint(struct resolver *r, const char *text)
{
    struct addr_name name;
    ck_assert(addr_parse(span_cstr(text), 0, &name));
    return endpoint_create(r, &name);
}

static void
address_is(struct endpoint *e, unsigned at, const char *wanted)
{
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    ck_assert(endpoint_addr(e, at, &addr));
    ck_assert_str_eq(addr_format(&addr, text), wanted);
}

START_TEST(addresses_stand_for_themselves)
{
    struct resolver *r = resolver_create(look_up);
    struct endpoint *ip = endpoint(r, "10.1.2.3:4"), *path = endpoint(r, "/run/x");
    endpoint_look_up(ip);
    endpoint_look_up(path);
    resolver_wait(r, 10000);
    address_is(ip, 7, "10.1.2.3:4");
    address_is(path, 0, "unix:/run/x");
    ck_assert_uint_eq(atomic_load(&asked), 0);
    endpoint_unref(&ip);
    endpoint_unref(&path);
    resolver_destroy(&r);
    resolver_destroy(&r);
}
END_TEST

START_TEST(a_name_has_all_its_addresses)
{
    struct resolver *r = resolver_create(look_up);
    struct endpoint *e = endpoint(r, "name:4");
    struct addr addr;
    ck_assert(!endpoint_addr(e, 0, &addr));
    atomic_store(&answers, 2);
    endpoint_look_up(e);
    resolver_wait(r, 10000);
    ck_assert_uint_eq(endpoint_count(e), 2);
    address_is(e, 0, "10.0.0.1:4");
    address_is(e, 1, "10.0.0.2:4");
    address_is(e, 2, "10.0.0.1:4");
    endpoint_unref(&e);
    resolver_destroy(&r);
}
END_TEST

START_TEST(a_failed_lookup_forgets_nothing_and_is_not_repeated_at_once)
{
    clock_test_begin(1000, 0);
    struct resolver *r = resolver_create(look_up);
    struct endpoint *e = endpoint(r, "name:4");
    atomic_store(&answers, 1);
    endpoint_look_up(e);
    resolver_wait(r, 1u << 30);
    atomic_store(&answers, 0);
    endpoint_look_up(e);
    resolver_wait(r, 1u << 30);
    ck_assert_uint_eq(atomic_load(&asked), 1);
    clock_test_advance_ms(RESOLVER_GAP_MS);
    endpoint_look_up(e);
    resolver_wait(r, 1u << 30);
    ck_assert_uint_eq(atomic_load(&asked), 2);
    address_is(e, 0, "10.0.0.1:4");
    endpoint_unref(&e);
    clock_test_end();
    resolver_destroy(&r);
}
END_TEST

START_TEST(one_that_hangs_holds_nobody_up)
{
    struct resolver *r = resolver_create(look_up);
    struct endpoint *stuck = endpoint(r, "held:1"), *e = endpoint(r, "name:4");
    atomic_store(&answers, 1);
    pthread_mutex_lock(&held);
    endpoint_look_up(stuck);
    endpoint_look_up(stuck);
    endpoint_look_up(e);
    while (endpoint_count(e) == 0) {
        resolver_wait(r, 10);
    }
    ck_assert_uint_eq(endpoint_count(stuck), 0);
    resolver_interrupt(r);
    resolver_wait(r, 1u << 30);
    endpoint_unref(&stuck);
    endpoint_unref(&e);
    resolver_destroy(&r);
    pthread_mutex_unlock(&held);
}
END_TEST

START_TEST(what_was_never_begun_is_dropped)
{
    struct resolver *r = resolver_create(look_up);
    pthread_mutex_lock(&held);
    for (int i = 0; i < 3 * RESOLVER_THREADS; i++) {
        struct endpoint *e = endpoint(r, "held:1");
        endpoint_look_up(e);
        endpoint_unref(&e);
    }
    while (atomic_load(&asked) < RESOLVER_THREADS) {
        resolver_wait(r, 1);
    }
    resolver_destroy(&r);
    pthread_mutex_unlock(&held);
    ck_assert_uint_eq(atomic_load(&asked), RESOLVER_THREADS);
}
END_TEST

UNIT_MAIN("resolver", addresses_stand_for_themselves, a_name_has_all_its_addresses,
          a_failed_lookup_forgets_nothing_and_is_not_repeated_at_once,
          one_that_hangs_holds_nobody_up, what_was_never_begun_is_dropped)
