#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "t/unit/unit.h"

#include <stdio.h>

/* A literal that a struct of char pointers takes. */
#define TEXT(literal) ((char[]){literal})

#define NODE_A "{\"id\":\"a\",\"addr\":\"10.0.0.1:11211\"}"
#define NODE_B "{\"id\":\"b\",\"addr\":\"10.0.0.2:11211\"}"
#define HEAD   "\"memfleet_table\":1,\"epoch\":7"
#define POOL   "{\"nodes\":[" NODE_A "," NODE_B "]}"
#define PLAIN  "{" HEAD ",\"pools\":{\"main\":" POOL "}}"

static struct table *
parse(const char *text)
{
    char error[TABLE_ERROR_MAX] = "";
    struct table *table = table_parse(span_cstr(text), error);
    ck_assert_msg(table != NULL, "%s: %s", text, error);
    return table;
}

static void
assert_refused(const char *text, const char *expect)
{
    char error[TABLE_ERROR_MAX] = "";
    struct table *table = table_parse(span_cstr(text), error);
    ck_assert_msg(table == NULL, "%s", text);
    ck_assert_msg(strncmp(error, expect, strlen(expect)) == 0, "got: %s\nwant: %s", error, expect);
}

START_TEST(what_is_left_out_has_a_default)
{
    struct table *t = parse(PLAIN);
    ck_assert_uint_eq(t->epoch, 7);
    ck_assert_uint_eq(t->min_epoch, 0);
    ck_assert_str_eq(t->cluster, "");
    ck_assert_str_eq(t->incarnation, "");
    ck_assert(!t->force);
    ck_assert_uint_eq(t->pool_count, 1);
    ck_assert_uint_eq(t->default_pool, 0);
    const struct table_pool *pool = &t->pools[0];
    ck_assert_str_eq(pool->name, "main");
    ck_assert_int_eq(pool->ring_config.kind, RING_LIBMEMCACHED);
    ck_assert_int_eq(pool->ring_config.hash, KEY_HASH_MD5);
    ck_assert_uint_eq(pool->connect_timeout_ms, 200);
    ck_assert_uint_eq(pool->request_timeout_ms, 250);
    ck_assert(!pool->flush_all);
    ck_assert_int_eq(pool->on_read_error, READ_ERROR_MISS);
    ck_assert_int_eq(pool->on_write_error, WRITE_ERROR_ERROR);
    ck_assert_int_eq(pool->meta_errors, META_ERRORS_NS);
    ck_assert(pool->coalesce);
    ck_assert_int_eq(pool->rejoin, REJOIN_REPLAY);
    ck_assert_str_eq(pool->gutter, "");
    ck_assert_uint_eq(pool->gutter_pool, TABLE_NO_POOL);
    ck_assert_uint_eq(pool->gutter_ttl_s, 10);
    ck_assert(!pool->is_gutter);
    ck_assert_str_eq(pool->shadow.name, "");
    ck_assert_uint_eq(pool->shadow.pool, TABLE_NO_POOL);
    ck_assert_uint_eq(pool->shadow.percent, 0);
    ck_assert_uint_eq(pool->miss_lease_ms, 0);
    ck_assert_uint_eq(pool->replicas, 1);
    ck_assert_uint_eq(pool->replica_ttl_ms, 10000);
    ck_assert_uint_eq(pool->limit_count, 0);
    ck_assert_str_eq(pool->limits_text, "");
    ck_assert_uint_eq(table_pool_limit(pool, SPAN_LIT("k")), TABLE_NO_LIMIT);
    ck_assert_uint_eq(pool->promote_percent, 0);
    ck_assert_uint_eq(pool->replica_ttl_local_ms, 500);
    ck_assert_uint_eq(pool->near_cache_bytes, 0);
    ck_assert_uint_eq(pool->near_cache_ttl_ms, 250);
    ck_assert_str_eq(pool->hot_text, "");
    ck_assert(!hotset_has(&pool->hot, SPAN_LIT("k")));
    const struct table_node *node = &pool->nodes[1];
    ck_assert_str_eq(node->id, "b");
    ck_assert_ptr_null(node->ring_name);
    ck_assert_str_eq(node->zone, "");
    ck_assert_uint_eq(node->weight, 1);
    ck_assert_int_eq(node->state, NODE_ACTIVE);
    ck_assert_int_eq(node->kind, NODE_KIND_MFCACHED);
    ck_assert_uint_eq(node->generation, 0);
    ck_assert(span_eq_cstr(buf_span(&t->document), PLAIN));
    table_unref(&t);
    ck_assert_ptr_null(t);
}
END_TEST

