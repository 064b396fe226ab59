#include "common/fleet/table_build.h"
#include "control/document.h"
#include "t/unit/inventory_fixture.h"
#include "t/unit/unit.h"

#define WORD(s) ((char *)(s)) /* a draft is only read */

static struct buf text;
static struct document document;
static struct inventory inv;
static struct buf joined;
static char error[TABLE_ERROR_MAX];

/* A table of two pools, split. */
static void
begin(void)
{
    struct table_node nodes[] = {
        {.id = WORD("a"), .addr = WORD("10.0.0.1:11211"), .weight = 1, .state = NODE_ACTIVE},
        {.id = WORD("b"), .addr = WORD("10.0.0.2:11211"), .weight = 2, .state = NODE_ACTIVE},
    };
    struct table_pool pools[2];
    struct table draft = {
        .cluster = WORD("c"),
        .incarnation = WORD("i"),
        .epoch = 7,
        .by = WORD("t"),
        .reason = WORD("caf\xc3\xa9 \"quoted\""),
        .pools = pools,
        .pool_count = 2,
    };
    table_pool_defaults(&pools[0]);
    table_pool_defaults(&pools[1]);
    pools[0].name = WORD("main");
    pools[0].nodes = nodes;
    pools[0].node_count = 2;
    pools[1].name = WORD("other");
    pools[1].nodes = nodes;
    pools[1].node_count = 1;
    ck_assert_msg(table_build(&draft, &text, error), "%s", error);
    ck_assert_msg(document_split(buf_span(&text), &document, error), "%s", error);
    inventory_init(&inv);
}

static void
end(void)
{
    buf_deinit(&text);
    buf_deinit(&joined);
    document_deinit(&document);
    inventory_deinit(&inv);
}

static void
put_bytes(const char *key, struct span value)
{
    int64_t revision = ++fixture_revision;
    struct inventory_kv kv = {span_cstr(key), value, revision, revision, 0};
    ck_assert(inventory_put(&inv, &kv, 0));
}

static void
put_part(unsigned i)
{
    put_bytes(key_make(KEY_PART, span_cstr(document.parts[i].pool)).text,
              buf_span(&document.parts[i].packed));
}

START_TEST(joining_gives_the_very_bytes)
{
    begin();
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_NONE);
    put_bytes("table/head", span_cstr(document.head));
    put_part(0);
    put_part(1);
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_JOINED);
    ck_assert(span_eq(buf_span(&joined), buf_span(&text)));
    struct document_head head;
    ck_assert(document_read_head(inventory_single(&inv, KEY_HEAD)->json, &head));
    ck_assert_uint_eq(head.epoch, 7);
    ck_assert_str_eq(head.incarnation, "i");
    ck_assert_str_eq(head.sha, document.sha);
    end();
}
END_TEST

START_TEST(a_missing_or_other_part_is_noticed)
{
    begin();
    put_bytes("table/head", span_cstr(document.head));
    put_part(0);
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_INCOMPLETE);
    ck_assert_ptr_nonnull(strstr(error, "is missing"));
    put_bytes(key_make(KEY_PART, span_cstr(document.parts[1].pool)).text,
              buf_span(&document.parts[0].packed));
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_INCOMPLETE);
    ck_assert_ptr_nonnull(strstr(error, "not the one that the head names"));
    ck_assert_uint_eq(buf_len(&joined), 0);
    end();
}
END_TEST

START_TEST(a_head_that_lies_is_noticed)
{
    begin();
    put_part(0);
    put_part(1);
    char *lie = mem_strdup(document.head);
    char *epoch = strstr(lie, "\"epoch\":7");
    ck_assert_ptr_nonnull(epoch);
    epoch[8] = '8';
    put_bytes("table/head", span_cstr(lie));
    free(lie);
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_DAMAGED);
    put_bytes("table/head", SPAN_LIT("{\"schema\":2,\"sha256\":\"\",\"table\":{},\"parts\":{}}"));
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_DAMAGED);
    put_bytes("table/head", SPAN_LIT("{}"));
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_DAMAGED);
    end();
}
END_TEST

START_TEST(an_unknown_schema_is_refused)
{
    begin();
    put_part(0);
    put_part(1);
    char *newer = mem_strdup(document.head);
    char *schema = strstr(newer, "\"schema\":1");
    ck_assert_ptr_nonnull(schema);
    schema[9] = '2';
    put_bytes("table/head", span_cstr(newer));
    free(newer);
    ck_assert_int_eq(document_join(&inv, &joined, error), DOCUMENT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(error, "expected schema 1"));
    end();
}
END_TEST

START_TEST(only_canonical_documents_are_split)
{
    struct document d;
    ck_assert(!document_split(SPAN_LIT("{\"pools\":{}, \"epoch\":1}"), &d, error));
    ck_assert(!document_split(SPAN_LIT("{\"epoch\":1}"), &d, error));
    ck_assert(!document_split(SPAN_LIT("nonsense"), &d, error));
    ck_assert(!document_split(SPAN_LIT(""), &d, error));
}
END_TEST

UNIT_MAIN("document", joining_gives_the_very_bytes, a_missing_or_other_part_is_noticed,
          a_head_that_lies_is_noticed, an_unknown_schema_is_refused,
          only_canonical_documents_are_split)
