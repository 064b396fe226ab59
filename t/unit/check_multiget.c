#include "proxy/multiget.h"
#include "common/core/backoff.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct multiget m;

/* "a:0 b:1 a:0": keys and the shard that serves each. */
static void
ask(const char *keys_and_shards)
{
    char keys[512] = "";
    uint32_t shards[64], count = 0, most = 0;
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", keys_and_shards);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        char *colon = strchr(word, ':');
        shards[count] = (uint32_t)atoi(colon + 1);
        most = shards[count] > most ? shards[count] : most;
        count++;
        *colon = '\0';
        strcat(strcat(keys, keys[0] != '\0' ? " " : ""), word);
    }
    ck_assert(multiget_begin(&m, span_cstr(keys), 64));
    for (uint32_t i = 0; i <= most; i++) {
        ck_assert_uint_eq(multiget_add_shard(&m), i);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)strcspn(keys + at, " ");
        multiget_add_key(&m, at, len, shards[i]);
        at += len + 1;
    }
}

enum outcome { OK, STRANGE };

/* A VALUE piece, as answer.c takes it: the keys before it were misses. */
static enum outcome
take(struct multiget *many, uint32_t shard, struct span key, const char *raw)
{
    uint32_t found = multiget_find(many, shard, key);
    if (found == MULTIGET_END) {
        return STRANGE;
    }
    while (multiget_pass(many, shard) != found) {
    }
    ck_assert(multiget_put(many, found, span_cstr(raw), SPAN_LIT("")));
    return OK;
}

static enum outcome
answer(uint32_t shard, const char *key, const char *raw)
{
    return take(&m, shard, span_cstr(key), raw);
}

static void
merges_to(const char *expected)
{
    struct buf out = BUF_EMPTY;
    ck_assert(multiget_merge(&m, SPAN_LIT(""), &out));
    ck_assert_uint_eq(buf_len(&out), strlen(expected));
    ck_assert(buf_len(&out) == 0 || memcmp(buf_span(&out).ptr, expected, buf_len(&out)) == 0);
    buf_deinit(&out);
    multiget_clear(&m);
}

START_TEST(merges_in_the_clients_order)
{
    ask("a:0 b:1 c:0 d:1");
    ck_assert_int_eq(answer(1, "b", "<b>"), OK);
    ck_assert_int_eq(answer(1, "d", "<d>"), OK);
    ck_assert_int_eq(answer(0, "a", "<a>"), OK);
    ck_assert_int_eq(answer(0, "c", "<c>"), OK);
    merges_to("<a><b><c><d>");
}
END_TEST

START_TEST(what_is_not_answered_is_a_miss)
{
    ask("a:0 b:1 c:0 d:1 e:0");
    ck_assert_int_eq(answer(0, "c", "<c>"), OK);
    merges_to("<c>");
    ask("a:0 b:1");
    merges_to("");
}
END_TEST

START_TEST(doubled_keys_are_answered_each)
{
    ask("a:0 a:0 b:0 a:0");
    ck_assert_int_eq(answer(0, "a", "<1>"), OK);
    ck_assert_int_eq(answer(0, "a", "<2>"), OK);
    ck_assert_int_eq(answer(0, "a", "<3>"), OK);
    merges_to("<1><2><3>");
}
END_TEST

START_TEST(strange_answers_are_noticed)
{
    ask("a:0 b:1 c:0");
    ck_assert_int_eq(answer(0, "b", "<b>"), STRANGE); /* another shard's */
    ck_assert_int_eq(answer(0, "x", "<x>"), STRANGE);
    ck_assert_int_eq(answer(0, "c", "<c>"), OK);
    ck_assert_int_eq(answer(0, "a", "<a>"), STRANGE); /* behind its turn */
    ck_assert_int_eq(answer(0, "c", "<c>"), STRANGE); /* twice */
    merges_to("<c>");
}
END_TEST

START_TEST(guests_stand_in_the_clients_order)
{
    ck_assert(multiget_begin(&m, SPAN_LIT("a b c b"), 4));
    ck_assert_uint_eq(multiget_add_guest(&m, 0, 1), 0);
    multiget_add_key(&m, 2, 1, multiget_add_shard(&m));
    ck_assert_uint_eq(multiget_add_guest(&m, 4, 1), 2);
    ck_assert_uint_eq(multiget_add_guest(&m, 6, 1), 3);
    ck_assert(multiget_put(&m, 3, SPAN_LIT("<b"), SPAN_LIT(">")));
    ck_assert(multiget_put(&m, 0, SPAN_LIT("<"), SPAN_LIT("a>")));
    ck_assert_int_eq(answer(1, "b", "<b>"), OK);
    ck_assert_int_eq(answer(1, "c", "<c>"), STRANGE);
    merges_to("<a><b><b>");
}
END_TEST