/* Each member that there is, with another value than it has where it is left out. */
static const char full_table[] =
    "{\"memfleet_table\":1,\"min_reader\":1,\"cluster\":\"c\",\"incarnation\":\"i1\",\"epoch\":"
    "9,\"min_epoch\":8,\"force\":true,\"by\":\"me\",\"reason\":\"why\",\"default_pool\":\"q\","
    "\"later\":[{}],\"pools\":{\"p\":" POOL ",\"q\":{\"ring\":\"twemproxy\",\"key_hash\":"
    "\"murmur\",\"hash_strip_prefix\":\"app:\",\"hash_tag\":\"{}\",\"hash_stop\":\"|#|\","
    "\"connect_timeout_ms\":11,\"request_timeout_ms\":12,\"flush_all\":\"allow\","
    "\"on_read_error\":\"error\",\"on_write_error\":\"not_stored\",\"meta_errors\":\"raw\","
    "\"coalesce\":false,\"miss_lease_ms\":13,\"rejoin\":\"flush\",\"gutter\":\"p\",\"gutter_"
    "ttl_s\":7,\"replicas\":3,\"replica_ttl_ms\":2000,"
    "\"limits\":{\"u:\":{\"bytes\":9,\"burst_ms\":10},\"\":{\"requests\":7}},"
    "\"shadow\":{\"pool\":\"p\",\"percent\":7,\"requests\":\"writes\"},"
    "\"promote_percent\":20,\"replica_ttl_local_ms\":250,"
    "\"near_cache_bytes\":4096,\"near_cache_ttl_ms\":999,"
    "\"hot\":{\"prefixes\":[\"m:\"],\"keys\":[\"ab\",\"a\"]},"
    "\"later\":null,\"nodes\":[{\"id\":\"n\",\"addr\":\"unix:/run/"
    "m\",\"ring_name\":\"old:1\","
    "\"weight\":3,\"zone\":\"z\",\"state\":\"draining\",\"kind\":\"memcached\",\"generation\":"
    "5,\"later\":1},{\"id\":\"o\",\"addr\":\"[::1]:1\",\"state\":\"down\"}]}}}";

/* Its second pool, `q`. */
static const struct table_pool *
second_pool(const struct table *t)
{
    const struct table_pool *q = table_pool_find(t, SPAN_LIT("q"));
    ck_assert_ptr_eq(q, &t->pools[1]);
    return q;
}

START_TEST(members_of_the_table_are_read)
{
    struct table *t = parse(full_table);
    ck_assert_str_eq(t->cluster, "c");
    ck_assert_str_eq(t->incarnation, "i1");
    ck_assert_uint_eq(t->min_epoch, 8);
    ck_assert(t->force);
    ck_assert_str_eq(t->by, "me");
    ck_assert_str_eq(t->reason, "why");
    ck_assert_uint_eq(t->default_pool, 1);
    ck_assert_ptr_null(table_pool_find(t, SPAN_LIT("r")));
    table_unref(&t);
}
END_TEST

START_TEST(settings_of_a_pool_are_read)
{
    struct table *t = parse(full_table);
    const struct table_pool *q = second_pool(t);
    ck_assert_int_eq(q->ring_config.kind, RING_TWEMPROXY);
    ck_assert_int_eq(q->ring_config.hash, KEY_HASH_MURMUR);
    ck_assert(span_eq_cstr(q->tag.strip_prefix, "app:"));
    ck_assert(span_eq_cstr(q->tag.stop, "|#|"));
    ck_assert_int_eq(q->tag.open, '{');
    ck_assert_int_eq(q->tag.close, '}');
    ck_assert_uint_eq(q->connect_timeout_ms, 11);
    ck_assert_uint_eq(q->request_timeout_ms, 12);
    ck_assert(q->flush_all);
    ck_assert_int_eq(q->on_read_error, READ_ERROR_ERROR);
    ck_assert_int_eq(q->on_write_error, WRITE_ERROR_NOT_STORED);
    ck_assert_int_eq(q->meta_errors, META_ERRORS_RAW);
    ck_assert(!q->coalesce);
    ck_assert_int_eq(q->rejoin, REJOIN_FLUSH);
    ck_assert_str_eq(q->gutter, "p");
    ck_assert_uint_eq(q->gutter_pool, 0);
    ck_assert_uint_eq(q->gutter_ttl_s, 7);
    ck_assert(t->pools[0].is_gutter && !q->is_gutter);
    ck_assert_str_eq(q->shadow.name, "p");
    ck_assert_uint_eq(q->shadow.pool, 0);
    ck_assert_uint_eq(q->shadow.percent, 7);
    ck_assert_int_eq(q->shadow.requests, SHADOW_WRITES);
    ck_assert_uint_eq(q->miss_lease_ms, 13);
    ck_assert_uint_eq(q->replicas, 3);
    ck_assert_uint_eq(q->replica_ttl_ms, 2000);
    ck_assert_uint_eq(q->promote_percent, 20);
    ck_assert_uint_eq(q->replica_ttl_local_ms, 250);
    ck_assert_uint_eq(q->near_cache_bytes, 4096);
    ck_assert_uint_eq(q->near_cache_ttl_ms, 999);
    table_unref(&t);
}
END_TEST

START_TEST(limits_and_hot_keys_are_read)
{
    struct table *t = parse(full_table);
    const struct table_pool *q = second_pool(t);
    ck_assert_uint_eq(q->limit_count, 2);
    ck_assert_str_eq(q->limits_text,
                     "{\"\":{\"requests\":7},\"u:\":{\"burst_ms\":10,\"bytes\":9}}");
    const struct table_limit *of_u = &q->limits[table_pool_limit(q, SPAN_LIT("u:1"))];
    ck_assert_str_eq(of_u->prefix, "u:");
    ck_assert(of_u->requests == 0 && of_u->bytes == 9 && of_u->burst_ms == 10);
    const struct table_limit *of_all = &q->limits[table_pool_limit(q, SPAN_LIT("u"))];
    ck_assert_str_eq(of_all->prefix, "");
    ck_assert(of_all->requests == 7 && of_all->bytes == 0 && of_all->burst_ms == 1000);
    ck_assert_str_eq(q->hot_text, "{\"keys\":[\"ab\",\"a\"],\"prefixes\":[\"m:\"]}");
    ck_assert(hotset_has(&q->hot, SPAN_LIT("a")) && hotset_has(&q->hot, SPAN_LIT("ab")));
    ck_assert(hotset_has(&q->hot, SPAN_LIT("m:")) && hotset_has(&q->hot, SPAN_LIT("m:1")));
    ck_assert(!hotset_has(&q->hot, SPAN_LIT("abc")) && !hotset_has(&q->hot, SPAN_LIT("m")));
    table_unref(&t);
}
END_TEST

