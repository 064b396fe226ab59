/* Forms: which reads may share an answer, and how each is told. What is told is
 * what a node would have said to the same words. */
#include "proxy/form.h"
#include "common/core/buf.h"
#include "t/unit/unit.h"

#include <stdio.h>

static struct request r;

static uint8_t
form(const char *line)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    ck_assert_int_eq(request_parse(&parser, span_cstr(line), &r), PARSE_OK);
    return form_of(&r);
}

START_TEST(plain_reads_may_be_shared)
{
    ck_assert_uint_eq(form("get a\r\n"), FORM_TEXT);
    ck_assert_uint_eq(form("gets a\r\n"), FORM_TEXT | FORM_CAS);
    ck_assert_uint_eq(form("mg a\r\n"), FORM_META);
    ck_assert_uint_eq(form("mg a v O1 q\r\n"), FORM_META | FORM_VALUE);
    ck_assert_uint_eq(form("mg YQ== s v b k f c t\r\n"), FORM_META | FORM_VALUE | FORM_FLAGS |
                                                             FORM_SIZE | FORM_CAS | FORM_TTL |
                                                             FORM_KEY);
}
END_TEST

START_TEST(nothing_else_may)
{
    static const char *const others[] = {
        "gat 1 a\r\n",   "gats 1 a\r\n",    "touch a 1\r\n", "incr a 1\r\n",  "delete a\r\n",
        "me a\r\n",      "md a\r\n",        "ma a\r\n",      "mg a v T1\r\n", "mg a v N1\r\n",
        "mg a v R1\r\n", "mg a v h\r\n",    "mg a v l\r\n",  "mg a v u\r\n",  "mg a v E1 N1\r\n",
        "mg a v I\r\n",  "set a 0 0 1\r\n", "ms a 1\r\n",
    };
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(form(others[i]) == FORM_NONE, "%s", others[i]);
    }
}
END_TEST

START_TEST(what_changes_an_item)
{
    static const char *const reads[] = {"get a\r\n", "gets a\r\n", "me a\r\n", "mg a v\r\n",
                                        "mg a h l u t v k O1 q\r\n"};
    static const char *const writes[] = {"gat 1 a\r\n",   "touch a 1\r\n",    "mg a v T1\r\n",
                                         "mg a v N1\r\n", "mg a v R1 O1\r\n", "delete a\r\n",
                                         "incr a 1\r\n",  "ms a 1\r\n",       "mg a x\r\n"};
    for (unsigned i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        form(reads[i]);
        ck_assert_msg(!form_changes_item(&r), "%s", reads[i]);
    }
    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        form(writes[i]);
        ck_assert_msg(form_changes_item(&r), "%s", writes[i]);
    }
}
END_TEST

START_TEST(a_form_covers_what_it_knows)
{
    ck_assert(form_covers(form("gets a\r\n"), FORM_TEXT));
    ck_assert(!form_covers(form("get a\r\n"), FORM_TEXT | FORM_CAS));
    ck_assert(!form_covers(form("mg a v f c s t k\r\n"), FORM_TEXT));
    ck_assert(!form_covers(form("gets a\r\n"), FORM_META));
    ck_assert(form_covers(form("mg a v f\r\n"), form("mg a f O1 q\r\n")));
    ck_assert(!form_covers(form("mg a f\r\n"), form("mg a v f\r\n")));
}
END_TEST

static void
asks(uint8_t f, struct span key, const char *expected)
{
    struct buf out = BUF_EMPTY;
    ck_assert(form_put_request(&out, f, key));
    ck_assert_uint_eq(buf_len(&out), strlen(expected));
    ck_assert(memcmp(buf_span(&out).ptr, expected, buf_len(&out)) == 0);
    buf_deinit(&out);
}

START_TEST(a_form_can_be_asked_for)
{
    asks(form("get a\r\n"), SPAN_LIT("a"), "get a\r\n");
    asks(form("gets a\r\n"), SPAN_LIT("a"), "gets a\r\n");
    asks(form("mg a\r\n"), SPAN_LIT("a"), "mg a\r\n");
    asks(form("mg YQ== v q O1 b\r\n"), SPAN_LIT("a"), "mg a v\r\n");
    asks(form("mg a k t c s f v\r\n"), SPAN_LIT("a\xff"), "mg a\xff f s c t k v\r\n");
    asks(form("mg a v c\r\n"), SPAN_LIT("a b"), "mg YSBi c v b\r\n");
    asks(form("mg a\r\n"), span_make("\0\r\n", 3), "mg AA0K b\r\n");
    char longest[KEY_MAX_BYTES];
    memset(longest, ' ', sizeof(longest));
    struct buf out = BUF_EMPTY;
    ck_assert(form_put_request(&out, 0xff & ~FORM_TEXT, span_make(longest, sizeof(longest))));
    ck_assert_uint_lt(buf_len(&out), FORM_HEAD_MAX);
    buf_deinit(&out);
}
END_TEST

