#include "common/fleet/fence_token.h"
#include "common/fleet/table.h"
#include "t/unit/unit.h"

#include <string.h>

static struct fence_token
token(uint64_t epoch, uint64_t min_epoch)
{
    return (struct fence_token){epoch, min_epoch, 7, 1};
}

static bool
hears(struct fence *f, uint64_t epoch, uint64_t min_epoch)
{
    struct fence_token t = token(epoch, min_epoch);
    return fence_hear(f, &t);
}

static bool
refuses(const struct fence *f, uint64_t epoch)
{
    struct fence_token t = token(epoch, 0);
    return fence_refuses(f, &t);
}

START_TEST(nobody_is_refused_before_a_minimum_is_heard)
{
    struct fence f = {0};
    ck_assert(!hears(&f, 9, 0));
    ck_assert(!refuses(&f, 1));
}
END_TEST

START_TEST(the_highest_heard_counts)
{
    struct fence f = {0};
    ck_assert(hears(&f, 9, 5));
    ck_assert(refuses(&f, 4));
    ck_assert(!refuses(&f, 5));
    ck_assert(!hears(&f, 9, 5));
    ck_assert(!hears(&f, 8, 3));
    ck_assert(refuses(&f, 4));
    ck_assert(hears(&f, 10, 10));
    ck_assert(refuses(&f, 9));
    ck_assert(!refuses(&f, 10));
}
END_TEST

START_TEST(another_cluster_is_not_compared)
{
    struct fence f = {0};
    struct fence_token other = {50, 50, 8, 1};
    ck_assert(hears(&f, 9, 5));
    ck_assert(!fence_hear(&f, &other));
    other.epoch = 1;
    ck_assert(!fence_refuses(&f, &other));
    ck_assert(refuses(&f, 4));
}
END_TEST

/* mfctl recover: higher epochs than any before, and no minimum at first. */
START_TEST(a_recovered_incarnation_goes_on_with_higher_epochs)
{
    struct fence f = {0};
    struct fence_token recovered = {1042, 0, 7, 2};
    ck_assert(hears(&f, 9, 5));
    ck_assert(!fence_hear(&f, &recovered));
    ck_assert(!fence_refuses(&f, &recovered));
    recovered.min_epoch = 1042;
    ck_assert(fence_hear(&f, &recovered));
    ck_assert(refuses(&f, 9));
}
END_TEST

START_TEST(the_own_table_knows_better)
{
    struct fence f = {0};
    ck_assert(hears(&f, 40, 40));
    struct fence_token own = {3, 2, 7, 2}; /* the cluster was set up anew */
    fence_take_table(&f, &own);
    ck_assert(f.min_epoch == 2);
    ck_assert(!refuses(&f, 3));
    ck_assert(!hears(&f, 41, 41)); /* of the incarnation before */
    struct fence_token same = {4, 4, 7, 2};
    ck_assert(fence_hear(&f, &same)); /* this node hears late of a table */
    ck_assert(f.min_epoch == 4);
}
END_TEST

START_TEST(it_never_falls_within_an_incarnation)
{
    struct fence f = {0};
    struct fence_token own = token(9, 6), next = token(10, 0);
    fence_take_table(&f, &own);
    fence_take_table(&f, &next);
    ck_assert(refuses(&f, 5));
    ck_assert(!refuses(&f, 6));
}
END_TEST

START_TEST(an_own_table_without_minimum_refuses_nobody)
{
    struct fence f = {0};
    struct fence_token own = token(9, 0);
    fence_take_table(&f, &own);
    ck_assert(!refuses(&f, 1));
    ck_assert(hears(&f, 12, 11)); /* another has the next table already */
    ck_assert(refuses(&f, 9));
}
END_TEST

static unsigned
split(const char *line, struct span *words)
{
    unsigned n = 0;
    for (const char *at = line; *at != '\0' && *at != '\r';) {
        size_t len = strcspn(at, " \r");
        words[n++] = span_make(at, len);
        at += len + (at[len] == ' ');
    }
    return n;
}

START_TEST(the_line_says_it_all)
{
    static const char document[] =
        "{\"memfleet_table\":1,\"epoch\":9223372036854775807,\"min_epoch\":42,\"cluster\":\"a b\","
        "\"pools\":{\"p\":{\"nodes\":[{\"id\":\"a\",\"addr\":\"a:1\"}]}}}";
    char error[TABLE_ERROR_MAX], line[FENCE_TOKEN_BYTES];
    struct table *table = table_parse(span_cstr(document), error);
    if (table == NULL) {
        ck_abort_msg("%s", error);
    }
    struct fence_token out = fence_token_of(table), in;
    ck_assert_uint_lt(fence_token_put(&out, line), sizeof(line));
    /* The first 16 digits of SHA-256("a b") and of SHA-256(""). */
    ck_assert_str_eq(line, "epoch 9223372036854775807 42 c8687a08aa5d6ed2 e3b0c44298fc1c14\r\n");
    struct span words[16];
    unsigned n = split(line, words);
    ck_assert(fence_token_parse(words + 1, n - 1, &in));
    ck_assert_mem_eq(&in, &out, sizeof(in));
    table_unref(&table);
}
END_TEST

START_TEST(anything_else_is_none)
{
    static const char *const lines[] = {
        "",
        "1 0",
        "1 0 0000000000000007",
        "0 0 0000000000000007 0000000000000001",
        "1 2 0000000000000007 0000000000000001",
        "-1 0 0000000000000007 0000000000000001",
        "x 0 0000000000000007 0000000000000001",
        "1 0 000000000000007 0000000000000001",
        "1 0 00000000000000007 0000000000000001",
        "1 0 000000000000000G 0000000000000001",
        "1 0 0000000000000007 000000000000000A",
        "1 0 0000000000000007 0000000000000001 1",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct span words[16];
        struct fence_token out;
        ck_assert_msg(!fence_token_parse(words, split(lines[i], words), &out), "%s", lines[i]);
    }
}
END_TEST

UNIT_MAIN("fence_token", nobody_is_refused_before_a_minimum_is_heard, the_highest_heard_counts,
          another_cluster_is_not_compared, a_recovered_incarnation_goes_on_with_higher_epochs,
          the_own_table_knows_better, it_never_falls_within_an_incarnation,
          an_own_table_without_minimum_refuses_nobody, the_line_says_it_all, anything_else_is_none)