START_TEST(nodes_are_read)
{
    struct table *t = parse(full_table);
    const struct table_pool *q = second_pool(t);
    ck_assert_str_eq(q->nodes[0].ring_name, "old:1");
    ck_assert_uint_eq(q->nodes[0].weight, 3);
    ck_assert_str_eq(q->nodes[0].zone, "z");
    ck_assert_int_eq(q->nodes[0].state, NODE_DRAINING);
    ck_assert_int_eq(q->nodes[0].kind, NODE_KIND_MEMCACHED);
    ck_assert_uint_eq(q->nodes[0].generation, 5);
    ck_assert_int_eq(q->nodes[1].state, NODE_DOWN);
    table_unref(&t);
}
END_TEST

START_TEST(keys_go_by_what_of_them_is_hashed)
{
    struct table *t = parse(full_table);
    const struct table_pool *q = second_pool(t);
    ck_assert_uint_eq(table_pool_owner(q, SPAN_LIT("app:{x}1")),
                      table_pool_owner(q, SPAN_LIT("{x}2|#|3")));
    struct span keys[] = {SPAN_LIT("app:{x}1"), SPAN_LIT("{y}2|#|3"), SPAN_LIT("z"), SPAN_LIT("")};
    unsigned owners[4];
    table_pool_owners(q, keys, 4, owners);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(owners[i], table_pool_owner(q, keys[i]));
    }
    table_unref(&t);
}
END_TEST

START_TEST(keys_go_by_their_longest_prefix)
{
    struct table *t =
        parse("{" HEAD ",\"default_pool\":\"m\",\"routes\":{\"s:\":\"n\",\"s:x:\":\"m\","
              "\"t:\":\"n\"},\"pools\":{\"m\":" POOL ",\"n\":" POOL ",\"o\":" POOL "}}");
    ck_assert_uint_eq(t->routes.count, 3);
    ck_assert_uint_eq(table_pool_of(t, SPAN_LIT("s:1")), 1);
    ck_assert_uint_eq(table_pool_of(t, SPAN_LIT("s:x:1")), 0);
    ck_assert_uint_eq(table_pool_of(t, SPAN_LIT("t:")), 1);
    ck_assert_uint_eq(table_pool_of(t, SPAN_LIT("t")), 0);
    ck_assert(t->pools[0].routed && t->pools[1].routed);
    ck_assert(!t->pools[2].routed);
    struct buf again = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "";
    ck_assert_msg(table_build(t, &again, error), "%s", error);
    struct table *copy = table_parse(buf_span(&again), error);
    ck_assert_msg(copy != NULL, "%s", error);
    ck_assert_uint_eq(copy->routes.count, 3);
    ck_assert_uint_eq(table_pool_of(copy, SPAN_LIT("s:1")), 1);
    ck_assert(!t->strips);
    buf_deinit(&again);
    table_unref(&copy);
    table_unref(&t);
}
END_TEST

START_TEST(a_route_may_take_its_prefix_off)
{
    struct table *t = parse("{" HEAD ",\"default_pool\":\"m\",\"routes\":{\"s:\":{\"pool\":\"n\","
                            "\"strip_prefix\":true},\"s:x:\":{\"pool\":\"n\"},\"t\":\"n\"},"
                            "\"pools\":{\"m\":" POOL ",\"n\":" POOL "}}");
    struct buf again = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "";
    ck_assert_msg(table_build(t, &again, error), "%s", error);
    struct table *copy = table_parse(buf_span(&again), error);
    ck_assert_msg(copy != NULL, "%s", error);
    for (struct table *it = t;; it = copy) {
        ck_assert(it->strips);
        ck_assert_uint_eq(table_pool_of(it, SPAN_LIT("s:1")), 1);
        ck_assert_uint_eq(table_stripped(it, SPAN_LIT("s:1")), 2);
        ck_assert_uint_eq(table_stripped(it, SPAN_LIT("s:")), 2);
        ck_assert_uint_eq(table_stripped(it, SPAN_LIT("s:x:1")), 0);
        ck_assert_uint_eq(table_stripped(it, SPAN_LIT("t1")), 0);
        ck_assert_uint_eq(table_stripped(it, SPAN_LIT("a")), 0);
        if (it == copy) {
            break;
        }
    }
    buf_deinit(&again);
    table_unref(&copy);
    table_unref(&t);
}
END_TEST

START_TEST(the_sha_is_that_of_the_bytes)
{
    struct table *t = parse(PLAIN);
    struct table *spaced = parse(PLAIN " ");
    /* sha256sum of PLAIN. */
    ck_assert_str_eq(t->sha, "01c73e1d0896cfa36971478a120143eb56fa12b9450aa1ddd3b00d3bcfa1b68c");
    ck_assert_str_ne(t->sha, spaced->sha);
    table_unref(&t);
    table_unref(&spaced);
}
END_TEST

