/* The pure rooms that bytes pass first: json_split and decode. */
#include "control/etcd/decode.h"
#include "control/etcd/json_split.h"
#include "t/unit/unit.h"

#include <stdint.h>

#define BIG (1u << 20)

/* Feeds `text` in pieces of `step` bytes as a stream does and writes the
 * messages to `out`, each followed by '|'. Returns the last result. */
static enum split_result
split_all(const char *text, size_t step, size_t max, char *out)
{
    struct json_split s = {0};
    size_t total = strlen(text);
    size_t start = 0;
    out[0] = '\0';
    for (size_t have = 0; have <= total; have += step) {
        enum split_result r;
        do {
            struct span message;
            size_t consumed;
            r = json_split_next(&s, span_make(text + start, have - start), max, &message,
                                &consumed);
            start += consumed;
            if (r == SPLIT_MESSAGE) {
                strncat(out, message.ptr, message.len);
                strcat(out, "|");
            } else if (r != SPLIT_MORE) {
                return r;
            }
        } while (r == SPLIT_MESSAGE);
    }
    return SPLIT_MORE;
}

START_TEST(splits_at_any_cut)
{
    static const char TEXT[] = " {\"a\":{}}\n{\"}{\":\"\\\"}\\\\\"}\r\n\t{}{\"b\":[{\"c\":1}]}";
    static const char WANT[] = "{\"a\":{}}|{\"}{\":\"\\\"}\\\\\"}|{}|{\"b\":[{\"c\":1}]}|";
    for (size_t step = 1; step < sizeof(TEXT); step++) {
        char got[256];
        ck_assert_int_eq(split_all(TEXT, step, BIG, got), SPLIT_MORE);
        if ((sizeof(TEXT) - 1) % step == 0) {
            ck_assert_str_eq(got, WANT);
        }
    }
}
END_TEST

START_TEST(refuses_what_is_no_object)
{
    static const char *const TEXTS[] = {"[]", "null", "\"{}\"", "x", "{}[]", "{} }", "404 page"};
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        char got[256];
        ck_assert_int_eq(split_all(TEXTS[i], 1, BIG, got), SPLIT_BAD);
    }
}
END_TEST

START_TEST(bounds_a_message)
{
    char got[256];
    ck_assert_int_eq(split_all("{\"a\":1}", 1, 7, got), SPLIT_MORE);
    ck_assert_str_eq(got, "{\"a\":1}|");
    ck_assert_int_eq(split_all("{\"a\":12}", 1, 7, got), SPLIT_TOO_LARGE);
    ck_assert_int_eq(split_all("{\"a\":12}", 8, 7, got), SPLIT_TOO_LARGE);
}
END_TEST

static bool
decode(const char *json, struct answer *a)
{
    const char *error = NULL;
    bool ok = answer_decode(span_cstr(json), SPAN_LIT("/mf/"), a, &error);
    ck_assert(ok || error != NULL);
    return ok;
}

START_TEST(decodes_a_range)
{
    struct answer a;
    ck_assert(decode("{\"header\":{\"cluster_id\":\"18446744073709551615\",\"member_id\":7,"
                     "\"revision\":\"9223372036854775807\",\"raft_term\":\"2\"},"
                     "\"kvs\":[{\"key\":\"L21mL2E=\",\"value\":\"AP8=\",\"mod_revision\":\"5\","
                     "\"lease\":\"7587869134001122334\"},{\"key\":\"L21mLw==\"}],"
                     "\"more\":true,\"count\":\"9\"}",
                     &a));
    ck_assert_uint_eq(a.header.cluster_id, UINT64_MAX);
    ck_assert_uint_eq(a.header.member_id, 7);
    ck_assert_int_eq(a.header.revision, INT64_MAX);
    ck_assert_uint_eq(a.kv_count, 2);
    ck_assert(a.more);
    ck_assert(span_eq_cstr(a.kvs[0].key, "a"));
    ck_assert(span_eq(a.kvs[0].value, SPAN_LIT("\0\xff")));
    ck_assert_int_eq(a.kvs[0].mod_revision, 5);
    ck_assert_int_eq(a.kvs[0].lease, 7587869134001122334);
    ck_assert_uint_eq(a.kvs[1].key.len, 0);
    ck_assert_int_eq(a.kvs[1].version, 0);
    answer_deinit(&a);
}
END_TEST

