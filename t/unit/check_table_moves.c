/* Tables in which keys move: two rings, and which table may follow which. */
#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "t/unit/unit.h"

#include <stdio.h>

#define FORCE ",\"force\":true"

/* Nodes by letters; "b<" only before, "c>" only after. `step` "": no move. */
static char *
document(unsigned epoch, const char *head, const char *step, const char *nodes)
{
    struct buf b = BUF_EMPTY;
    buf_printf(&b, "{\"memfleet_table\":1,\"min_reader\":2,\"epoch\":%u%s,\"pools\":{\"m\":{",
               epoch, head);
    if (step[0] != '\0') {
        buf_printf(&b, "\"move\":{\"step\":\"%s\"},", step);
    }
    buf_printf(&b, "\"nodes\":[");
    for (const char *n = nodes; *n != '\0'; n++) {
        bool before = n[1] == '<', after = n[1] == '>';
        buf_printf(&b, "%s{\"id\":\"%c\",\"addr\":\"h%c:1\"%s}", n == nodes ? "" : ",", *n, *n,
                   before  ? ",\"in_ring\":\"before\""
                   : after ? ",\"in_ring\":\"after\""
                           : "");
        n += before || after;
    }
    buf_printf(&b, "]}}}");
    char *text = mem_printf("%.*s", (int)buf_len(&b), buf_span(&b).ptr);
    buf_deinit(&b);
    return text;
}

static struct table *
table_of(unsigned epoch, const char *head, const char *step, const char *nodes)
{
    char error[TABLE_ERROR_MAX] = "";
    char *text = document(epoch, head, step, nodes);
    struct table *t = table_parse(span_cstr(text), error);
    ck_assert_msg(t != NULL, "%s: %s", text, error);
    free(text);
    return t;
}

static void
assert_refused(const char *text, const char *expect)
{
    char error[TABLE_ERROR_MAX] = "";
    struct table *t = table_parse(span_cstr(text), error);
    ck_assert_msg(t == NULL, "%s", text);
    ck_assert_msg(strncmp(error, expect, strlen(expect)) == 0, "got: %s\nwant: %s", error, expect);
}

/* --- who owns a key ----------------------------------------------------------------- */

START_TEST(a_key_moves_if_its_owner_differs)
{
    struct table *before = table_of(1, "", "", "abc"), *after = table_of(1, "", "", "acd");
    const char *steps[] = {"prepare", "warm", "active", "done"};
    unsigned moving = 0;
    for (unsigned s = 0; s < 4; s++) {
        struct table *t = table_of(2, "", steps[s], "ab<cd>");
        const struct table_pool *pool = &t->pools[0];
        ck_assert_str_eq(move_step_name(pool->move), steps[s]);
        ck_assert_str_eq(pool->ring_sha, after->pools[0].ring_sha);
        ck_assert_str_eq(pool->ring_sha_before, before->pools[0].ring_sha);
        ck_assert_int_eq(table_pool_is_moving(pool), s < 3);
        for (unsigned i = 0; i < 1000; i++) {
            char key[16];
            struct span k = span_make(key, (size_t)snprintf(key, sizeof(key), "k%u", i));
            const struct table_pool *o = &before->pools[0], *n = &after->pools[0];
            const char *old = o->nodes[table_pool_owner(o, k)].id;
            const char *new = n->nodes[table_pool_owner(n, k)].id;
            struct table_move move;
            bool moves = table_pool_moves(pool, k, &move);
            ck_assert_int_eq(moves, s < 3 && strcmp(old, new) != 0);
            ck_assert_str_eq(pool->nodes[table_pool_owner(pool, k)].id, s == 0 ? old : new);
            unsigned owner;
            table_pool_owners(pool, &k, 1, &owner);
            ck_assert_uint_eq(owner, table_pool_owner(pool, k));
            if (moves) {
                ck_assert_str_eq(pool->nodes[move.from].id, old);
                ck_assert_str_eq(pool->nodes[move.to].id, new);
            } else {
                ck_assert_uint_eq(move.from, move.to);
            }
            moving += moves;
        }
        table_unref(&t);
    }
    ck_assert_uint_gt(moving, 3 * 300);
    table_unref(&before);
    table_unref(&after);
}
END_TEST