static const struct {
    const char *text, *error;
} refusals[] = {
    {"", "not JSON: "},
    {"{", "not JSON: line 1, column 1"},
    {"[]", "expected an object"},
    {PLAIN "x", "not JSON: "},
    {"{\"epoch\":1,\"epoch\":2}", "not JSON: "},
    {"{\"a\":\"\xff\"}", "not JSON: "},
    {"{}", "memfleet_table: missing"},
    {"{\"memfleet_table\":\"1\"}", "memfleet_table: expected a whole number"},
    {"{\"memfleet_table\":3}", "min_reader: is 3, this build reads up to 2"},
    {"{\"memfleet_table\":1,\"min_reader\":3,\"epoch\":\"x\"}", "min_reader: is 3, this build"},
    {"{\"memfleet_table\":1}", "epoch: missing"},
    {"{\"memfleet_table\":1,\"epoch\":0}", "epoch: expected a whole number from 1 to"},
    {"{\"memfleet_table\":1,\"epoch\":-1}", "epoch: expected a whole number"},
    {"{\"memfleet_table\":1,\"epoch\":1.5}", "epoch: expected a whole number"},
    {"{\"memfleet_table\":1,\"epoch\":99999999999999999999}", "not JSON: "},
    {"{" HEAD ",\"min_epoch\":8}", "min_epoch: expected a whole number from 0 to 7"},
    {"{" HEAD ",\"force\":1}", "force: expected true or false"},
    {"{" HEAD ",\"by\":\"a\\u0007\"}", "by: expected a string of at most"},
    {"{" HEAD "}", "pools: missing"},
    {"{" HEAD ",\"pools\":[]}", "pools: expected an object"},
    {"{" HEAD ",\"pools\":{}}", "pools: expected 1 to 1000 pools"},
    {"{" HEAD ",\"pools\":{\"a b\":" POOL "}}", "pools: a pool's name is"},
    {"{" HEAD ",\"pools\":{\"\":" POOL "}}", "pools: a pool's name is"},
    {"{" HEAD ",\"pools\":{\"m\":1}}", "pools.m: expected an object"},
    {"{" HEAD ",\"pools\":{\"m\":" POOL ",\"n\":" POOL "}}", "default_pool: missing, and there"},
    {"{" HEAD ",\"default_pool\":\"x\",\"pools\":{\"m\":" POOL "}}", "default_pool: there is no"},
    {"{" HEAD ",\"default_pool\":\"m\",\"pools\":{\"g\":{\"gutter\":\"m\",\"nodes\":[" NODE_A
     "]},\"m\":{\"gutter\":\"g\",\"nodes\":[" NODE_A "]}}}",
     "pools.g.gutter: names a pool that has a gutter of its own"},
    {"{" HEAD ",\"default_pool\":\"m\",\"pools\":{\"g\":{\"shadow\":{\"pool\":\"m\",\"percent\":1},"
     "\"nodes\":[" NODE_A "]},\"m\":{\"shadow\":{\"pool\":\"x\",\"percent\":0},\"nodes\":[" NODE_A
     "]}}}",
     "pools.g.shadow.pool: names a pool that has a shadow of its own"},
    {"{" HEAD ",\"routes\":[],\"pools\":{\"m\":" POOL "}}", "routes: expected an object"},
    {"{" HEAD ",\"routes\":{\"a:\":\"n\"},\"pools\":{\"m\":" POOL "}}",
     "routes.a:: there is no such pool"},
    {"{" HEAD ",\"routes\":{\"a:\":1},\"pools\":{\"m\":" POOL "}}", "routes.a:: expected a string"},
    {"{" HEAD ",\"routes\":{\"\":\"m\"},\"pools\":{\"m\":" POOL "}}",
     "routes: expected prefixes of 1 to 250"},
    {"{" HEAD ",\"routes\":{\"a b\":\"m\"},\"pools\":{\"m\":" POOL "}}",
     "routes: expected prefixes of 1 to 250"},
    {"{" HEAD ",\"routes\":{\"a\":\"m\",\"a\":\"m\"},\"pools\":{\"m\":" POOL "}}", "not JSON: "},
};

START_TEST(bad_documents_are_refused_by_place)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        assert_refused(refusals[i].text, refusals[i].error);
    }
}
END_TEST