START_TEST(decodes_a_transaction)
{
    struct answer a;
    ck_assert(decode("{\"header\":{\"revision\":\"9\"},\"succeeded\":true,\"responses\":["
                     "{\"response_put\":{}},{\"response_delete_range\":{\"deleted\":\"3\"}},"
                     "{\"response_range\":{\"kvs\":[{\"key\":\"L21mL2E=\"}],\"count\":\"1\"}}]}",
                     &a));
    ck_assert(a.succeeded);
    ck_assert_uint_eq(a.result_count, 3);
    ck_assert_int_eq(a.results[1].deleted, 3);
    ck_assert_uint_eq(a.results[2].kv_count, 1);
    answer_deinit(&a);
    ck_assert(decode("{\"header\":{\"revision\":\"9\"}}", &a));
    ck_assert(!a.succeeded);
    ck_assert_uint_eq(a.result_count, 0);
    answer_deinit(&a);
}
END_TEST

START_TEST(decodes_watch_messages)
{
    struct answer a;
    ck_assert(decode("{\"result\":{\"header\":{},\"created\":true,\"watch_id\":\"-1\","
                     "\"canceled\":true,\"cancel_reason\":\"why\",\"compact_revision\":\"20\"}}",
                     &a));
    ck_assert(a.created && a.canceled && !a.fragment);
    ck_assert_int_eq(a.watch_id, -1);
    ck_assert_int_eq(a.compact_revision, 20);
    ck_assert_str_eq(a.cancel_reason, "why");
    answer_deinit(&a);
    ck_assert(decode("{\"result\":{\"fragment\":true,\"events\":[{\"kv\":{\"key\":\"L21mL2E=\"}},"
                     "{\"type\":\"DELETE\",\"kv\":{\"key\":\"L21mL2I=\",\"mod_revision\":\"4\"},"
                     "\"prev_kv\":{\"key\":\"L21mL2I=\",\"value\":\"eA==\"}}]}}",
                     &a));
    ck_assert(a.fragment);
    ck_assert_uint_eq(a.change_count, 2);
    ck_assert(!a.changes[0].is_delete && !a.changes[0].has_prev);
    ck_assert(a.changes[1].is_delete && a.changes[1].has_prev);
    ck_assert(span_eq_cstr(a.changes[1].prev.value, "x"));
    answer_deinit(&a);
}
END_TEST

START_TEST(decodes_every_shape_of_error)
{
    static const char *const TEXTS[] = {
        "{\"error\":\"no\",\"message\":\"no\",\"code\":14}",
        "{\"error\":\"no\",\"code\":14}",
        "{\"code\":14,\"message\":\"no\",\"details\":[]}",
        "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no\"}}",
        "{\"error\":{\"code\":14,\"message\":\"no\",\"details\":[]}}",
    };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct answer a;
        ck_assert(decode(TEXTS[i], &a));
        ck_assert(a.is_error);
        ck_assert_int_eq(a.code, 14);
        ck_assert_str_eq(a.message, "no");
        answer_deinit(&a);
    }
}
END_TEST

START_TEST(refuses_what_is_malformed)
{
    static const char *const TEXTS[] = {
        "",
        "[]",
        "7",
        "{",
        "{}{}",
        "{\"header\":7}",
        "{\"header\":{\"revision\":\"\"}}",
        "{\"header\":{\"revision\":1.5}}",
        "{\"header\":{\"revision\":\"9223372036854775808\"}}",
        "{\"header\":{\"cluster_id\":\"-1\"}}",
        "{\"header\":{\"cluster_id\":-1}}",
        "{\"succeeded\":\"true\"}",
        "{\"kvs\":[{\"key\":\"/w==\"}]}",
        "{\"kvs\":[{}]}",
        "{\"events\":[{}]}",
        "{\"events\":[{\"type\":\"NEW\",\"kv\":{\"key\":\"L21mLw==\"}}]}",
        "{\"result\":[]}",
        "{\"responses\":[{\"response_range\":[]}]}",
        "{\"more\":true,\"more\":1}",
        "{\"error\":{\"code\":\"x\"}}",
        "{\"kvs\":[{\"key\":\"L21mLw=\"}]}",
    };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct answer a;
        ck_assert_msg(!decode(TEXTS[i], &a), "%s", TEXTS[i]);
    }
}
END_TEST

START_TEST(nothing_is_null_and_unknown_is_ignored)
{
    struct answer a;
    ck_assert(decode("{\"header\":null,\"kvs\":null,\"more\":null,\"ID\":null,\"x\":[[{}]],"
                     "\"result\":null}",
                     &a));
    ck_assert_int_eq(a.header.revision, 0);
    ck_assert_uint_eq(a.kv_count, 0);
    answer_deinit(&a);
}
END_TEST

UNIT_MAIN("etcd_json", splits_at_any_cut, refuses_what_is_no_object, bounds_a_message,
          decodes_a_range, decodes_a_transaction, decodes_watch_messages,
          decodes_every_shape_of_error, refuses_what_is_malformed,
          nothing_is_null_and_unknown_is_ignored)