START_TEST(replicas_are_those_of_the_ring_that_is_read)
{
    struct table *t = table_of(2, "", "warm", "ab<cd>");
    struct table *after = table_of(1, "", "", "acd");
    t->pools[0].replicas = after->pools[0].replicas = 3;
    for (unsigned i = 0; i < 100; i++) {
        unsigned x[TABLE_REPLICAS_MAX], y[TABLE_REPLICAS_MAX];
        char key[16];
        struct span k = span_make(key, (size_t)snprintf(key, sizeof(key), "k%u", i));
        ck_assert_uint_eq(table_pool_replicas(&t->pools[0], k, x), 3);
        ck_assert_uint_eq(table_pool_replicas(&after->pools[0], k, y), 3);
        for (unsigned n = 0; n < 3; n++) {
            ck_assert_str_eq(t->pools[0].nodes[x[n]].id, after->pools[0].nodes[y[n]].id);
        }
    }
    table_unref(&t);
    table_unref(&after);
}
END_TEST

START_TEST(weights_may_change_by_a_move)
{
    char error[TABLE_ERROR_MAX] = "";
    struct table *t = table_parse(
        SPAN_LIT("{\"memfleet_table\":1,\"min_reader\":2,\"epoch\":1,\"pools\":{\"m\":{\"move\":{"
                 "\"step\":\"warm\"},\"nodes\":[{\"id\":\"a\",\"addr\":\"a:1\"},{\"id\":\"b\","
                 "\"addr\":\"b:1\",\"weight\":3,\"weight_before\":1}]}}}"),
        error);
    ck_assert_msg(t != NULL, "%s", error);
    unsigned to_b = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        struct table_move move;
        if (table_pool_moves(&t->pools[0],
                             span_make(key, (size_t)snprintf(key, sizeof(key), "k%u", i)), &move)) {
            ck_assert_uint_eq(move.to, 1);
            to_b++;
        }
    }
    ck_assert_uint_gt(to_b, 150);
    table_unref(&t);
}
END_TEST

/* --- the document ------------------------------------------------------------------- */

START_TEST(what_is_built_reads_back)
{
    struct table *t = table_of(3, "", "warm", "ab<cd>");
    struct buf one = BUF_EMPTY, two = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "";
    t->pools[0].nodes[0].weight_before = 2;
    ck_assert_msg(table_build(t, &one, error), "%s", error);
    struct table *copy = table_parse(buf_span(&one), error);
    ck_assert_msg(copy != NULL, "%s", error);
    ck_assert_uint_eq(copy->min_reader, TABLE_MOVES);
    ck_assert_int_eq(copy->pools[0].move, MOVE_WARM);
    ck_assert_int_eq(copy->pools[0].nodes[1].rings, NODE_IN_BEFORE);
    ck_assert_int_eq(copy->pools[0].nodes[3].rings, NODE_IN_AFTER);
    ck_assert_uint_eq(copy->pools[0].nodes[0].weight_before, 2);
    ck_assert_ptr_nonnull(strstr(copy->pools[0].ring_sha_before, ""));
    ck_assert_msg(table_build(copy, &two, error), "%s", error);
    ck_assert(span_eq(buf_span(&one), buf_span(&two)));
    ck_assert_ptr_nonnull(memmem(one.mem, buf_len(&one), "\"ring_sha_before\":", 18));
    table_unref(&t);
    table_unref(&copy);
    buf_clear(&one);
    t = table_of(3, "", "", "ab"); /* without a move any reader will do */
    ck_assert_msg(table_build(t, &one, error), "%s", error);
    ck_assert_ptr_nonnull(memmem(one.mem, buf_len(&one), "\"min_reader\":1,", 15));
    table_unref(&t);
    buf_deinit(&one);
    buf_deinit(&two);
}
END_TEST

