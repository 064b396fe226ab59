#include "common/core/log.h"
#include "control/deflate.h"
#include "t/unit/inventory_fixture.h"
#include "t/unit/unit.h"

static const struct inventory_item *
find(const struct inventory *inv, enum key_family family, const char *name)
{
    return inventory_find(inv, family, span_cstr(name));
}

START_TEST(keys_are_told_apart)
{
    struct span name;
    ck_assert_int_eq(key_classify(SPAN_LIT("meta"), &name), KEY_META);
    ck_assert_int_eq(key_classify(SPAN_LIT("nodes/a"), &name), KEY_NODE);
    ck_assert(span_eq_cstr(name, "a"));
    ck_assert_int_eq(key_classify(SPAN_LIT("intent/nodes/a"), &name), KEY_INTENT);
    ck_assert_int_eq(key_classify(SPAN_LIT("table/part/main"), &name), KEY_PART);
    ck_assert_int_eq(key_classify(SPAN_LIT("metadata"), &name), KEY_FAMILY_COUNT);
    ck_assert_int_eq(key_classify(SPAN_LIT("nodes/"), &name), KEY_FAMILY_COUNT);
    ck_assert_int_eq(key_classify(SPAN_LIT("nodes/a/b"), &name), KEY_FAMILY_COUNT);
    ck_assert_int_eq(key_classify(SPAN_LIT("nodes/.."), &name), KEY_FAMILY_COUNT);
    ck_assert_str_eq(key_make(KEY_NODE, SPAN_LIT("a:1")).text, "nodes/a:1");
    ck_assert_str_eq(key_hist(7).text, "table/hist/00000000000000000007");
    char prefix[PREFIX_MAX_BYTES];
    ck_assert(key_prefix(SPAN_LIT("prod"), prefix));
    ck_assert_str_eq(prefix, "/memfleet/v1/prod/");
    ck_assert(!key_prefix(SPAN_LIT("a/b"), prefix));
    ck_assert(!key_prefix(SPAN_LIT(""), prefix));
}
END_TEST

START_TEST(sorted_finds_what_is_in)
{
    struct sorted s = SORTED_EMPTY;
    const char *names[] = {"m", "a", "z", "mm", "b", ""};
    for (unsigned i = 0; i < 6; i++) {
        sorted_insert(&s, &names[i]);
    }
    for (unsigned i = 1; i < s.count; i++) {
        ck_assert_int_lt(strcmp(*(char **)s.items[i - 1], *(char **)s.items[i]), 0);
    }
    ck_assert_ptr_eq(sorted_find(&s, SPAN_LIT("mm")), &names[3]);
    ck_assert_ptr_null(sorted_find(&s, SPAN_LIT("mmm")));
    ck_assert_ptr_eq(sorted_remove(&s, SPAN_LIT("m")), &names[0]);
    ck_assert_ptr_null(sorted_remove(&s, SPAN_LIT("m")));
    ck_assert_uint_eq(s.count, 5);
    sorted_deinit(&s);
}
END_TEST

START_TEST(events_change_what_is_known)
{
    struct inventory inv;
    inventory_init(&inv);
    ck_assert_ptr_null(inventory_incarnation(&inv));
    ck_assert(fixture_put(&inv, "meta", "{\"incarnation\":\"i\"}"));
    ck_assert_str_eq(inventory_incarnation(&inv), "i");
    ck_assert(fixture_node(&inv, "a", "10.0.0.1:11211", 5));
    const struct inventory_item *a = find(&inv, KEY_NODE, "a");
    ck_assert_str_eq(a->registration->addr, "10.0.0.1:11211");
    ck_assert_uint_eq(a->registration->weight, 1);
    ck_assert_uint_eq(a->since_ms, 5);
    ck_assert(fixture_gone(&inv, "nodes/a"));
    ck_assert(!fixture_gone(&inv, "nodes/a"));
    ck_assert_ptr_null(find(&inv, KEY_NODE, "a"));
    ck_assert(!fixture_put(&inv, "ctl/beat", "17"));
    ck_assert(!fixture_put(&inv, "something/else", "{}"));
    ck_assert_uint_eq(inv.malformed, 0);
    inventory_deinit(&inv);
}
END_TEST

