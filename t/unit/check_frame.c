#include "common/core/mem.h"
#include "common/push/frame.h"
#include "t/unit/unit.h"

static void
put(struct buf *b, enum frame_type type, const char *body)
{
    ck_assert(frame_put(b, type, span_cstr(body)));
}

START_TEST(what_is_put_is_parsed)
{
    struct buf b = BUF_EMPTY;
    put(&b, FRAME_HELLO, "{\"id\":\"x\"}");
    put(&b, FRAME_BYE, "");
    struct frame f;
    ck_assert_int_eq(frame_parse(buf_span(&b), &f), FRAME_OK);
    ck_assert_uint_eq(f.type, FRAME_HELLO);
    ck_assert_uint_eq(f.flags, 0);
    ck_assert(span_eq_cstr(f.body, "{\"id\":\"x\"}"));
    ck_assert_uint_eq(f.bytes, 16);
    buf_consume(&b, f.bytes);
    ck_assert_int_eq(frame_parse(buf_span(&b), &f), FRAME_OK);
    ck_assert_uint_eq(f.type, FRAME_BYE);
    ck_assert_uint_eq(f.body.len, 0);
    buf_consume(&b, f.bytes);
    ck_assert_int_eq(frame_parse(buf_span(&b), &f), FRAME_NEED_MORE);
    buf_deinit(&b);
}
END_TEST

START_TEST(every_prefix_needs_more)
{
    struct buf b = BUF_EMPTY;
    put(&b, FRAME_BEAT, "{}");
    struct frame f;
    for (size_t cut = 0; cut < buf_len(&b); cut++) {
        ck_assert_int_eq(frame_parse(span_make(b.mem, cut), &f), FRAME_NEED_MORE);
    }
    buf_deinit(&b);
}
END_TEST

START_TEST(the_bytes_on_the_wire)
{
    struct buf b = BUF_EMPTY;
    put(&b, FRAME_ACK, "{}");
    ck_assert(span_eq(buf_span(&b), span_make("\0\0\0\4\x11\0{}", 8)));
    buf_deinit(&b);
}
END_TEST

START_TEST(lengths_out_of_range_are_bad)
{
    struct frame f;
    ck_assert_int_eq(frame_parse(span_make("\0\0\0\0", 4), &f), FRAME_BAD);
    ck_assert_int_eq(frame_parse(span_make("\0\0\0\1\1", 5), &f), FRAME_BAD);
    ck_assert_int_eq(frame_parse(span_make("\0\x7f\xff\xfd", 4), &f), FRAME_BAD);
    ck_assert_int_eq(frame_parse(span_make("\0\x7f\xff\xfc", 4), &f), FRAME_NEED_MORE);
    ck_assert_int_eq(frame_parse(span_make("\xff\xff\xff\xff", 4), &f), FRAME_BAD);
    ck_assert_int_eq(frame_parse(span_make("HTTP/1.1", 8), &f), FRAME_BAD);
}
END_TEST

START_TEST(the_largest_frame_fits_and_no_larger)
{
    struct buf b = BUF_EMPTY;
    size_t most = FRAME_BYTES_MAX - FRAME_HEAD_BYTES;
    char *body = mem_zalloc(most + 1);
    ck_assert(!frame_put(&b, FRAME_TABLE, span_make(body, most + 1)));
    ck_assert_uint_eq(buf_len(&b), 0);
    ck_assert(frame_put(&b, FRAME_TABLE, span_make(body, most)));
    struct frame f;
    ck_assert_int_eq(frame_parse(buf_span(&b), &f), FRAME_OK);
    ck_assert_uint_eq(f.bytes, FRAME_BYTES_MAX);
    free(body);
    buf_deinit(&b);
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_str_eq(frame_type_name(FRAME_TABLE), "TABLE");
    ck_assert_str_eq(frame_type_name(FRAME_BYE), "BYE");
    ck_assert_str_eq(frame_type_name(99), "unknown");
}
END_TEST

UNIT_MAIN("frame", what_is_put_is_parsed, every_prefix_needs_more, the_bytes_on_the_wire,
          lengths_out_of_range_are_bad, the_largest_frame_fits_and_no_larger, types_have_names)