/* What stands inside the only pool's braces. */
static const struct {
    const char *pool, *error;
} pool_refusals[] = {
    {"", "pools.m.nodes: missing"},
    {"\"nodes\":{}", "pools.m.nodes: expected an array"},
    {"\"nodes\":[]", "pools.m.nodes: expected at least one that is active or draining"},
    {"\"ring\":\"jump\",\"nodes\":[" NODE_A "]",
     "pools.m.ring: expected one of libmemcached, libmemcached-ketama, twemproxy"},
    {"\"key_hash\":\"sha1\"", "pools.m.key_hash: expected one of md5, one_at_a_time"},
    {"\"key_hash\":1", "pools.m.key_hash: expected one of md5"},
    {"\"ring\":\"rendezvous\",\"key_hash\":\"md5\"",
     "pools.m.key_hash: this ring hashes keys in its"},
    {"\"key_hash\":\"own\"", "pools.m.key_hash: this ring has no way of its own"},
    {"\"hash_tag\":\"{\"", "pools.m.hash_tag: expected two characters"},
    {"\"hash_stop\":5", "pools.m.hash_stop: expected a string"},
    {"\"connect_timeout_ms\":0", "pools.m.connect_timeout_ms: expected a whole number from 1"},
    {"\"request_timeout_ms\":600001", "pools.m.request_timeout_ms: expected a whole number"},
    {"\"flush_all\":true", "pools.m.flush_all: expected one of deny, allow"},
    {"\"on_read_error\":\"x\"", "pools.m.on_read_error: expected one of miss, error"},
    {"\"rejoin\":\"x\"",
     "pools.m.rejoin: expected one of replay-then-flush-if-lossy, flush, trust"},
    {"\"gutter\":\"m\"", "pools.m.gutter: is the pool itself"},
    {"\"shadow\":\"g\"", "pools.m.shadow: expected an object"},
    {"\"shadow\":{\"percent\":1}", "pools.m.shadow.pool: missing"},
    {"\"shadow\":{\"pool\":\"g\"}", "pools.m.shadow.percent: missing"},
    {"\"shadow\":{\"pool\":\"m\",\"percent\":1}", "pools.m.shadow.pool: is the pool itself"},
    {"\"shadow\":{\"pool\":\"g\",\"percent\":101}",
     "pools.m.shadow.percent: expected a whole number from 0 to 100"},
    {"\"shadow\":{\"pool\":\"g\",\"percent\":1,\"requests\":\"x\"}",
     "pools.m.shadow.requests: expected one of all, reads, writes"},
    {"\"gutter\":7", "pools.m.gutter: expected a string"},
    {"\"gutter_ttl_s\":0", "pools.m.gutter_ttl_s: expected a whole number from 1 to 3600"},
    {"\"on_write_error\":\"x\"", "pools.m.on_write_error: expected one of error, not_stored"},
    {"\"meta_errors\":\"x\"", "pools.m.meta_errors: expected one of ns, raw"},
    {"\"coalesce\":\"on\"", "pools.m.coalesce: expected true or false"},
    {"\"near_cache_ttl_ms\":1001", "pools.m.near_cache_ttl_ms: expected a whole number from 1"},
    {"\"promote_percent\":101", "pools.m.promote_percent: expected a whole number from 0"},
    {"\"replica_ttl_local_ms\":249", "pools.m.replica_ttl_local_ms: expected a whole number from"},
    {"\"limits\":{\"a\":{}}", "pools.m.limits.a: expected requests, bytes or both"},
    {"\"limits\":{\"a b\":{\"bytes\":1}}", "pools.m.limits: expected prefixes of up to"},
    {"\"limits\":{\"\":{\"bytes\":1,\"burst_ms\":9}}",
     "pools.m.limits..burst_ms: expected a whole"},
    {"\"limits\":{\"a\":1}", "pools.m.limits.a: expected"},
    {"\"miss_lease_ms\":10001", "pools.m.miss_lease_ms: expected a whole number from 0"},
    {"\"replicas\":0", "pools.m.replicas: expected a whole number from 1 to 8"},
    {"\"replica_ttl_ms\":999", "pools.m.replica_ttl_ms: expected a whole number from 1000"},
    {"\"hot\":[]", "pools.m.hot: expected an object"},
    {"\"hot\":{\"keys\":\"a\"}", "pools.m.hot.keys: expected an array"},
    {"\"hot\":{\"keys\":[\"a b\"]}", "pools.m.hot.keys: expected texts of 1 to 250 bytes"},
    {"\"hot\":{\"prefixes\":[\"\"]}", "pools.m.hot.prefixes: expected texts of 1 to 250 bytes"},
    {"\"hot\":{\"prefixes\":[1]}", "pools.m.hot.prefixes: expected texts of 1 to 250 bytes"},
    {"\"hot\":{\"keys\":[\"a\",\"b\",\"a\"]}", "pools.m.hot: names one twice"},
    {"\"nodes\":[1]", "pools.m.nodes[0]: expected an object"},
    {"\"nodes\":[{}]", "pools.m.nodes[0].id: missing"},
    {"\"nodes\":[{\"id\":\"\"}]", "pools.m.nodes[0].id: is empty"},
    {"\"nodes\":[{\"id\":\"a\"}]", "pools.m.nodes[0].addr: missing"},
    {"\"nodes\":[" NODE_A ",{\"id\":\"x\",\"addr\":\"h\"}]",
     "pools.m.nodes[1].addr: expected HOST"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\":1\"}]", "pools.m.nodes[0].addr: expected HOST"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"*:1\"}]", "pools.m.nodes[0].addr: expected HOST"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:0\"}]", "pools.m.nodes[0].addr: expected HOST"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:70000\"}]", "pools.m.nodes[0].addr: expected HOST"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"weight\":0}]",
     "pools.m.nodes[0].weight: expected a whole number from 1 to 1000"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"weight\":2.0}]", "pools.m.nodes[0].weight: "},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"state\":\"up\"}]",
     "pools.m.nodes[0].state: expected one of joining, active"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"kind\":\"redis\"}]",
     "pools.m.nodes[0].kind: expected one of mfcached, memcached"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"ring_name\":\"\"}]",
     "pools.m.nodes[0].ring_name: is empty"},
    {"\"nodes\":[{\"id\":\"x\",\"addr\":\"h:1\",\"state\":\"down\"}]",
     "pools.m.nodes: expected at least one that is active"},
    {"\"nodes\":[" NODE_A "," NODE_B ",{\"id\":\"a\",\"addr\":\"h:1\"}]",
     "pools.m.nodes[2].id: \"a\" is that of nodes[0] too"},
    {"\"nodes\":[" NODE_A ",{\"id\":\"x\",\"addr\":\"10.0.0.1:11211\"}]",
     "pools.m.nodes[1].addr: \"10.0.0.1:11211\" is that of nodes[0] too"},
    {"\"nodes\":[" NODE_A ",{\"id\":\"x\",\"addr\":\"h:1\",\"ring_name\":\"10.0.0.1\"}]",
     "pools.m.nodes[1].ring_name: \"10.0.0.1\" is that of nodes[0] too"},
    {"\"ring_sha\":\"00\",\"nodes\":[" NODE_A "]", "pools.m.ring_sha: is not that of the ring"},
};