/* What a reply says of each key of a shard, hit or not, is told once. */
START_TEST(every_key_is_passed_once)
{
    ask("a:0 b:1 c:0 d:0");
    ck_assert_int_eq(answer(0, "c", "<c>"), OK);
    ck_assert_uint_eq(multiget_pass(&m, 0), 3);
    ck_assert_uint_eq(multiget_pass(&m, 0), MULTIGET_END);
    ck_assert_uint_eq(multiget_pass(&m, 0), MULTIGET_END);
    ck_assert_uint_eq(multiget_pass(&m, 1), 1);
    merges_to("<c>");
}
END_TEST

/* How many bytes and VALUEs of what the shard answered are taken at once. */
static struct multiget_run
run(uint32_t shard, const char *input)
{
    static struct flight_table flights;
    struct multiget_run taken;
    if (flights.buckets == NULL) {
        flight_table_init(&flights);
    }
    ck_assert(multiget_take_run(&m, shard, span_cstr(input), &flights, &taken));
    return taken;
}

static void
run_is(uint32_t shard, const char *taken, const char *rest)
{
    char input[512];
    snprintf(input, sizeof(input), "%s%s", taken, rest);
    struct multiget_run got = run(shard, input);
    unsigned values = 0;
    for (const char *at = taken; (at = strstr(at, "VALUE ")) != NULL; at++) {
        values++;
    }
    bool ended = strstr(taken, "END\r\n") != NULL;
    ck_assert_msg(got.bytes == strlen(taken) && got.hits == values && got.ended == ended &&
                      got.value_bytes == got.bytes - (ended ? 5 : 0),
                  "%zu bytes of %s", got.bytes, input);
}

START_TEST(a_run_of_values_is_taken_at_once)
{
    ask("a:0 b:1 c:0 d:0");
    run_is(0, "VALUE a 0 1\r\nA\r\nVALUE d 12 2 77\r\n\r\n\r\nEND\r\n", "VALUE b 0 0\r\n");
    ck_assert_uint_eq(multiget_pass(&m, 0), MULTIGET_END);
    run_is(1, "VALUE b 0 0\r\n\r\n", "");
    merges_to("VALUE a 0 1\r\nA\r\nVALUE b 0 0\r\n\r\nVALUE d 12 2 77\r\n\r\n\r\n");
    ask("a:0 b:0 c:0");
    run_is(0, "VALUE b 0 1\r\nB\r\n", "VALUE c 0 10\r\nC\r\n");
    run_is(0, "", "VALUE b 0 1\r\nB\r\n"); /* behind its turn */
    run_is(0, "VALUE c 0 1\r\nC\r\n", "");
    run_is(0, "", "VALUE c 0 1\r\nC\r\n");
    merges_to("VALUE b 0 1\r\nB\r\nVALUE c 0 1\r\nC\r\n");
}
END_TEST

START_TEST(a_run_may_end_the_reply)
{
    ask("a:0 b:0 c:1 d:2");
    run_is(0, "VALUE a 0 1\r\nA\r\n", "");
    run_is(0, "END\r\n", "END\r\n");
    ck_assert_uint_eq(multiget_pass(&m, 0), MULTIGET_END);
    run_is(1, "VALUE c 0 1\r\nC\r\nEND\r\n", "");
    run_is(2, "END\r\n", "");
    ck_assert_uint_eq(m.value_bytes, strlen("VALUE a 0 1\r\nA\r\n") * 2);
    merges_to("VALUE a 0 1\r\nA\r\nVALUE c 0 1\r\nC\r\n");
}
END_TEST

