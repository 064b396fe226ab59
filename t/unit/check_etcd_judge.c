/* What to make of answers: verdict, endpoint and its guard. */
#include "control/etcd/endpoint.h"
#include "control/etcd/verdict.h"
#include "t/unit/unit.h"

static struct verdict
judge_code(int status, int64_t code, const char *message, bool is_write)
{
    struct answer a = {.is_error = true, .code = code, .message = message};
    struct exchange x = {TRANSFER_DONE, status, &a, is_write};
    return verdict_reach(&x);
}

static struct verdict
judge_end(enum transfer_end end, bool is_write)
{
    struct exchange x = {end, 0, NULL, is_write};
    return verdict_reach(&x);
}

START_TEST(what_was_not_sent_was_not_done)
{
    ck_assert_int_eq(judge_end(TRANSFER_NOT_SENT, true).outcome, ETCD_UNAVAILABLE);
    ck_assert(judge_end(TRANSFER_NOT_SENT, true).try_elsewhere);
    ck_assert(judge_end(TRANSFER_NOT_SENT, false).try_elsewhere);
}
END_TEST

START_TEST(what_was_sent_may_have_been_done)
{
    static const enum transfer_end ENDS[] = {TRANSFER_BROKEN, TRANSFER_TIMED_OUT,
                                             TRANSFER_TOO_LARGE};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(judge_end(ENDS[i], true).outcome, ETCD_AMBIGUOUS);
        ck_assert(!judge_end(ENDS[i], true).try_elsewhere);
        ck_assert_int_eq(judge_end(ENDS[i], false).outcome, ETCD_UNAVAILABLE);
        ck_assert(judge_end(ENDS[i], false).try_elsewhere);
    }
}
END_TEST

START_TEST(codes)
{
    static const struct {
        int status;
        int64_t code;
        const char *message;
        enum etcd_outcome write;
        enum etcd_outcome read;
    } ROWS[] = {
        {400, 3, "etcdserver: request is too large", ETCD_REFUSED, ETCD_REFUSED},
        {404, 5, "etcdserver: requested lease not found", ETCD_NOT_FOUND, ETCD_NOT_FOUND},
        {403, 7, "etcdserver: permission denied", ETCD_AUTH, ETCD_AUTH},
        {429, 8, "etcdserver: mvcc: database space exceeded", ETCD_NO_SPACE, ETCD_NO_SPACE},
        {429, 8, "etcdserver: too many requests", ETCD_UNAVAILABLE, ETCD_UNAVAILABLE},
        {412, 9, "etcdserver: lease already exists", ETCD_REFUSED, ETCD_REFUSED},
        {400, 11, "etcdserver: mvcc: required revision ...", ETCD_COMPACTED, ETCD_COMPACTED},
        {501, 12, "unimplemented", ETCD_REFUSED, ETCD_REFUSED},
        {401, 16, "etcdserver: invalid auth token", ETCD_AUTH, ETCD_AUTH},
        {500, 2, "context deadline exceeded", ETCD_AMBIGUOUS, ETCD_UNAVAILABLE},
        {503, 14, "etcdserver: request timed out", ETCD_AMBIGUOUS, ETCD_UNAVAILABLE},
        {504, 4, "deadline", ETCD_AMBIGUOUS, ETCD_UNAVAILABLE},
        {499, 1, "canceled", ETCD_AMBIGUOUS, ETCD_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct verdict w = judge_code(ROWS[i].status, ROWS[i].code, ROWS[i].message, true);
        struct verdict r = judge_code(ROWS[i].status, ROWS[i].code, ROWS[i].message, false);
        ck_assert_msg(w.outcome == ROWS[i].write, "write %s", ROWS[i].message);
        ck_assert_msg(r.outcome == ROWS[i].read, "read %s", ROWS[i].message);
        ck_assert(w.outcome != ETCD_AMBIGUOUS || !w.try_elsewhere);
    }
}
END_TEST

START_TEST(tokens)
{
    ck_assert(judge_code(401, 16, "etcdserver: invalid auth token", true).wants_token);
    ck_assert(judge_code(400, 3, "etcdserver: user name is empty", true).wants_token);
    ck_assert(judge_code(400, 3, "etcdserver: revision of auth store is old", true).wants_token);
    ck_assert(!judge_code(403, 7, "etcdserver: permission denied", true).wants_token);
    ck_assert(!judge_code(400, 3, "etcdserver: request is too large", true).wants_token);
}
END_TEST

START_TEST(foreign_bodies)
{
    static const struct {
        int status;
        enum etcd_outcome write;
        bool elsewhere;
    } ROWS[] = {{404, ETCD_REFUSED, true},    {302, ETCD_REFUSED, true},
                {400, ETCD_REFUSED, true},    {401, ETCD_AUTH, false},
                {502, ETCD_AMBIGUOUS, false}, {200, ETCD_AMBIGUOUS, false}};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct exchange x = {TRANSFER_DONE, ROWS[i].status, NULL, true};
        struct verdict v = verdict_reach(&x);
        ck_assert_int_eq(v.outcome, ROWS[i].write);
        ck_assert_int_eq(v.try_elsewhere, ROWS[i].elsewhere);
    }
}
END_TEST