START_TEST(bad_pools_are_refused_by_place)
{
    for (size_t i = 0; i < sizeof(pool_refusals) / sizeof(pool_refusals[0]); i++) {
        char *text = mem_printf("{" HEAD ",\"pools\":{\"m\":{%s}}}", pool_refusals[i].pool);
        assert_refused(text, pool_refusals[i].error);
        free(text);
    }
}
END_TEST

START_TEST(depth_and_size_have_limits)
{
    char deep[200];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_refused(deep, "nested deeper than 32 levels");

    char *long_one = mem_alloc(TABLE_BYTES_MAX + 2);
    memset(long_one, ' ', TABLE_BYTES_MAX + 1);
    long_one[TABLE_BYTES_MAX + 1] = '\0';
    assert_refused(long_one, "longer than 8388608 bytes");
    free(long_one);
    /* Brackets in strings nest nothing. */
    struct table *t =
        parse("{" HEAD ",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"pools\":"
              "{\"m\":" POOL "}}");
    table_unref(&t);
}
END_TEST

START_TEST(references_keep_it_alive)
{
    struct table *t = parse(PLAIN);
    struct table *second = table_ref(t);
    table_unref(&t);
    ck_assert_uint_eq(second->epoch, 7);
    table_unref(&second);
    table_unref(&second);
}
END_TEST

/* --- judge ----------------------------------------------------------------- */

/* One pool of `count` nodes n0, n1...; `extra` stands in the head, `rules` in
 * the pool. */
static struct table *
pool_of(unsigned first, unsigned count, uint64_t epoch, const char *extra, const char *rules)
{
    struct buf b = BUF_EMPTY;
    buf_printf(&b, "{\"memfleet_table\":1,\"epoch\":%lu%s,\"pools\":{\"m\":{%s\"nodes\":[", epoch,
               extra, rules);
    for (unsigned i = first; i < first + count; i++) {
        buf_printf(&b, "%s{\"id\":\"n%u\",\"addr\":\"h%u:1\"}", i > first ? "," : "", i, i);
    }
    buf_printf(&b, "]}}}");
    char error[TABLE_ERROR_MAX] = "";
    struct table *t = table_parse(buf_span(&b), error);
    ck_assert_msg(t != NULL, "%s", error);
    buf_deinit(&b);
    return t;
}

static void
assert_verdict(struct table *current, struct table *next, enum table_verdict want)
{
    enum table_verdict got = table_judge(current, next);
    ck_assert_msg(got == want, "got %s, want %s", table_verdict_name(got),
                  table_verdict_name(want));
    table_unref(&current);
    table_unref(&next);
}

START_TEST(epochs_only_grow)
{
    assert_verdict(NULL, pool_of(0, 1, 5, "", ""), TABLE_ADOPT);
    assert_verdict(pool_of(0, 1, 5, "", ""), pool_of(0, 1, 6, "", ""), TABLE_ADOPT);
    assert_verdict(pool_of(0, 1, 5, "", ""), pool_of(0, 1, 4, "", ""), TABLE_OLDER);
    assert_verdict(pool_of(0, 1, 5, "", ""), pool_of(0, 1, 4, ",\"force\":true", ""), TABLE_OLDER);
    assert_verdict(pool_of(0, 1, 5, "", ""), pool_of(0, 1, 5, "", ""), TABLE_SAME);
    assert_verdict(pool_of(0, 1, 5, "", ""), pool_of(0, 2, 5, "", ""), TABLE_CONFLICT);
}
END_TEST

START_TEST(an_incarnation_begins_anew)
{
    const char *one = ",\"incarnation\":\"1\"", *two = ",\"incarnation\":\"2\"";
    assert_verdict(pool_of(0, 1, 5, one, ""), pool_of(0, 1, 4, two, ""), TABLE_ADOPT);
    assert_verdict(pool_of(0, 9, 5, one, ""), pool_of(0, 1, 4, two, ""), TABLE_SHRINK);
    assert_verdict(pool_of(0, 1, 5, ",\"cluster\":\"a\"", ""),
                   pool_of(0, 1, 6, ",\"cluster\":\"b\",\"force\":true", ""), TABLE_OTHER_CLUSTER);
}
END_TEST