static struct fetched
fetched(const char *reply, enum reply_shape shape)
{
    struct reply_parser parser = REPLY_PARSER_INIT;
    struct reply_piece piece;
    struct fetched f;
    ck_assert_int_eq(reply_parse(&parser, span_cstr(reply), shape, 1000, &piece), REPLY_PIECE);
    fetched_read(&piece, &f);
    return f;
}

START_TEST(text_is_told_with_or_without_the_cas_value)
{
    char head[FORM_HEAD_MAX];
    struct fetched f = fetched("VALUE a 5 3 99\r\nabc\r\n", REPLY_SHAPE_VALUES);
    ck_assert(fetched_is_hit(&f));
    size_t len = form_text_head(&f, SPAN_LIT("a"), false, head);
    ck_assert(span_eq_cstr(span_make(head, len), "VALUE a 5 3\r\n"));
    len = form_text_head(&f, SPAN_LIT("a"), true, head);
    ck_assert(span_eq_cstr(span_make(head, len), "VALUE a 5 3 99\r\n"));
    f = fetched("END\r\n", REPLY_SHAPE_VALUES);
    ck_assert(!fetched_is_hit(&f));
}
END_TEST

static void
tells(const char *reply, const char *ask, bool may_win, const char *expected)
{
    char head[FORM_HEAD_MAX + 1];
    struct fetched f = fetched(reply, REPLY_SHAPE_LINE);
    head[form_meta_head(&f, span_cstr(ask), may_win, head)] = '\0';
    ck_assert_str_eq(head, expected);
}

START_TEST(meta_is_told_in_the_askers_words)
{
    const char *all = "VA 3 f5 s3 c99 t-1 ka O1\r\nabc\r\n";
    tells(all, "a v", false, "VA 3\r\n");
    tells(all, "a", false, "HD\r\n");
    tells(all, "a v O77 k q", false, "VA 3 O77 ka\r\n");
    tells(all, "a t v c f s", false, "VA 3 t-1 c99 f5 s3\r\n");
    tells(all, "a O7 t", false, "HD O7 t-1\r\n");
    tells("HD f5 c7\r\n", "a c", false, "HD c7\r\n");
    tells("VA 3 kYQ== b f5\r\nabc\r\n", "YQ== k v b", false, "VA 3 kYQ== b\r\n");
    tells("VA 3 f5 ka\r\nabc\r\n", "YQ== k v b", false, "VA 3 ka\r\n"); /* stored as text */
    tells("HD\r\n", "a f v", false, "HD\r\n"); /* a node that tells less than it was asked */
    tells("VA 3 Zzz Xy Ww f123456789012345678901234567890\r\nabc\r\n", "a v f", false, "VA 3\r\n");
}
END_TEST

START_TEST(a_miss_echoes_what_it_should)
{
    tells("EN\r\n", "a v", false, "EN\r\n");
    tells("EN\r\n", "a v k O12", false, "EN ka O12\r\n");
    tells("EN\r\n", "YQ== b O12 k v", false, "EN O12 kYQ== b\r\n");
    tells("EN O9\r\n", "a v q k O12", false, "");
}
END_TEST

/* Of those who share an answer one may refill the item, as if they had asked one
 * after another. */
START_TEST(only_one_wins)
{
    tells("VA 3 X W\r\nabc\r\n", "a v", true, "VA 3 X W\r\n");
    tells("VA 3 X W\r\nabc\r\n", "a v", false, "VA 3 Z X\r\n");
    tells("VA 3 W X\r\nabc\r\n", "a v O1", false, "VA 3 O1 Z X\r\n");
    tells("VA 3 Z X\r\nabc\r\n", "a v", true, "VA 3 Z X\r\n");
    tells("VA 3 Z\r\nabc\r\n", "a v", false, "VA 3 Z\r\n");
    tells("HD W\r\n", "a", false, "HD Z\r\n");
}
END_TEST

UNIT_MAIN("form", plain_reads_may_be_shared, nothing_else_may, what_changes_an_item,
          a_form_covers_what_it_knows, a_form_can_be_asked_for,
          text_is_told_with_or_without_the_cas_value, meta_is_told_in_the_askers_words,
          a_miss_echoes_what_it_should, only_one_wins)