START_TEST(endpoints)
{
    static const char *const TEXTS[] = {"a:1", "http://b:2/", "https://[::1]:3"};
    struct endpoints e;
    char *error = NULL;
    ck_assert(endpoints_init(&e, TEXTS, 3, &error));
    ck_assert_str_eq(e.urls[0], "http://a:1");
    ck_assert_str_eq(e.urls[1], "http://b:2");
    ck_assert_str_eq(e.urls[2], "https://[::1]:3");
    endpoints_failed(&e, 1);
    ck_assert_uint_eq(e.current, 0);
    endpoints_failed(&e, 0);
    ck_assert_uint_eq(e.current, 1);
    e.current = 2;
    endpoints_failed(&e, 2);
    ck_assert_uint_eq(e.current, 0);
    endpoints_deinit(&e);
}
END_TEST

START_TEST(no_endpoints)
{
    static const char *const TEXTS[] = {"",    "http://",      "ftp://a:1",   "http://a:1/v3",
                                        "a b", "http://u@h:1", "http://h:1?x"};
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct endpoints e;
        char *error = NULL;
        ck_assert_msg(!endpoints_init(&e, &TEXTS[i], 1, &error), "%s", TEXTS[i]);
        ck_assert_ptr_nonnull(error);
        free(error);
    }
    struct endpoints e;
    char *error = NULL;
    ck_assert(!endpoints_init(&e, TEXTS, 0, &error));
    free(error);
}
END_TEST

static enum guard_result
seen(struct guard *g, uint64_t cluster, uint64_t member, uint64_t term, uint64_t asked)
{
    struct etcd_header h = {cluster, member, 1, term};
    return guard_check(g, &h, asked, asked + 10);
}

START_TEST(guard)
{
    struct guard g = {0};
    ck_assert_int_eq(seen(&g, 0, 0, 0, 1), GUARD_BELIEVED);
    ck_assert_int_eq(seen(&g, 1, 7, 5, 100), GUARD_BELIEVED);
    ck_assert_int_eq(seen(&g, 2, 7, 5, 200), GUARD_OTHER_CLUSTER);
    ck_assert_int_eq(seen(&g, 1, 8, 3, 200), GUARD_BELIEVED);
    ck_assert_int_eq(seen(&g, 1, 7, 4, 200), GUARD_OLDER_TERM);
    ck_assert_int_eq(seen(&g, 1, 7, 4, 105), GUARD_BELIEVED); /* asked before the term rose */
    ck_assert_int_eq(seen(&g, 1, 7, 6, 300), GUARD_BELIEVED);
    ck_assert_int_eq(seen(&g, 1, 7, 5, 400), GUARD_OLDER_TERM);
    guard_forget_terms(&g);
    ck_assert_int_eq(seen(&g, 1, 7, 2, 500), GUARD_BELIEVED);
    ck_assert_int_eq(seen(&g, 2, 7, 9, 500), GUARD_OTHER_CLUSTER);
    for (uint64_t member = 100; member < 200; member++) {
        ck_assert_int_eq(seen(&g, 1, member, 2, 600), GUARD_BELIEVED);
    }
    ck_assert_int_eq(seen(&g, 1, 199, 1, 700), GUARD_OLDER_TERM);
}
END_TEST

UNIT_MAIN("etcd_judge", what_was_not_sent_was_not_done, what_was_sent_may_have_been_done, codes,
          tokens, foreign_bodies, endpoints, no_endpoints, guard)