#define NODES(a, b)                                                                                \
    "\"nodes\":[{\"id\":\"a\",\"addr\":\"a:1\"" a "},{\"id\":\"b\",\"addr\":\"b:1\"" b "}]}}}"
#define TABLE(reader, move)                                                                        \
    "{\"memfleet_table\":1,\"min_reader\":" reader ",\"epoch\":1,\"pools\":{\"m\":{" move
#define WARM "\"move\":{\"step\":\"warm\"},"

START_TEST(bad_moves_are_refused_by_place)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {TABLE("1", WARM) NODES("", ",\"in_ring\":\"after\""),
         "pools.m.move: needs \"min_reader\": 2"},
        {TABLE("2", "\"move\":1,") NODES("", ""), "pools.m.move: expected an object"},
        {TABLE("2", "\"move\":{},") NODES("", ""), "pools.m.move.step: missing"},
        {TABLE("2", "\"move\":{\"step\":\"none\"},") NODES("", ""),
         "pools.m.move.step: expected one of"},
        {TABLE("2", "\"move\":{\"step\":\"warm\",\"ring_sha_before\":\"00\"},") NODES("", ""),
         "pools.m.move.ring_sha_before: is not that of the ring"},
        {TABLE("2", "") NODES("", ",\"in_ring\":\"after\""),
         "pools.m.nodes[1].in_ring: the pool has no move"},
        {TABLE("2", "") NODES(",\"weight_before\":2", ""),
         "pools.m.nodes[0].weight_before: the pool has no move"},
        {TABLE("2", WARM) NODES(",\"in_ring\":\"now\"", ""),
         "pools.m.nodes[0].in_ring: expected one of both, before, after"},
        {TABLE("2", WARM) NODES(",\"in_ring\":\"after\"", ",\"in_ring\":\"after\""),
         "pools.m.nodes: expected at least one that is active or draining, on each ring"},
        {TABLE("2", WARM) NODES(",\"in_ring\":\"before\"", ",\"in_ring\":\"before\""),
         "pools.m.nodes: expected at least one that is active or draining, on each ring"},
        {TABLE("2", WARM) NODES("", ",\"ring_name\":\"a:1\",\"in_ring\":\"before\""),
         "pools.m.nodes[1].ring_name: \"a:1\" is that of nodes[0] too"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_refused(rows[i].text, rows[i].error);
    }
    char error[TABLE_ERROR_MAX] = "";
    struct table *t =
        table_parse(/* who replaces a node has its name */
                    SPAN_LIT(TABLE("2", WARM) NODES(
                        ",\"in_ring\":\"before\"", ",\"ring_name\":\"a:1\",\"in_ring\":\"after\"")),
                    error);
    ck_assert_msg(t != NULL, "%s", error);
    table_unref(&t);
}
END_TEST

/* --- which follows which ------------------------------------------------------------- */

static const char *const steps[] = {"", "prepare", "warm", "active", "done", "over"};

/* At step 0 a, b, c serve; when the move is over, a, c, d. */
static struct table *
at_step(unsigned epoch, const char *head, unsigned step)
{
    return step == 0   ? table_of(epoch, head, "", "abc")
           : step == 5 ? table_of(epoch, head, "", "acd")
                       : table_of(epoch, head, steps[step], "ab<cd>");
}

static enum table_verdict
judge(struct table *old, struct table *next)
{
    enum table_verdict verdict = table_judge(old, next);
    table_unref(&old);
    table_unref(&next);
    return verdict;
}