START_TEST(large_steps_need_force)
{
    assert_verdict(pool_of(0, 10, 5, "", ""), pool_of(1, 9, 6, "", ""), TABLE_ADOPT);
    assert_verdict(pool_of(0, 10, 5, "", ""), pool_of(2, 8, 6, "", ""), TABLE_SHRINK);
    /* Others in their place are no excuse. */
    assert_verdict(pool_of(0, 10, 5, "", ""), pool_of(2, 10, 6, "", ""), TABLE_SHRINK);
    assert_verdict(pool_of(0, 10, 5, "", ""), pool_of(2, 8, 6, ",\"force\":true", ""), TABLE_ADOPT);
    assert_verdict(pool_of(0, 3, 5, "", ""), pool_of(0, 3, 6, "", "\"key_hash\":\"crc32\","),
                   TABLE_RING_CHANGE);
    assert_verdict(pool_of(0, 3, 5, "", ""), pool_of(0, 3, 6, "", "\"ring\":\"twemproxy\","),
                   TABLE_RING_CHANGE);
    assert_verdict(pool_of(0, 3, 5, "", ""), pool_of(0, 3, 6, "", "\"hash_tag\":\"{}\","),
                   TABLE_RING_CHANGE);
    assert_verdict(pool_of(0, 3, 5, "", ""),
                   pool_of(0, 3, 6, ",\"force\":true", "\"hash_tag\":\"{}\","), TABLE_ADOPT);
    assert_verdict(pool_of(0, 3, 5, "", ""),
                   parse("{\"memfleet_table\":1,\"epoch\":6,\"pools\":{\"other\":" POOL "}}"),
                   TABLE_SHRINK);
    ck_assert_str_eq(table_verdict_name(TABLE_SHRINK), "shrink");
    ck_assert_str_eq(table_verdict_why(TABLE_OLDER), "epoch below the one in use");
}
END_TEST

START_TEST(who_was_away_for_a_forced_step_follows)
{
    struct table *before = pool_of(0, 3, 5, "", "");
    struct table *forced = pool_of(0, 2, 6, ",\"force\":true", "");
    struct table *step = pool_of(0, 2, 6, "", ""), *after = pool_of(0, 2, 7, "", "");
    struct table *anew = pool_of(0, 2, 1007, ",\"incarnation\":\"2\"", "");
    ck_assert_int_eq(table_judge_published(NULL, after), TABLE_ADOPT);
    ck_assert_int_eq(table_judge_published(before, forced), TABLE_ADOPT);
    ck_assert_int_eq(table_judge_published(before, step), TABLE_SHRINK);
    ck_assert_int_eq(table_judge_published(before, after), TABLE_ADOPT);
    ck_assert_int_eq(table_judge(before, after), TABLE_SHRINK);
    ck_assert_int_eq(table_judge_published(after, before), TABLE_OLDER);
    ck_assert_int_eq(table_judge_published(before, anew), TABLE_SHRINK);
    table_unref(&before);
    table_unref(&forced);
    table_unref(&step);
    table_unref(&after);
    table_unref(&anew);
}
END_TEST

/* --- build and --servers ---------------------------------------------------- */

START_TEST(what_is_built_reads_back)
{
    struct table_node nodes[] = {
        {.id = TEXT("n"),
         .addr = TEXT("unix:/run/m"),
         .ring_name = TEXT("old:1"),
         .zone = TEXT("z"),
         .weight = 3,
         .state = NODE_DRAINING,
         .kind = NODE_KIND_MEMCACHED,
         .generation = 5},
        {.id = TEXT("o"), .addr = TEXT("[::1]:1"), .weight = 1, .state = NODE_ACTIVE},
    };
    struct table_pool pool;
    table_pool_defaults(&pool);
    pool.name = TEXT("main");
    pool.ring_config = (struct ring_config){RING_TWEMPROXY, KEY_HASH_HSIEH};
    pool.strip_prefix = TEXT("app:");
    pool.tag.open = '<';
    pool.tag.close = '>';
    pool.nodes = nodes;
    pool.node_count = 2;
    struct table draft = {.cluster = TEXT("c"),
                          .incarnation = TEXT("1"),
                          .epoch = 12,
                          .min_epoch = 3,
                          .by = TEXT("op \"quoted\""),
                          .pools = &pool,
                          .pool_count = 1};
    struct buf one = BUF_EMPTY, two = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "";
    ck_assert_msg(table_build(&draft, &one, error), "%s", error);
    struct table *t = table_parse(buf_span(&one), error);
    ck_assert_msg(t != NULL, "%s", error);
    ck_assert_str_eq(t->by, "op \"quoted\"");
    ck_assert_uint_eq(t->min_epoch, 3);
    ck_assert_int_eq(t->pools[0].tag.open, '<');
    ck_assert_str_eq(t->pools[0].nodes[0].ring_name, "old:1");
    ck_assert_uint_eq(t->pools[0].nodes[0].generation, 5);
    ck_assert_ptr_null(t->pools[0].hash_stop[0] == '\0' ? NULL : t);
    ck_assert_ptr_nonnull(memmem(t->document.mem, buf_len(&t->document), t->pools[0].ring_sha, 64));

    /* A parsed table is a draft too, and gives the same bytes. */
    ck_assert_msg(table_build(t, &two, error), "%s", error);
    ck_assert(span_eq(buf_span(&one), buf_span(&two)));
    table_unref(&t);
    buf_deinit(&one);
    buf_deinit(&two);
}
END_TEST

