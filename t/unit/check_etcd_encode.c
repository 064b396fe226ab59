/* Request bodies, byte for byte. */
#include "control/etcd/encode.h"
#include "control/etcd/txn.h"
#include "t/unit/unit.h"

static void
expect(struct buf *b, const char *want)
{
    ck_assert(buf_append(b, "", 1));
    ck_assert_str_eq(buf_span(b).ptr, want);
    buf_deinit(b);
}

static void
expect_prefix_end(struct span prefix, const char *want)
{
    struct buf b = BUF_EMPTY;
    encode_delete(&b, prefix, SPAN_LIT(""), KEY_PREFIX);
    expect(&b, want);
}

START_TEST(ranges_of_a_prefix_end_behind_it)
{
    expect_prefix_end(SPAN_LIT("a/"), "{\"key\":\"YS8=\",\"range_end\":\"YTA=\"}");
    expect_prefix_end(SPAN_LIT("a\xff"), "{\"key\":\"Yf8=\",\"range_end\":\"Yg==\"}");
    expect_prefix_end(SPAN_LIT("\xff\xff"), "{\"key\":\"//8=\",\"range_end\":\"AA==\"}");
    expect_prefix_end(SPAN_LIT(""), "{\"key\":\"AA==\",\"range_end\":\"AA==\"}");
}
END_TEST

START_TEST(single_requests)
{
    struct span p = SPAN_LIT("p/");
    struct encode_page page = {.after = SPAN_LIT("k"), .revision = 7, .limit = 10};
    struct buf b = BUF_EMPTY;
    encode_range(&b, p, SPAN_LIT("k"), KEY_EXACT, &(struct encode_page){0});
    expect(&b, "{\"key\":\"cC9r\"}");
    encode_range(&b, p, SPAN_LIT(""), KEY_PREFIX, &page);
    expect(&b, "{\"key\":\"cC9rAA==\",\"range_end\":\"cDA=\",\"limit\":\"10\",\"revision\":\"7\"}");
    encode_put(&b, p, SPAN_LIT("k"), SPAN_LIT("v"), 0);
    expect(&b, "{\"key\":\"cC9r\",\"value\":\"dg==\"}");
    encode_put(&b, p, SPAN_LIT("k"), SPAN_LIT(""), 7587869134001122334);
    expect(&b, "{\"key\":\"cC9r\",\"value\":\"\",\"lease\":\"7587869134001122334\"}");
    encode_watch(&b, p, SPAN_LIT("n/"), 12);
    expect(&b, "{\"create_request\":{\"key\":\"cC9uLw==\",\"range_end\":\"cC9uMA==\","
               "\"start_revision\":\"12\",\"prev_kv\":true,\"progress_notify\":true}}");
    encode_lease_grant(&b, 15);
    expect(&b, "{\"TTL\":\"15\"}");
    encode_lease_id(&b, 9);
    expect(&b, "{\"ID\":\"9\"}");
    encode_authenticate(&b, SPAN_LIT("a\"b"), SPAN_LIT("c\\d\n\xc3\xa9"));
    expect(&b, "{\"name\":\"a\\u0022b\",\"password\":\"c\\u005cd\\u000a\xc3\xa9\"}");
}
END_TEST

START_TEST(transactions)
{
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_if(txn, SPAN_LIT("a"), ETCD_CREATE_REVISION, ETCD_EQUAL, 0);
    etcd_txn_if(txn, SPAN_LIT("a"), ETCD_VERSION, ETCD_GREATER, 2);
    etcd_txn_if_value(txn, SPAN_LIT("a"), ETCD_NOT_EQUAL, SPAN_LIT("v"));
    etcd_txn_if_unchanged(txn, SPAN_LIT("a"), 9);
    etcd_txn_if(txn, SPAN_LIT("a"), ETCD_LEASE, ETCD_LESS, 4);
    etcd_txn_put(txn, ETCD_THEN, SPAN_LIT("a"), SPAN_LIT("v"), 3);
    etcd_txn_delete(txn, ETCD_THEN, SPAN_LIT("b"));
    etcd_txn_delete_prefix(txn, ETCD_THEN, SPAN_LIT("c/"));
    etcd_txn_get(txn, ETCD_ELSE, SPAN_LIT("a"));
    etcd_txn_get_prefix(txn, ETCD_ELSE, SPAN_LIT("c/"));
    ck_assert_uint_eq(etcd_txn_ops(txn), 3);
    ck_assert_uint_eq(etcd_txn_bytes(txn), 5 + 1 + 1 + 1 + 1 + 2 + 1 + 2);
    struct buf b = BUF_EMPTY;
    etcd_txn_encode(txn, SPAN_LIT("p/"), &b);
    etcd_txn_destroy(&txn);
    ck_assert_ptr_null(txn);
    expect(
        &b,
        "{\"compare\":["
        "{\"key\":\"cC9h\",\"target\":\"CREATE\",\"result\":\"EQUAL\",\"create_revision\":\"0\"},"
        "{\"key\":\"cC9h\",\"target\":\"VERSION\",\"result\":\"GREATER\",\"version\":\"2\"},"
        "{\"key\":\"cC9h\",\"target\":\"VALUE\",\"result\":\"NOT_EQUAL\",\"value\":\"dg==\"},"
        "{\"key\":\"cC9h\",\"target\":\"MOD\",\"result\":\"EQUAL\",\"mod_revision\":\"9\"},"
        "{\"key\":\"cC9h\",\"target\":\"LEASE\",\"result\":\"LESS\",\"lease\":\"4\"}],"
        "\"success\":["
        "{\"request_put\":{\"key\":\"cC9h\",\"value\":\"dg==\",\"lease\":\"3\"}},"
        "{\"request_delete_range\":{\"key\":\"cC9i\"}},"
        "{\"request_delete_range\":{\"key\":\"cC9jLw==\",\"range_end\":\"cC9jMA==\"}}],"
        "\"failure\":["
        "{\"request_range\":{\"key\":\"cC9h\"}},"
        "{\"request_range\":{\"key\":\"cC9jLw==\",\"range_end\":\"cC9jMA==\"}}]}");
}
END_TEST

UNIT_MAIN("etcd_encode", ranges_of_a_prefix_end_behind_it, single_requests, transactions)