START_TEST(no_step_is_left_out)
{
    /* From a row to a column: none, prepare, ..., over. */
    static const char *const may[] = {"110000", "111000", "011100", "001110", "000011", "000001"};
    for (unsigned i = 0; i < 36; i++) {
        unsigned from = i / 6, to = i % 6;
        enum table_verdict got = judge(at_step(1, "", from), at_step(2, "", to));
        bool good = may[from][to] == '1' ? got == TABLE_ADOPT
                                         : got == TABLE_MOVE_SKIP || got == TABLE_SHRINK;
        ck_assert_msg(good, "%s -> %s: %s", steps[from], steps[to], table_verdict_name(got));
        ck_assert_int_eq(judge(at_step(1, "", from), at_step(2, FORCE, to)), TABLE_ADOPT);
        struct table *old = at_step(1, "", from), *next = at_step(3, "", to);
        ck_assert_int_eq(table_judge_published(old, next), TABLE_ADOPT); /* was away */
        table_unref(&old);
        table_unref(&next);
    }
    ck_assert_int_eq(judge(at_step(1, "", 0), at_step(2, "", 2)), TABLE_MOVE_SKIP);
    ck_assert_int_eq(judge(at_step(1, "", 4), at_step(2, "", 3)), TABLE_MOVE_SKIP);
    for (unsigned to = 0; to < 6; to++) {
        struct table *fresh = at_step(1, "", to);
        ck_assert_int_eq(table_judge(NULL, fresh), TABLE_ADOPT);
        table_unref(&fresh);
    }
}
END_TEST

START_TEST(a_move_keeps_its_rings)
{
    ck_assert_int_eq(judge(table_of(1, "", "warm", "ab<cd>"), table_of(2, "", "active", "abc<d>")),
                     TABLE_MOVE_SKIP);
    ck_assert_int_eq(judge(table_of(1, "", "", "abc"), table_of(2, "", "prepare", "ab>c")),
                     TABLE_MOVE_SKIP);
    /* A further node of no ring yet is one of the rings, too. */
    ck_assert_int_eq(judge(table_of(1, "", "prepare", "abc>"), table_of(2, "", "warm", "abc>d>")),
                     TABLE_MOVE_SKIP);
    /* The next move begins where the last ended. */
    ck_assert_int_eq(judge(table_of(1, "", "done", "ab<cd>"), table_of(2, "", "prepare", "acde>")),
                     TABLE_ADOPT);
    ck_assert_int_eq(judge(table_of(1, "", "done", "ab<cd>"), table_of(2, "", "prepare", "abce>")),
                     TABLE_SHRINK);
}
END_TEST

START_TEST(a_move_is_no_shrink)
{
    /* One of three is replaced, and gone in the end. */
    for (unsigned step = 0; step < 5; step++) {
        ck_assert_int_eq(judge(at_step(1, "", step), at_step(2, "", step + 1)), TABLE_ADOPT);
    }
    /* One that is given up has had no keys. */
    ck_assert_int_eq(judge(at_step(1, "", 1), at_step(2, "", 0)), TABLE_ADOPT);
    /* A node that still has keys may not go while they move. */
    ck_assert_int_eq(judge(table_of(1, "", "warm", "ab<cd>"), table_of(2, "", "warm", "acd>")),
                     TABLE_SHRINK);
    ck_assert_int_eq(judge(table_of(1, "", "warm", "ab<cd>"), table_of(2, "", "warm", "ab<c")),
                     TABLE_SHRINK);
    /* To a much smaller ring only by force. */
    ck_assert_int_eq(judge(table_of(1, "", "", "abcd"), table_of(2, "", "prepare", "abcd<")),
                     TABLE_SHRINK);
    ck_assert_int_eq(judge(table_of(1, "", "", "abcd"), table_of(2, FORCE, "prepare", "abcd<")),
                     TABLE_ADOPT);
    ck_assert_int_eq(judge(table_of(1, "", "prepare", "abcd<"), table_of(2, "", "warm", "abcd<")),
                     TABLE_ADOPT);
    ck_assert_int_eq(
        judge(table_of(1, "", "", "abcdefghij"), table_of(2, "", "prepare", "abcdefghij<")),
        TABLE_ADOPT);
}
END_TEST

UNIT_MAIN("table_moves", a_key_moves_if_its_owner_differs,
          replicas_are_those_of_the_ring_that_is_read, weights_may_change_by_a_move,
          what_is_built_reads_back, bad_moves_are_refused_by_place, no_step_is_left_out,
          a_move_keeps_its_rings, a_move_is_no_shrink)
