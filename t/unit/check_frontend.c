#include "proxy/frontend.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct frontends f;

START_TEST(a_pool_stands_behind_the_last_equals_sign)
{
    static const struct {
        const char *text, *addr, *pool;
    } cases[] = {
        {"127.0.0.1:1", "127.0.0.1:1", ""},
        {"127.0.0.1:1=main", "127.0.0.1:1", "main"},
        {"[::1]:1=a.b_c-d", "[::1]:1", "a.b_c-d"},
        {"unix:/run/x=sess", "unix:/run/x", "sess"},
        {"unix:/run/a=b=sess", "unix:/run/a=b", "sess"},
        {"unix:/run/a=b=", "unix:/run/a=b", ""},
        {"*:1=", "*:1", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span addr, pool;
        ck_assert(frontend_split(span_cstr(cases[i].text), &addr, &pool));
        ck_assert(span_eq_cstr(addr, cases[i].addr));
        ck_assert(span_eq_cstr(pool, cases[i].pool));
    }
    static const char *const bad[] = {"a:1=b c", "unix:/a=b/c", "a:1=b\n", "a:1=b:2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct span addr, pool;
        ck_assert_msg(!frontend_split(span_cstr(bad[i]), &addr, &pool), "%s", bad[i]);
    }
}
END_TEST

/* What a client of `addr` with `pool` is told to be in a process with the rows of f. */
static unsigned
told(const char *addr, const char *pool)
{
    static struct frontends before;
    struct buf message = BUF_EMPTY;
    frontends_init(&before);
    unsigned row = frontends_add(&before, addr, span_cstr(pool), true);
    ck_assert(frontend_put(&before.rows[row], &message));
    unsigned found = frontends_take(&f, buf_span(&message));
    buf_deinit(&message);
    return found;
}

START_TEST(a_client_follows_its_address)
{
    frontends_init(&f);
    unsigned a = frontends_add(&f, "127.0.0.1:1", SPAN_LIT("main"), true);
    unsigned b = frontends_add(&f, "unix:/x\ny", SPAN_LIT(""), true);
    ck_assert_uint_eq(told("127.0.0.1:1", "main"), a);
    ck_assert_uint_eq(told("127.0.0.1:1", "other"), a); /* the new process says so */
    ck_assert_uint_eq(told("127.0.0.1:1", ""), a);
    ck_assert_uint_eq(told("unix:/x\ny", "main"), b);
}
END_TEST

START_TEST(or_keeps_its_pool)
{
    frontends_init(&f);
    frontends_add(&f, "127.0.0.1:1", SPAN_LIT("main"), true);
    unsigned gone = told("127.0.0.1:2", "sess");
    ck_assert_str_eq(f.rows[gone].pool, "sess");
    ck_assert(!f.rows[gone].listens);
    ck_assert_uint_eq(told("127.0.0.1:2", "sess"), gone);
    unsigned other = told("127.0.0.1:2", "more");
    ck_assert_uint_ne(other, gone);
    ck_assert_str_eq(f.rows[other].pool, "more");
    ck_assert_uint_eq(frontends_take(&f, SPAN_LIT("")), FRONTEND_UNKNOWN);
    ck_assert(!frontend_is_bound(&f.rows[FRONTEND_UNKNOWN]));
}
END_TEST

START_TEST(nonsense_is_refused)
{
    char text[FRONTEND_MESSAGE_MAX + 1];
    memset(text, 'a', sizeof(text));
    frontends_init(&f);
    ck_assert_uint_eq(frontends_take(&f, SPAN_LIT("main")), FRONTEND_NONE);
    ck_assert_uint_eq(frontends_take(&f, SPAN_LIT("main\n")), FRONTEND_NONE);
    ck_assert_uint_eq(frontends_take(&f, SPAN_LIT("a b\nx:1")), FRONTEND_NONE);
    text[4] = '\n';
    ck_assert_uint_eq(frontends_take(&f, span_make(text, sizeof(text))), FRONTEND_NONE);
    ck_assert_uint_ne(frontends_take(&f, span_make(text, 4 + FRONTEND_ADDR_MAX)), FRONTEND_NONE);
}
END_TEST

START_TEST(there_is_a_limit)
{
    frontends_init(&f);
    char addr[32];
    for (unsigned i = 1; i < FRONTENDS_MAX; i++) {
        snprintf(addr, sizeof(addr), "127.0.0.1:%u", i);
        ck_assert_uint_eq(frontends_add(&f, addr, SPAN_LIT("main"), i % 2 == 0), i);
    }
    ck_assert_uint_eq(told("127.0.0.1:5", "main"), 5);
    ck_assert_uint_eq(told("127.0.0.1:5", "other"), FRONTEND_NONE);
}
END_TEST

UNIT_MAIN("frontend", a_pool_stands_behind_the_last_equals_sign, a_client_follows_its_address,
          or_keeps_its_pool, nonsense_is_refused, there_is_a_limit)