/* What was seen of one is not taken for granted of the next. */
START_TEST(values_of_a_run_that_are_alike_or_nearly)
{
    ask("a:0 b:0 c:0 d:0 e:0");
    run_is(0,
           "VALUE a 0 3\r\nAAA\r\nVALUE b 0 3\r\n\r\nB\r\nVALUE c 0 31\r\n"
           "ccccccccccccccccccccccccccccccc\r\nVALUE d 1 3\r\nDDD\r\nVALUE e 0 3 5\r\nEEE\r\n",
           "SERVER_ERROR\r\n");
    merges_to("VALUE a 0 3\r\nAAA\r\nVALUE b 0 3\r\n\r\nB\r\nVALUE c 0 31\r\n"
              "ccccccccccccccccccccccccccccccc\r\nVALUE d 1 3\r\nDDD\r\n"
              "VALUE e 0 3 5\r\nEEE\r\n");
    ask("a:0 b:0");
    run_is(0, "VALUE a 0 3\r\nAAA\r\n", "VALUE b 0 3\r\nBBBB\r\n");
    merges_to("VALUE a 0 3\r\nAAA\r\n");
    ask("a:0 b:0");
    run_is(0, "VALUE a 0 3\r\nAAA\r\n", "VALUE b 0 3\r\nBBB\r");
    merges_to("VALUE a 0 3\r\nAAA\r\n");
    ask("a:0 b:0 c:0");
    run_is(0, "VALUE a 0 0\r\n\r\nVALUE b 0 0\r\n\r\nVALUE c 0 0\r\n\r\n", "");
    merges_to("VALUE a 0 0\r\n\r\nVALUE b 0 0\r\n\r\nVALUE c 0 0\r\n\r\n");
    ask("a:0 b:0");
    run_is(0, "VALUE a 0 1\r\nA\r\n", "VALUE b 0 1");
    merges_to("VALUE a 0 1\r\nA\r\n");
}
END_TEST

START_TEST(what_is_unusual_is_no_run)
{
    static const char *const lines[] = {
        "VALUE",
        "VALUE ",
        "VALUE a",
        "VALUE a 0 1\r\nA\r",
        "VALUE a 0 1\r\nA",
        "VALUE a 0 1\r\n",
        "VALUE a 0 1\r",
        "VALUE a 0 1\nA\r\n",
        "VALUE a 0 1\r\nAA\r\n",
        "VALUE b 0 1\r\nA\r\n",
        "VALUE aa 0 1\r\nA\r\n",
        "VALUE  a 0 1\r\nA\r\n",
        "VALUE a  0 1\r\nA\r\n",
        "VALUE a 0 -1\r\nA\r\n",
        "VALUE a 0 1 \r\nA\r\n",
        "VALUE a 0 1 5 6\r\nA\r\n",
        "VALUE a 0\r\nA\r\n",
        "VALUE a x 1\r\nA\r\n",
        "VALUE a 0 18446744073709551617\r\nA\r\n",
        "VALUE a 0 18446744073709551615\r\nA\r\n",
        "value a 0 1\r\nA\r\n",
        "END\r",
        "END \r\n",
        "ERROR\r\n",
        "",
    };
    ask("a:0 b:1");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        run_is(0, "", lines[i]);
    }
    merges_to("");
}
END_TEST

/* Those who joined are told by the general way. */
START_TEST(a_run_ends_where_somebody_waits)
{
    struct flight_table t;
    flight_table_init(&t);
    ask("a:0 b:0 c:0");
    for (uint32_t i = 0; i < 3; i++) {
        struct lookup_key key = {multiget_key_span(&m, i), i, 0};
        ck_assert(flight_begin(&t, &m.keys[i].lead, &key, FORM_TEXT, 0, &t));
    }
    struct lookup_key b = {SPAN_LIT("b"), 1, 0};
    struct flight *f = flight_find(&t, &b, FORM_TEXT, 0);
    ck_assert_ptr_eq(m.keys[1].lead.flight, f);
    struct multiget_run taken;
    struct span input = SPAN_LIT("VALUE a 0 1\r\nA\r\nVALUE c 0 1\r\nC\r\n");
    ck_assert(multiget_take_run(&m, 0, input, &t, &taken));
    ck_assert_uint_eq(taken.hits, 1);
    ck_assert_uint_eq(multiget_pass(&m, 0), 1);
    ck_assert(!m.keys[0].lead.listed && m.keys[2].lead.listed);
    ck_assert(multiget_take_run(&m, 0, span_skip(input, taken.bytes), &t, &taken));
    ck_assert_uint_eq(taken.hits, 1);
    ck_assert_uint_eq(t.count, 1);
    flight_close(&t, &f);
    merges_to("VALUE a 0 1\r\nA\r\nVALUE c 0 1\r\nC\r\n");
    ask("a:0 b:0");
    for (uint32_t i = 0; i < 2; i++) {
        struct lookup_key key = {multiget_key_span(&m, i), i, 0};
        ck_assert(flight_begin(&t, &m.keys[i].lead, &key, FORM_TEXT, 0, &t));
    }
    f = flight_find(&t, &b, FORM_TEXT, 0);
    ck_assert(multiget_take_run(&m, 0, SPAN_LIT("END\r\n"), &t, &taken));
    ck_assert(taken.bytes == 0 && !taken.ended && m.keys[0].lead.listed);
    flight_unlist_lead(&t, &m.keys[0].lead);
    flight_close(&t, &f);
    flight_table_deinit(&t);
    merges_to("");
}
END_TEST

