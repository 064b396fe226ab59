#include "t/unit/unit.h"

#include "common/core/buf.h"

START_TEST(a_queue_keeps_its_order)
{
    struct buf b = BUF_EMPTY;
    unsigned in = 0, out = 0;
    char byte;
    /* More goes in than out, so that the buf moves and grows in turns. */
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < 7; i++) {
            byte = (char)in++;
            ck_assert(buf_append(&b, &byte, 1));
        }
        for (unsigned i = 0; i < 6; i++) {
            ck_assert_int_eq(buf_span(&b).ptr[0], (char)out++);
            buf_consume(&b, 1);
        }
    }
    ck_assert_uint_eq(buf_len(&b), in - out);
    ck_assert_uint_le(b.cap, 4096);
    while (buf_len(&b) > 0) {
        ck_assert_int_eq(buf_span(&b).ptr[0], (char)out++);
        buf_consume(&b, 1);
    }
    ck_assert_uint_eq(in, out);
    buf_deinit(&b);
    ck_assert_ptr_null(b.mem);
}
END_TEST

START_TEST(room_can_be_filled_in_place)
{
    struct buf b = BUF_EMPTY;
    char *to = buf_room(&b, 100000);
    ck_assert_ptr_nonnull(to);
    ck_assert_uint_ge(buf_tailroom(&b), 100000);
    memset(to, 'x', 100000);
    buf_grew(&b, 100000);
    ck_assert_uint_eq(buf_len(&b), 100000);
    ck_assert_int_eq(buf_span(&b).ptr[99999], 'x');
    buf_deinit(&b);
}
END_TEST

START_TEST(absurd_room_is_refused)
{
    struct buf b = BUF_EMPTY;
    ck_assert(buf_append(&b, "abc", 3));
    ck_assert_ptr_null(buf_room(&b, SIZE_MAX));
    ck_assert_ptr_null(buf_room(&b, SIZE_MAX / 2 + 2));
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("abc")));
    buf_deinit(&b);
}
END_TEST

START_TEST(text_is_put_together)
{
    struct buf b = BUF_EMPTY;
    ck_assert(buf_append_span(&b, SPAN_LIT("n=")));
    ck_assert(buf_append_span(&b, (struct span){NULL, 0}));
    ck_assert(buf_append_u64(&b, UINT64_MAX));
    ck_assert(buf_printf(&b, " %s %d", "s", -1));
    ck_assert(buf_printf(&b, "%s", ""));
    ck_assert(span_eq_cstr(buf_span(&b), "n=18446744073709551615 s -1"));
    buf_clear(&b);
    ck_assert_uint_eq(buf_len(&b), 0);
    buf_deinit(&b);
}
END_TEST

START_TEST(shrinking_gives_memory_back)
{
    struct buf b = BUF_EMPTY;
    ck_assert_ptr_nonnull(buf_room(&b, 10000));
    size_t cap = b.cap;
    buf_shrink(&b, cap);
    ck_assert_uint_eq(b.cap, cap); /* allowed to keep so much */
    buf_grew(&b, cap / 2 + 1);
    buf_shrink(&b, 0);
    ck_assert_uint_eq(b.cap, cap); /* in use for the larger part */
    buf_clear(&b);
    ck_assert(buf_append(&b, "0123456789", 10));
    buf_consume(&b, 5);
    buf_shrink(&b, 1024);
    ck_assert_uint_eq(b.cap, 5);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("56789")));
    buf_consume(&b, 5);
    buf_shrink(&b, 0);
    ck_assert_ptr_null(b.mem);
    ck_assert(buf_append(&b, "again", 5));
    buf_deinit(&b);
}
END_TEST

UNIT_MAIN("buf", a_queue_keeps_its_order, room_can_be_filled_in_place, absurd_room_is_refused,
          text_is_put_together, shrinking_gives_memory_back)
