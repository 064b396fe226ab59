#include "t/unit/unit.h"

#include "common/core/buf.h"
#include "common/proto/reply.h"

#define VALUE_MAX 100

static struct reply_piece piece;

static enum reply_status
read_one(const char *text, enum reply_shape shape)
{
    struct reply_parser p = REPLY_PARSER_INIT;
    return reply_parse(&p, span_cstr(text), shape, VALUE_MAX, &piece);
}

static void
is_piece(const char *text, enum reply_shape shape, enum reply_kind kind, bool final)
{
    ck_assert_msg(read_one(text, shape) == REPLY_PIECE, "%s", text);
    ck_assert_msg(piece.kind == kind, "%s: %d", text, piece.kind);
    ck_assert_int_eq(piece.final, final);
    ck_assert_uint_eq(piece.raw.len, strlen(text));
}

static void
is_garbage(const char *text, enum reply_shape shape)
{
    ck_assert_msg(read_one(text, shape) == REPLY_GARBAGE, "%s", text);
}

#define ck_assert_span(span, text)                                                                 \
    ck_assert_msg(span_eq_cstr((span), (text)), "%.*s, not %s", SPAN_FMT(span), (text))

START_TEST(every_word_is_known)
{
    static const enum reply_kind lines[] = {
        REPLY_STORED,  REPLY_NOT_STORED, REPLY_EXISTS,       REPLY_NOT_FOUND,    REPLY_DELETED,
        REPLY_TOUCHED, REPLY_OK,         REPLY_VERSION,      REPLY_RESET,        REPLY_HD,
        REPLY_EN,      REPLY_NF,         REPLY_NS,           REPLY_EX,           REPLY_MN,
        REPLY_ME,      REPLY_ERROR,      REPLY_CLIENT_ERROR, REPLY_SERVER_ERROR,
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct buf text = BUF_EMPTY;
        ck_assert(buf_append_span(&text, span_cstr(reply_word(lines[i]))));
        ck_assert(buf_append(&text, "\r\n", 3));
        is_piece(text.mem, REPLY_SHAPE_LINE, lines[i], true);
        ck_assert_span(piece.line, reply_word(lines[i]));
        text.tail -= 3;
        ck_assert(buf_append(&text, " some more\r\n", 13));
        is_piece(text.mem, REPLY_SHAPE_LINE, lines[i], true);
        buf_deinit(&text);
    }
}
END_TEST

START_TEST(lines_without_a_known_word)
{
    is_piece("18446744073709551615\r\n", REPLY_SHAPE_LINE, REPLY_NUMBER, true);
    is_piece("99 \r\n", REPLY_SHAPE_LINE, REPLY_NUMBER, true);
    is_piece("9x\r\n", REPLY_SHAPE_LINE, REPLY_OTHER, true);
    is_piece("BUSY currently processing\r\n", REPLY_SHAPE_LINE, REPLY_OTHER, true);
    is_piece("SERVER_ERROR: shutdown not enabled\r\n", REPLY_SHAPE_LINE, REPLY_OTHER, true);
    ck_assert_str_eq(reply_word(REPLY_OTHER), "");
    ck_assert_str_eq(reply_word(REPLY_NUMBER), "");
}
END_TEST

START_TEST(values_carry_their_parts)
{
    is_piece("VALUE key 7 5\r\nhe\r\no\r\n", REPLY_SHAPE_VALUES, REPLY_VALUE, false);
    ck_assert_span(piece.key, "key");
    ck_assert_span(piece.value, "he\r\no");
    ck_assert_span(piece.line, "VALUE key 7 5");
    ck_assert_uint_eq(piece.flags, 7);
    ck_assert(!piece.has_cas);
    is_piece("VALUE k 18446744073709551615 0 42\r\n\r\n", REPLY_SHAPE_VALUES, REPLY_VALUE, false);
    ck_assert(piece.has_cas);
    ck_assert_uint_eq(piece.cas, 42);
    ck_assert_uint_eq(piece.flags, UINT64_MAX);
    ck_assert_uint_eq(piece.value.len, 0);
    is_piece("END\r\n", REPLY_SHAPE_VALUES, REPLY_END, true);
    is_piece("SERVER_ERROR out of memory\r\n", REPLY_SHAPE_VALUES, REPLY_SERVER_ERROR, true);
    is_piece("VA 2 t-1 k\r\nab\r\n", REPLY_SHAPE_LINE, REPLY_VA, true);
    ck_assert_span(piece.value, "ab");
    ck_assert_span(piece.line, "VA 2 t-1 k");
}
END_TEST