START_TEST(keys_that_begin_alike)
{
    ask("ab:0 a:0 abc:0");
    ck_assert_int_eq(answer(0, "a", "<a>"), OK);
    ck_assert_int_eq(answer(0, "abc", "<abc>"), OK);
    merges_to("<a><abc>");
}
END_TEST

START_TEST(a_cleared_one_begins_anew)
{
    ask("a:0 b:1 c:2");
    ck_assert_int_eq(answer(2, "c", "<c>"), OK);
    merges_to("<c>");
    ask("c:0 d:0");
    ck_assert_int_eq(answer(0, "d", "<d>"), OK);
    merges_to("<d>");

    struct multiget_pool pool = {0};
    for (int round = 0; round < 3; round++) {
        struct multiget *held[MULTIGET_SPARES + 2];
        for (unsigned i = 0; i < MULTIGET_SPARES + 2; i++) {
            held[i] = multiget_pool_borrow(&pool);
            ck_assert(multiget_begin(held[i], SPAN_LIT("k"), 1));
            multiget_add_key(held[i], 0, 1, multiget_add_shard(held[i]));
        }
        for (unsigned i = 0; i < MULTIGET_SPARES + 2; i++) {
            multiget_pool_give_back(&pool, &held[i]);
        }
        ck_assert_uint_eq(pool.count, MULTIGET_SPARES);
    }
    multiget_pool_deinit(&pool);
}
END_TEST

/* Random keys, doubled often, over random shards, each of which has some of
 * them; the shards answer in random interleaving. */
START_TEST(any_split_merges_as_one_server_would_answer)
{
    uint64_t rng = 42;
    struct multiget many = {0};
    for (int round = 0; round < 500; round++) {
        uint32_t count = 1 + (uint32_t)(random_next(&rng) % 40), shards = 1 + count % 5;
        unsigned keys[40];
        uint32_t at[40], shard_next[5] = {0};
        char line[256] = "";
        struct buf expected = BUF_EMPTY, got = BUF_EMPTY;
        uint64_t there = random_next(&rng); /* which of the 26 keys exist */
        for (uint32_t i = 0; i < count; i++) {
            keys[i] = (unsigned)(random_next(&rng) % 26);
            at[i] = (uint32_t)strlen(line);
            snprintf(line + at[i], sizeof(line) - at[i], "%c ", 'a' + (int)keys[i]);
            if (there >> keys[i] & 1) {
                buf_printf(&expected, "<%c>", 'a' + (int)keys[i]);
            }
        }
        ck_assert(multiget_begin(&many, span_cstr(line), count));
        for (uint32_t i = 0; i < shards; i++) {
            multiget_add_shard(&many);
        }
        for (uint32_t i = 0; i < count; i++) {
            multiget_add_key(&many, at[i], 1, keys[i] % shards);
        }
        for (uint32_t left = count; left > 0;) {
            uint32_t shard = (uint32_t)(random_next(&rng) % shards);
            uint32_t i = shard_next[shard];
            while (i < count && keys[i] % shards != shard) {
                i++;
            }
            shard_next[shard] = i + 1;
            if (i >= count) {
                continue;
            }
            left--;
            if (there >> keys[i] & 1) {
                char raw[8];
                snprintf(raw, sizeof(raw), "<%c>", 'a' + (int)keys[i]);
                ck_assert_int_eq(take(&many, shard, span_make(line + at[i], 1), raw), OK);
            }
        }
        ck_assert(multiget_merge(&many, SPAN_LIT(""), &got));
        ck_assert(span_eq(buf_span(&got), buf_span(&expected)));
        multiget_clear(&many);
        buf_deinit(&expected);
        buf_deinit(&got);
    }
    multiget_deinit(&many);
}
END_TEST

UNIT_MAIN("multiget", merges_in_the_clients_order, what_is_not_answered_is_a_miss,
          doubled_keys_are_answered_each, strange_answers_are_noticed,
          a_run_of_values_is_taken_at_once, a_run_may_end_the_reply,
          values_of_a_run_that_are_alike_or_nearly, what_is_unusual_is_no_run,
          a_run_ends_where_somebody_waits, guests_stand_in_the_clients_order,
          every_key_is_passed_once, keys_that_begin_alike, a_cleared_one_begins_anew,
          any_split_merges_as_one_server_would_answer)