START_TEST(what_cannot_be_read_changes_nothing)
{
    struct inventory inv;
    inventory_init(&inv);
    static const char *const bad[][2] = {
        {"nodes/a", "not json"},
        {"nodes/a", "[]"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"nowhere\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"*:1\"}"},
        {"nodes/a", "{\"id\":\"b\",\"pool\":\"main\",\"addr\":\"h:1\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"a/b\",\"addr\":\"h:1\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"h:1\",\"weight\":1001}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"h:1\",\"weight\":-1}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"h:1\",\"ring_name\":\"\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"h:1\",\"zone\":\"a b\"}"},
        {"nodes/a", "{\"id\":\"a\",\"pool\":\"main\",\"addr\":\"h:1\",\"id\":\"a\"}"},
        {"config/pools/p", "{\"ring\":\"square\"}"},
        {"config/pools/p", "{\"min_nodes\":0}"},
        {"config/pools/p", "{\"request_timeout_ms\":\"1\"}"},
        {"config/pools/a:b", "{}"},
        {"intent/nodes/n", "{\"action\":\"admit\"}"},
        {"table/part/main", "{}"},
    };
    const unsigned count = sizeof(bad) / sizeof(bad[0]);
    fixture_node(&inv, "a", "h:7", 0);
    fixture_put(&inv, "config/pools/p", "{\"min_nodes\":3}");
    log_set_level(LOG_ERROR);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_msg(!fixture_put(&inv, bad[i][0], bad[i][1]), "taken: %s", bad[i][1]);
    }
    ck_assert_uint_eq(inv.malformed, count);
    ck_assert_str_eq(find(&inv, KEY_NODE, "a")->registration->addr, "h:7");
    ck_assert_uint_eq(find(&inv, KEY_POOL, "p")->pool->min_nodes, 3);
    inventory_deinit(&inv);
}
END_TEST

START_TEST(a_snapshot_replaces_everything)
{
    struct inventory inv;
    inventory_init(&inv);
    fixture_node(&inv, "gone", "h:1", 10);
    fixture_node(&inv, "same", "h:2", 10);
    int64_t same = fixture_revision;
    inventory_begin(&inv);
    struct inventory_kv kv = {SPAN_LIT("nodes/same"),
                              SPAN_LIT("{\"id\":\"same\",\"pool\":\"main\",\"addr\":\"h:2\"}"),
                              same, same, 0};
    ck_assert(!inventory_put(&inv, &kv, 99));
    fixture_node(&inv, "new", "h:3", 99);
    inventory_end(&inv);
    ck_assert_ptr_null(find(&inv, KEY_NODE, "gone"));
    ck_assert_uint_eq(find(&inv, KEY_NODE, "same")->since_ms, 10);
    ck_assert_uint_eq(find(&inv, KEY_NODE, "new")->since_ms, 99);
    ck_assert_uint_eq(inventory_count(&inv, KEY_NODE), 2);
    inventory_deinit(&inv);
}
END_TEST

START_TEST(packing_is_bounded)
{
    struct buf packed = BUF_EMPTY, out = BUF_EMPTY;
    char zeros[4096] = {0};
    ck_assert(deflate_span(span_make(zeros, sizeof(zeros)), &packed));
    ck_assert(inflate_span(buf_span(&packed), sizeof(zeros), &out));
    ck_assert_uint_eq(buf_len(&out), sizeof(zeros));
    ck_assert(!inflate_span(buf_span(&packed), sizeof(zeros) - 1, &out));
    ck_assert_uint_eq(buf_len(&out), sizeof(zeros));
    for (size_t cut = 0; cut < buf_len(&packed); cut++) {
        ck_assert(!inflate_span(span_make(packed.mem, cut), sizeof(zeros), &out));
    }
    buf_append_span(&packed, SPAN_LIT("x"));
    ck_assert(!inflate_span(buf_span(&packed), sizeof(zeros), &out));
    buf_deinit(&packed);
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("inventory", keys_are_told_apart, sorted_finds_what_is_in, events_change_what_is_known,
          what_cannot_be_read_changes_nothing, a_snapshot_replaces_everything, packing_is_bounded)
