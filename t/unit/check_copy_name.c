/* What copies of hot keys are called, and which keys may have any. */
#include "common/proto/request.h"
#include "proxy/copy_name.h"
#include "t/unit/unit.h"

static struct span
name(struct span key, enum copy_kind kind, uint32_t tag, char *room)
{
    struct span it = copy_name_put(key, kind, tag, room);
    ck_assert(copy_name_is(it));
    return it;
}

START_TEST(a_name_tells_whose_it_is)
{
    char room[KEY_MAX_BYTES], other[KEY_MAX_BYTES];
    struct span key = SPAN_LIT("menu:1");
    struct span it = name(key, COPY_OF_LISTED, 0x12ab, room);
    ck_assert(span_eq(it, SPAN_LIT("menu:1\xff"
                                   "copy.000012ab")));
    ck_assert(!span_eq(it, name(key, COPY_OF_LISTED, 0x12ac, other)));
    ck_assert(span_eq(name(key, COPY_OF_HERE, 0x12ab, other), SPAN_LIT("menu:1\xff"
                                                                       "here.000012ab")));
    ck_assert_uint_ne(copy_name_tag("n1"), copy_name_tag("n2"));
}
END_TEST

START_TEST(it_may_be_made_where_the_key_stands)
{
    char room[KEY_MAX_BYTES] = "a key of 23 bytes, so..";
    struct span it = name(span_make(room, 23), COPY_OF_LISTED, 1, room);
    ck_assert(it.ptr == room && it.len == 23 + COPY_NAME_MARK_BYTES);
    ck_assert_int_eq(memcmp(room, "a key of 23 bytes, so..", 23), 0);
}
END_TEST

START_TEST(a_key_is_no_name)
{
    ck_assert(!copy_name_is(SPAN_LIT("menu:1")));
    ck_assert(!copy_name_is(SPAN_LIT("menu:1copy.000012ab")));
    ck_assert(!copy_name_is(SPAN_LIT("\xff"
                                     "copy.000012ab"))); /* of nothing */
    ck_assert(!copy_name_is(SPAN_LIT("a\xff"
                                     "cope.000012ab")));
}
END_TEST

START_TEST(nodes_must_take_the_name)
{
    char text[KEY_MAX_BYTES], binary[KEY_MAX_BYTES];
    memset(text, 'a', sizeof(text));
    memset(binary, 'a', sizeof(binary));
    binary[7] = ' ';
    ck_assert(copy_name_fits(span_make(text, 236)));
    ck_assert(!copy_name_fits(span_make(text, 237)));
    ck_assert(copy_name_fits(span_make(binary, 172))); /* with 14 bytes 248 in base64 */
    ck_assert(!copy_name_fits(span_make(binary, 173)));
}
END_TEST

UNIT_MAIN("copy_name", a_name_tells_whose_it_is, it_may_be_made_where_the_key_stands,
          a_key_is_no_name, nodes_must_take_the_name)