START_TEST(a_bad_draft_builds_nothing)
{
    struct table_node node = {
        .id = TEXT("n"), .addr = TEXT("nowhere"), .weight = 1, .state = NODE_ACTIVE};
    struct table_pool pools[2];
    table_pool_defaults(&pools[0]);
    pools[0].name = TEXT("main");
    struct table draft = {.epoch = 1, .pools = pools, .pool_count = 1};
    struct buf out = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "";
    ck_assert(!table_build(&draft, &out, error));
    ck_assert_str_eq(error, "pools.main.nodes: expected at least one that is active or draining");
    pools[0].nodes = &node;
    pools[0].node_count = 1;
    ck_assert(!table_build(&draft, &out, error));
    ck_assert_str_eq(error, "pools.main.nodes[0].addr: expected HOST:PORT, [IPV6]:PORT or "
                            "unix:/PATH");
    node.addr = TEXT("h:1");
    node.zone = TEXT("\xff");
    ck_assert(!table_build(&draft, &out, error));
    node.zone = NULL;
    draft.epoch = 0;
    ck_assert(!table_build(&draft, &out, error));
    draft.epoch = 1;
    pools[1] = pools[0];
    draft.pool_count = 2;
    ck_assert(!table_build(&draft, &out, error));
    ck_assert_str_eq(error, "two pools have the same name");
    ck_assert_uint_eq(buf_len(&out), 0);
}
END_TEST

START_TEST(servers_become_a_table)
{
    char *servers[] = {TEXT("a"),
                       TEXT("b:11212"),
                       TEXT("c:11211:5"),
                       TEXT("[::1]:1:2"),
                       TEXT("unix:/run/m.sock:3"),
                       TEXT("/run/n")};
    static const char *const addrs[] = {"a:11211", "b:11212",          "c:11211",
                                        "[::1]:1", "unix:/run/m.sock", "unix:/run/n"};
    static const unsigned weights[] = {1, 1, 5, 2, 3, 1};
    char error[TABLE_ERROR_MAX] = "";
    struct table *t = table_from_servers(
        &(struct table_servers){.servers = servers, .count = 6, .ring_name = "twemproxy"}, error);
    ck_assert_msg(t != NULL, "%s", error);
    ck_assert_uint_eq(t->epoch, 1);
    ck_assert_str_eq(t->pools[0].name, "default");
    ck_assert(t->pools[0].flush_all);
    ck_assert_int_eq(t->pools[0].ring_config.hash, KEY_HASH_FNV1A_64);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_str_eq(t->pools[0].nodes[i].addr, addrs[i]);
        ck_assert_uint_eq(t->pools[0].nodes[i].weight, weights[i]);
    }
    table_unref(&t);
}
END_TEST

static void
assert_server_refused(char *server, const char *ring, const char *hash, const char *expect)
{
    char error[TABLE_ERROR_MAX] = "";
    struct table_servers from = {
        .servers = &server, .count = 1, .ring_name = ring, .hash_name = hash};
    ck_assert_msg(table_from_servers(&from, error) == NULL, "%s", server);
    ck_assert_msg(strncmp(error, expect, strlen(expect)) == 0, "%s", error);
}

START_TEST(bad_servers_are_refused)
{
    assert_server_refused(TEXT("h:x"), NULL, NULL, "server \"h:x\": expected HOST:PORT[:WEIGHT]");
    assert_server_refused(TEXT(""), NULL, NULL, "server \"\": expected HOST");
    assert_server_refused(TEXT("h:1:0"), NULL, NULL,
                          "server \"h:1:0\": expected a weight from 1 to");
    assert_server_refused(TEXT("h:1:2:3"), NULL, NULL, "server \"h:1:2:3\": expected HOST");
    assert_server_refused(TEXT("h:1"), "jump", NULL, "there is no ring \"jump\"; known are libmem");
    assert_server_refused(TEXT("h:1"), NULL, "sha1",
                          "there is no key hash \"sha1\"; known are md5");
    assert_server_refused(TEXT("h:1"), "mcrouter-ch3", "md5", "ring and key hash: this ring hash");
    char *twice[] = {TEXT("h:1"), TEXT("h:1")};
    char error[TABLE_ERROR_MAX] = "";
    struct table_servers from = {.servers = twice, .count = 2};
    ck_assert_ptr_null(table_from_servers(&from, error));
    from.count = 0;
    ck_assert_ptr_null(table_from_servers(&from, error));
}
END_TEST

/* The manual's example is a table that works. */
START_TEST(the_manual_example_parses)
{
    const char *top = getenv("top_srcdir");
    char *path = mem_printf("%s/docs/routing-table.md", top != NULL ? top : ".");
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    char *text = mem_zalloc(65536);
    ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
    fclose(file);
    free(path);
    unsigned found = 0;
    for (char *at = strstr(text, "```json\n"); at != NULL; at = strstr(at, "```json\n")) {
        at += strlen("```json\n");
        char *end = strstr(at, "```");
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        struct table *t = parse(at);
        table_unref(&t);
        at = end + 1;
        found++;
    }
    ck_assert_uint_ge(found, 2);
    free(text);
}
END_TEST

UNIT_MAIN("table", what_is_left_out_has_a_default, members_of_the_table_are_read,
          settings_of_a_pool_are_read, limits_and_hot_keys_are_read, nodes_are_read,
          keys_go_by_what_of_them_is_hashed, keys_go_by_their_longest_prefix,
          a_route_may_take_its_prefix_off, the_sha_is_that_of_the_bytes,
          bad_documents_are_refused_by_place, bad_pools_are_refused_by_place,
          depth_and_size_have_limits, references_keep_it_alive, epochs_only_grow,
          an_incarnation_begins_anew, large_steps_need_force,
          who_was_away_for_a_forced_step_follows, what_is_built_reads_back,
          a_bad_draft_builds_nothing, servers_become_a_table, bad_servers_are_refused,
          the_manual_example_parses)