START_TEST(stats_end)
{
    is_piece("STAT pid 1\r\n", REPLY_SHAPE_STATS, REPLY_STAT, false);
    is_piece("ITEM k [1 b; 0 s]\r\n", REPLY_SHAPE_STATS, REPLY_OTHER, false);
    is_piece("END\r\n", REPLY_SHAPE_STATS, REPLY_END, true);
    is_piece("RESET\r\n", REPLY_SHAPE_STATS, REPLY_RESET, true);
    is_piece("ERROR\r\n", REPLY_SHAPE_STATS, REPLY_ERROR, true);
}
END_TEST

START_TEST(what_no_memcached_says_is_garbage)
{
    static const char *const values[] = {
        "VALUE\r\n",
        "VALUE k\r\n",
        "VALUE k 0\r\n",
        "VALUE k 0 x\r\n",
        "VALUE k 0 -1\r\n",
        "VALUE k 0 101\r\n",
        "VALUE k 0 2\r\nabc\r\n",
        "VALUE k 0 2\r\nabXX",
        "VALUE k 0 1 x\r\nab\r\n",
        "VALUE k 0 1 1 1\r\na\r\n",
        "STORED\r\n",
        "HD\r\n",
        "12\r\n",
        "\r\n",
        "END\n",
        " END\r\n",
        "what\r\n",
        "VALUE k 0 99999999999999999999\r\n",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        is_garbage(values[i], REPLY_SHAPE_VALUES);
    }
    static const char *const lines[] = {
        "\r\n",   "\n",       "VALUE k 0 1\r\na\r\n", "STAT a b\r\n", "END\r\n",
        "VA\r\n", "VA x\r\n", "VA 101\r\n",           "VA 1\r\nabc",  "\x80\r\n\x01",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) - 1; i++) {
        is_garbage(lines[i], REPLY_SHAPE_LINE);
    }
    is_garbage("STORED\n", REPLY_SHAPE_LINE);
    is_garbage("STOREDx\n", REPLY_SHAPE_LINE);
    is_garbage("HD\r\n", REPLY_SHAPE_STATS);
    is_garbage("VALUE k 0 1\r\na\r\n", REPLY_SHAPE_STATS);
}
END_TEST

START_TEST(endless_lines_are_garbage)
{
    static char text[REPLY_LINE_MAX + 2];
    memset(text, 'x', sizeof(text));
    struct reply_parser p = REPLY_PARSER_INIT;
    struct span input = {text, REPLY_LINE_MAX};
    ck_assert_int_eq(reply_parse(&p, input, REPLY_SHAPE_LINE, 0, &piece), REPLY_NEED_MORE);
    input.len++;
    ck_assert_int_eq(reply_parse(&p, input, REPLY_SHAPE_LINE, 0, &piece), REPLY_GARBAGE);
    text[REPLY_LINE_MAX + 1] = '\n';
    p = REPLY_PARSER_INIT;
    input.len = sizeof(text);
    ck_assert_int_eq(reply_parse(&p, input, REPLY_SHAPE_LINE, 0, &piece), REPLY_GARBAGE);
}
END_TEST

/* The line of a long value is read once, and then only when all has come. */
START_TEST(a_growing_value_is_not_looked_at_again)
{
    const char *text = "VALUE k 0 50\r\n12345678901234567890123456789012345678901234567890\r\n";
    size_t len = strlen(text);
    struct reply_parser p = REPLY_PARSER_INIT;
    for (size_t have = 0; have < len; have++) {
        ck_assert_int_eq(
            reply_parse(&p, span_make(text, have), REPLY_SHAPE_VALUES, VALUE_MAX, &piece),
            REPLY_NEED_MORE);
        if (have >= strlen("VALUE k 0 50\r\n")) {
            ck_assert_uint_eq(p.need, len);
        }
    }
    ck_assert_int_eq(reply_parse(&p, span_make(text, len), REPLY_SHAPE_VALUES, VALUE_MAX, &piece),
                     REPLY_PIECE);
    ck_assert_uint_eq(piece.value.len, 50);
    ck_assert_uint_eq(p.need, 0);
    ck_assert_uint_eq(p.scanned, 0);
}
END_TEST

START_TEST(each_command_has_a_shape)
{
    ck_assert_int_eq(reply_shape_of(CMD_GATS), REPLY_SHAPE_VALUES);
    ck_assert_int_eq(reply_shape_of(CMD_MG), REPLY_SHAPE_LINE);
    ck_assert_int_eq(reply_shape_of(CMD_SET), REPLY_SHAPE_LINE);
    ck_assert_int_eq(reply_shape_of(CMD_STATS), REPLY_SHAPE_STATS);
}
END_TEST

UNIT_MAIN("reply", every_word_is_known, lines_without_a_known_word, values_carry_their_parts,
          stats_end, what_no_memcached_says_is_garbage, endless_lines_are_garbage,
          a_growing_value_is_not_looked_at_again, each_command_has_a_shape)
