#include "proxy/rename.h"
#include "common/core/buf.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct request r, out;
static struct rename n;

static struct span
renamed_line(const char *line, size_t prefix)
{
    static struct buf room;
    static struct buf composed;
    struct request_parser parser = REQUEST_PARSER_INIT;
    ck_assert_int_eq(request_parse(&parser, span_cstr(line), &r), PARSE_OK);
    rename_init(&n, r.key, prefix);
    ck_assert(rename_request(&n, &r, &out, &room));
    buf_clear(&composed);
    ck_assert(request_put_line(&composed, &out));
    return buf_span(&composed);
}

START_TEST(requests_are_written_anew)
{
    static const struct {
        const char *line, *at_node;
    } cases[] = {
        {"set u:k 1 2 3\r\n", "set k 1 2 3\r\n"},
        {"set u:k 1 2 3 noreply\r\n", "set k 1 2 3\r\n"},
        {"cas u:k 1 2 3 4\r\n", "cas k 1 2 3 4\r\n"},
        {"incr u:k 3\r\n", "incr k 3\r\n"},
        {"touch u:k 0\r\n", "touch k 0\r\n"},
        {"delete u:k noreply\r\n", "delete k\r\n"},
        {"mg u:k v q Oabc k\r\n", "mg k v Oabc k\r\n"},
        {"mg u:k q\r\n", "mg k\r\n"},
        {"ms u:k 3 T9 q k\r\n", "ms k 3 T9 k\r\n"},
        {"mg dTpr b q k\r\n", "mg aw== b k\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span line = renamed_line(cases[i].line, 2);
        ck_assert_msg(span_eq_cstr(line, cases[i].at_node), "%s became %.*s", cases[i].line,
                      SPAN_FMT(line));
        ck_assert(span_eq_cstr(out.key, "k"));
    }
}
END_TEST

static void
tells(const char *line, enum reply_shape shape, const char *expected)
{
    struct reply_parser parser = REPLY_PARSER_INIT;
    struct reply_piece piece;
    static char room[RENAME_LINE_MAX];
    ck_assert_int_eq(reply_parse(&parser, span_cstr(line), shape, 1000, &piece), REPLY_PIECE);
    size_t len = rename_line(&n, &piece, room);
    ck_assert_msg(span_eq_cstr(span_make(room, len), expected), "%s became %.*s", line, (int)len,
                  room);
}

START_TEST(replies_have_the_clients_key)
{
    rename_init(&n, SPAN_LIT("u:k"), 2);
    tells("VALUE k 1 2\r\nxx\r\n", REPLY_SHAPE_VALUES, "VALUE u:k 1 2");
    tells("END\r\n", REPLY_SHAPE_VALUES, "END");
    tells("STORED\r\n", REPLY_SHAPE_LINE, "STORED");
    tells("12\r\n", REPLY_SHAPE_LINE, "12");
    tells("HD\r\n", REPLY_SHAPE_LINE, "HD");
    tells("HD Ok kk s5\r\n", REPLY_SHAPE_LINE, "HD Ok ku:k s5");
    tells("HD kaw== b\r\n", REPLY_SHAPE_LINE, "HD kdTpr b");
    tells("VA 2 kk\r\nxx\r\n", REPLY_SHAPE_LINE, "VA 2 ku:k");
    tells("EN kk O1\r\n", REPLY_SHAPE_LINE, "EN ku:k O1");
    tells("NF kk\r\n", REPLY_SHAPE_LINE, "NF ku:k");
    tells("NS kk\r\n", REPLY_SHAPE_LINE, "NS ku:k");
    tells("EX kk\r\n", REPLY_SHAPE_LINE, "EX ku:k");
    tells("ME k exp=1\r\n", REPLY_SHAPE_LINE, "ME u:k exp=1");
    tells("ME aw== exp=1\r\n", REPLY_SHAPE_LINE, "ME dTpr exp=1");
    tells("HD kother\r\n", REPLY_SHAPE_LINE, "HD kother");
    tells("SERVER_ERROR k kk\r\n", REPLY_SHAPE_LINE, "SERVER_ERROR k kk");
}
END_TEST

START_TEST(the_longest_keys_fit)
{
    char key[KEY_MAX_BYTES], line[KEY_MAX_BYTES + 32], expected[KEY_MAX_BYTES + 32];
    memset(key, 'x', sizeof(key));
    rename_init(&n, span_make(key, sizeof(key)), KEY_MAX_BYTES - 1);
    snprintf(expected, sizeof(expected), "VALUE %.*s 0 1", (int)sizeof(key), key);
    tells("VALUE x 0 1\r\n1\r\n", REPLY_SHAPE_VALUES, expected);
    snprintf(line, sizeof(line), "set %.*s 0 0 1\r\n", (int)sizeof(key), key);
    ck_assert(span_eq_cstr(renamed_line(line, KEY_MAX_BYTES - 1), "set x 0 0 1\r\n"));
}
END_TEST

UNIT_MAIN("rename", requests_are_written_anew, replies_have_the_clients_key, the_longest_keys_fit)
