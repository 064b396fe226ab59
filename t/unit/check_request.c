#include "t/unit/unit.h"

#include "common/core/buf.h"
#include "common/proto/request.h"

#include <stdio.h>

/* The parser is given exactly the bytes of `text`, in memory of their own. */
static char *held;
static struct request r;

static enum parse_status
parse_bytes(const void *text, size_t len)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    free(held);
    held = malloc(len ? len : 1);
    memcpy(held, text, len);
    memset(&r, 0xa5, sizeof(r)); /* nothing may be right by luck */
    return request_parse(&parser, span_make(held, len), &r);
}

static enum parse_status
parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void
parses(const char *text)
{
    ck_assert_msg(parse(text) == PARSE_OK, "%s", text);
    ck_assert_uint_eq(r.line_bytes, (size_t)(strchr(text, '\n') - text) + 1);
}

static void
is_refused(const char *text, enum proto_error error)
{
    ck_assert_msg(parse(text) == PARSE_ERROR, "%s", text);
    ck_assert_msg(r.error == error, "%s: %.*s", text, SPAN_FMT(error_line(r.error)));
    ck_assert_uint_eq(r.line_bytes, (size_t)(strchr(text, '\n') - text) + 1);
}

static void
closes(const char *text, enum proto_error error)
{
    ck_assert_msg(parse(text) == PARSE_CLOSE, "%s", text);
    ck_assert_msg(r.error == error, "%s: %.*s", text, SPAN_FMT(error_line(r.error)));
}

#define ck_assert_span(span, text)                                                                 \
    ck_assert_msg(span_eq_cstr((span), (text)), "%.*s, not %s", SPAN_FMT(span), (text))

/* --- get -------------------------------------------------------------------- */
START_TEST(get_gives_every_key)
{
    parses("get a bb  ccc \r\n");
    ck_assert_int_eq(r.cmd, CMD_GET);
    ck_assert_span(r.key, "a");
    ck_assert_span(r.line, "get a bb  ccc ");
    struct span keys = r.keys, key;
    static const char *const expected[] = {"a", "bb", "ccc"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(request_next_key(&keys, &key));
        ck_assert_span(key, expected[i]);
    }
    ck_assert(!request_next_key(&keys, &key));
    ck_assert(!request_next_key(&keys, &key));
}
END_TEST

START_TEST(gat_has_an_exptime)
{
    parses("gat 100 k\r\n");
    ck_assert_int_eq(r.exptime, 100);
    ck_assert_span(r.key, "k");
    parses("gats -1 k j\n");
    ck_assert_int_eq(r.cmd, CMD_GATS);
    ck_assert_int_eq(r.exptime, -1);
    ck_assert_span(r.keys, "k j");
    is_refused("gat x k\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("gat - k\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("gat 10\r\n", PROTO_ERR_BAD_FORMAT);
    is_refused("gat x\r\n", PROTO_ERR_BAD_FORMAT);
    is_refused("gat\r\n", PROTO_ERR_BAD_FORMAT);
}
END_TEST

START_TEST(one_bad_key_spoils_a_get)
{
    char line[600];
    char key[252];
    memset(key, 'k', sizeof(key));
    snprintf(line, sizeof(line), "get a %.*s b\r\n", 250, key);
    parses(line);
    snprintf(line, sizeof(line), "get a %.*s b\r\n", 251, key);
    is_refused(line, PROTO_ERR_BAD_FORMAT);
    snprintf(line, sizeof(line), "get %.*s\r\n", 251, key);
    is_refused(line, PROTO_ERR_BAD_FORMAT);
    is_refused("get a b\tc\r\n", PROTO_ERR_BAD_FORMAT);
    is_refused("get \r\n", PROTO_ERR_BAD_FORMAT);
}
END_TEST

/* What the parser must make of "get " <24 bytes> " z" with byte `c` at `at`. */
static void
check_key_byte(unsigned char c, size_t at)
{
    char line[] = "get k\xff\x80kkkkkkk\xffkkkkkkkkkkkkk z\r\n";
    line[4 + at] = (char)c;
    enum parse_status status = parse_bytes(line, sizeof(line) - 1);
    bool ends_early = c == '\n' && at == 0;
    if (ends_early || ((c < ' ' || c == 0x7f) && c != '\n')) {
        ck_assert_msg(status == PARSE_ERROR, "byte %02x at %zu", c, at);
        return;
    }
    ck_assert_msg(status == PARSE_OK, "byte %02x at %zu", c, at);
    size_t blank = at == 0 ? 23 : at;
    ck_assert_uint_eq(r.key.len, c == ' ' || c == '\n' ? blank : 24);
}

/* Keys are read eight bytes at a time: every byte in every place. */
START_TEST(key_bytes_are_all_but_blanks_and_controls)
{
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 24; at++) {
            check_key_byte((unsigned char)c, at);
        }
    }
}
END_TEST

/* --- set ---------------------------------------------------------------------- */
START_TEST(set_gives_its_numbers)
{
    parses("set key 4294967296 -5 1048576 noreply\r\n");
    ck_assert_int_eq(r.cmd, CMD_SET);
    ck_assert_span(r.key, "key");
    ck_assert_span(r.wire_key, "key");
    ck_assert_uint_eq(r.flags, 4294967296);
    ck_assert_int_eq(r.exptime, -5);
    ck_assert_uint_eq(r.value_bytes, 1048576);
    ck_assert_uint_eq(r.block_bytes, 1048578);
    ck_assert(r.noreply);
    parses("cas key 0 0 3 18446744073709551615\r\n");
    ck_assert_uint_eq(r.cas, UINT64_MAX);
    ck_assert(!r.noreply);
    parses("append k 0 9223372036854775807 0\n");
    ck_assert_int_eq(r.exptime, INT64_MAX);
    ck_assert_uint_eq(r.block_bytes, 2);
}
END_TEST

START_TEST(noreply_is_the_last_word)
{
    parses("set k 0 0 1 noreply\r\n");
    ck_assert(r.noreply);
    parses("set k 0 0 1 noreply  \r\n");
    ck_assert(r.noreply);
    parses("set k 0 0 1 what noreply\r\n");
    ck_assert(r.noreply);
    parses("set k 0 0 1 noreply what\r\n");
    ck_assert(!r.noreply);
    parses("set k 0 0 1 anoreply\r\n");
    ck_assert(!r.noreply);
    parses("set noreply 0 0 1\r\n");
    ck_assert(!r.noreply);
    parses("delete noreply\r\n");
    ck_assert(!r.noreply);
}
END_TEST

START_TEST(a_refused_value_of_known_length_is_swallowed)
{
    char line[300];
    char key[251];
    memset(key, 'k', sizeof(key));
    snprintf(line, sizeof(line), "set %.*s 0 0 10\r\n", 251, key);
    is_refused(line, PROTO_ERR_BAD_FORMAT);
    ck_assert_uint_eq(r.block_bytes, 12);
    ck_assert(!r.noreply);
    snprintf(line, sizeof(line), "set %.*s 0 0 10 noreply\r\n", 251, key);
    is_refused(line, PROTO_ERR_BAD_FORMAT);
    ck_assert(r.noreply);
    static const char *const lines[] = {
        "set k x 0 10\r\n",
        "set k 0 x 10\r\n",
        "set k -1 0 10\r\n",
        "set a\tb 0 0 10\r\n",
        "cas k 0 0 10\r\n",
        "cas k 0 0 10 x\r\n",
        "cas k 0 0 10 -1\r\n",
        "set a\x7f"
        "b 0 0 10\r\n",
        "set k +1 0 10\r\n",
        "cas k 0 0 10 noreply\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        is_refused(lines[i], PROTO_ERR_BAD_FORMAT);
        ck_assert_uint_eq(r.block_bytes, 12);
    }
    ck_assert(r.noreply);
}
END_TEST

START_TEST(a_value_of_unknown_length_closes)
{
    static const char *const lines[] = {
        "set\r\n",
        "set k\r\n",
        "set k 0 0\r\n",
        "set k 0 0 x\r\n",
        "set k 0 0 -1\r\n",
        "set k 0 0 1x\r\n",
        "set k 0 0 +1\r\n",
        "set  0 0 5\r\n",
        "ms\r\n",
        "ms k\r\n",
        "ms k x\r\n",
        "ms k -1\r\n",
        "ms k S5\r\n",
        "cas k 0 0\r\n",
        "set k 0 0 2147483646\r\n",
        "ms k 2147483646\r\n",
        "set k 0 0 99999999999999999999\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        closes(lines[i], PROTO_ERR_BAD_FORMAT);
    }
    closes("set k 0 0 -1 noreply\r\n", PROTO_OK);
    closes("set k noreply\r\n", PROTO_OK);
    closes("set noreply\r\n", PROTO_ERR_BAD_FORMAT); /* a key */
    parses("set k 0 0 2147483645\r\n");
    parses("ms k 2147483645\r\n");
}
END_TEST

/* --- the other text commands ------------------------------------------------ */
START_TEST(delete_takes_no_junk)
{
    parses("delete k\r\n");
    ck_assert(!r.noreply);
    parses("delete k 0\r\n");
    parses("delete k 0 noreply \r\n");
    ck_assert(r.noreply);
    parses("delete k noreply\r\n");
    ck_assert(r.noreply);
    is_refused("delete k x\r\n", PROTO_ERR_BAD_DELETE);
    is_refused("delete k 5\r\n", PROTO_ERR_BAD_DELETE);
    is_refused("delete k 0 0\r\n", PROTO_ERR_BAD_DELETE);
    is_refused("delete k noreply x\r\n", PROTO_ERR_BAD_DELETE);
    is_refused("delete k 5 noreply\r\n", PROTO_ERR_BAD_DELETE);
    ck_assert(r.noreply);
    is_refused("delete\r\n", PROTO_ERR_BAD_FORMAT);
}
END_TEST

START_TEST(incr_has_a_delta)
{
    parses("incr k 18446744073709551615 noreply\r\n");
    ck_assert_uint_eq(r.delta, UINT64_MAX);
    ck_assert(r.noreply);
    parses("decr k 007\r\n");
    ck_assert_uint_eq(r.delta, 7);
    is_refused("incr k -1\r\n", PROTO_ERR_BAD_DELTA);
    is_refused("incr k 18446744073709551616\r\n", PROTO_ERR_BAD_DELTA);
    is_refused("incr k 1x\r\n", PROTO_ERR_BAD_DELTA);
    is_refused("incr k\r\n", PROTO_ERR_BAD_FORMAT);
    is_refused("incr k noreply\r\n", PROTO_ERR_BAD_DELTA);
    ck_assert(r.noreply);
}
END_TEST

START_TEST(touch_has_an_exptime)
{
    parses("touch k -9223372036854775808\r\n");
    ck_assert_int_eq(r.exptime, INT64_MIN);
    is_refused("touch k -9223372036854775809\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("touch k 9223372036854775808\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("touch k --1\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("touch k\r\n", PROTO_ERR_BAD_FORMAT);
}
END_TEST

/* "set a 5 0 0 30" stores nothing under "a 5": all its words are numbers, so it
 * reads as a value of 0 bytes with a 30 behind, and the value would be commands. */
START_TEST(a_number_behind_the_arguments_may_be_the_length)
{
    closes("set a 5 0 0 30\r\n", PROTO_ERR_BAD_FORMAT);
    closes("set a 5 6 0 0 30\r\n", PROTO_ERR_BAD_FORMAT);
    closes("add a 5 0 0 -1\r\n", PROTO_ERR_BAD_FORMAT);
    closes("set a 5 0 0 30 noreply\r\n", PROTO_OK);
    closes("cas a 5 0 0 30 7\r\n", PROTO_ERR_BAD_FORMAT);
    parses("set k 0 0 1 x\r\n");
    parses("set k 0 0 1 noreply 30\r\n");
    ck_assert_uint_eq(r.value_bytes, 1);
    parses("cas k 0 0 1 5 noreply x\r\n");
}
END_TEST

/* A key with a space in it moves every word: the fifth is then not the length,
 * and swallowing so many bytes would leave the rest of the value to be read as
 * commands. */
START_TEST(a_refused_store_with_too_many_words_is_closed)
{
    closes("set a b 0 0 30\r\n", PROTO_ERR_BAD_FORMAT);
    closes("set a b 0 0 30 noreply\r\n", PROTO_OK);
    closes("set k x 0 5 6\r\n", PROTO_ERR_BAD_FORMAT);
    closes("cas a b 0 0 30 7\r\n", PROTO_ERR_BAD_FORMAT);
    closes("ms a 5 30 S\r\n", PROTO_ERR_BAD_FORMAT);
    closes("ms a 5 S x 30\r\n", PROTO_ERR_INVALID_FLAG);
    is_refused("ms k 5 S\r\n", PROTO_ERR_INVALID_FLAG);
    ck_assert_uint_eq(r.block_bytes, 7);
    is_refused("set k x 0 5 noreply \r\n", PROTO_ERR_BAD_FORMAT);
    ck_assert_uint_eq(r.block_bytes, 7);
    is_refused("cas k 0 0 5 x noreply\r\n", PROTO_ERR_BAD_FORMAT);
    ck_assert_uint_eq(r.block_bytes, 7);
    is_refused("cas k 0 0 5 noreply\r\n", PROTO_ERR_BAD_FORMAT);
    ck_assert_uint_eq(r.block_bytes, 7);
}
END_TEST

START_TEST(flush_all_and_verbosity_are_checked)
{
    parses("flush_all\r\n");
    ck_assert_int_eq(r.exptime, 0);
    parses("flush_all noreply\r\n");
    ck_assert(r.noreply);
    ck_assert_span(r.bare, "flush_all ");
    parses("flush_all 10 noreply\r\n");
    ck_assert_int_eq(r.exptime, 10);
    ck_assert(r.noreply);
    is_refused("flush_all x\r\n", PROTO_ERR_BAD_EXPTIME);
    is_refused("flush_all x noreply\r\n", PROTO_ERR_BAD_EXPTIME);
    ck_assert(r.noreply);
    parses("verbosity 1 noreply\r\n");
    is_refused("verbosity x\r\n", PROTO_ERR_BAD_FORMAT);
    is_refused("verbosity\r\n", PROTO_ERR_UNKNOWN_COMMAND);
}
END_TEST

START_TEST(admin_words_are_split)
{
    struct span words[2];
    parses("slabs  reassign 1 2 \r\n");
    ck_assert_uint_eq(request_admin_words(&r, words, 2), 3);
    ck_assert_span(words[0], "reassign");
    ck_assert_span(words[1], "1");
    parses("stats noreply\r\n");
    ck_assert(!r.noreply);
    ck_assert_uint_eq(request_admin_words(&r, words, 2), 1);
    parses("version\r\n");
    ck_assert_uint_eq(request_admin_words(&r, words, 2), 0);
}
END_TEST

/* --- meta ----------------------------------------------------------------------- */
START_TEST(meta_flags_keep_their_order)
{
    parses("mg key v t Oabc N30 k R-1 T5 q\r\n");
    ck_assert_span(r.key, "key");
    ck_assert_uint_eq(r.meta.count, 8);
    static const char letters[] = "vtONkRTq";
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(r.meta.flags[i].letter, letters[i]);
        ck_assert(meta_has(&r.meta, letters[i]));
    }
    ck_assert(!meta_has(&r.meta, 'b'));
    ck_assert_span(r.meta.opaque, "abc");
    ck_assert_int_eq(r.meta.vivify_ttl, 30);
    ck_assert_int_eq(r.meta.recache_ttl, -1);
    ck_assert_int_eq(r.meta.ttl, 5);
    ck_assert(r.quiet);
    ck_assert(!r.noreply);
}
END_TEST

START_TEST(ms_gives_its_numbers)
{
    parses("ms key 5 F18446744073709551615 C7 E8 T-1 I MS\r\n");
    ck_assert_uint_eq(r.value_bytes, 5);
    ck_assert_uint_eq(r.block_bytes, 7);
    ck_assert_uint_eq(r.meta.client_flags, UINT64_MAX);
    ck_assert_uint_eq(r.meta.cas, 7);
    ck_assert_uint_eq(r.meta.new_cas, 8);
    ck_assert_int_eq(r.meta.ttl, -1);
    ck_assert_int_eq(r.meta.mode, MODE_SET);
}
END_TEST

START_TEST(ma_has_defaults)
{
    parses("ma key\r\n");
    ck_assert_uint_eq(r.meta.delta, 1);
    ck_assert_uint_eq(r.meta.initial, 0);
    ck_assert_int_eq(r.meta.mode, MODE_DEFAULT);
    parses("ma key D0 J13 N0\r\n");
    ck_assert_uint_eq(r.meta.delta, 0);
    ck_assert_uint_eq(r.meta.initial, 13);
}
END_TEST

START_TEST(modes_in_either_case)
{
    static const struct {
        const char *line;
        enum meta_mode mode;
    } rows[] = {
        {"ms k 1 MS\r\n", MODE_SET},     {"ms k 1 Ms\r\n", MODE_SET},
        {"ms k 1 ME\r\n", MODE_ADD},     {"ms k 1 Me\r\n", MODE_ADD},
        {"ms k 1 MA\r\n", MODE_APPEND},  {"ms k 1 Ma\r\n", MODE_APPEND},
        {"ms k 1 MP\r\n", MODE_PREPEND}, {"ms k 1 Mp\r\n", MODE_PREPEND},
        {"ms k 1 MR\r\n", MODE_REPLACE}, {"ms k 1 Mr\r\n", MODE_REPLACE},
        {"ma k MI\r\n", MODE_INCR},      {"ma k Mi\r\n", MODE_INCR},
        {"ma k M+\r\n", MODE_INCR},      {"ma k MD\r\n", MODE_DECR},
        {"ma k Md\r\n", MODE_DECR},      {"ma k M-\r\n", MODE_DECR},
        {"mg k MI\r\n", MODE_DEFAULT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        parses(rows[i].line);
        ck_assert_msg(r.meta.mode == rows[i].mode, "%s", rows[i].line);
    }
    is_refused("ms k 1 MI\r\n", PROTO_ERR_INVALID_MS_MODE);
    ck_assert_uint_eq(r.block_bytes, 3);
    is_refused("ms k 1 M\r\n", PROTO_ERR_INVALID_MS_MODE);
    is_refused("ms k 1 MSS\r\n", PROTO_ERR_INVALID_MS_MODE);
    is_refused("ma k MS\r\n", PROTO_ERR_INVALID_MA_MODE);
}
END_TEST

START_TEST(base64_keys_are_decoded)
{
    parses("mg AAEC/w== b k v\r\n");
    ck_assert(r.binary_key);
    ck_assert_uint_eq(r.key.len, 4);
    ck_assert_mem_eq(r.key.ptr, "\0\1\2\xff", 4);
    ck_assert_span(r.wire_key, "AAEC/w==");
    is_refused("mg AAEC/w= b\r\n", PROTO_ERR_BAD_KEY_ENCODING);
    is_refused("mg a$EC b\r\n", PROTO_ERR_BAD_KEY_ENCODING);
    is_refused("ma a$EC b\r\n", PROTO_ERR_INVALID_OR_DUP);
    parses("me AAEC/w== b\r\n");
    ck_assert_uint_eq(r.key.len, 4);
    parses("me AAEC/w== !b v v x b\r\n");
    ck_assert_uint_eq(r.key.len, 4);
    ck_assert_uint_eq(r.meta.count, 1);
    is_refused("me AAE b\r\n", PROTO_ERR_BAD_FORMAT);
}
END_TEST

START_TEST(meta_errors)
{
    static const struct {
        const char *line;
        enum proto_error error;
    } rows[] = {
        {"mg\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg k !\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg k 1\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg k O\x01\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg a\tb v\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg k Z\r\n", PROTO_ERR_INVALID_FLAG},
        {"mg k S\r\n", PROTO_ERR_INVALID_FLAG},
        {"md k q W\r\n", PROTO_ERR_INVALID_FLAG},
        {"mg k v v\r\n", PROTO_ERR_DUPLICATE_FLAG},
        {"mg k O1 O2\r\n", PROTO_ERR_DUPLICATE_FLAG},
        {"mg k Tx\r\n", PROTO_ERR_BAD_TOKEN},
        {"mg k N\r\n", PROTO_ERR_BAD_TOKEN},
        {"mg k R1x\r\n", PROTO_ERR_BAD_TOKEN},
        {"md k C-1\r\n", PROTO_ERR_BAD_TOKEN},
        {"ms k 2 E\r\n", PROTO_ERR_BAD_TOKEN},
        {"ms k 2 F\r\n", PROTO_ERR_BAD_FORMAT},
        {"mg k Jx\r\n", PROTO_ERR_BAD_INITIAL},
        {"mg k Dx\r\n", PROTO_ERR_BAD_META_DELTA},
        {"ma k Dx\r\n", PROTO_ERR_INVALID_OR_DUP},
        {"ma k v v\r\n", PROTO_ERR_INVALID_OR_DUP},
        {"ma k Z\r\n", PROTO_ERR_INVALID_OR_DUP},
        {"mg k Oaaaaaaaaaabbbbbbbbbbccccccccccdd\r\n", PROTO_ERR_OPAQUE_TOO_LONG},
        {"mg aaaa b c f h k l q s t u v x E1 I L M N1 O\r\n", PROTO_OK},
        {"mg aaaa b c f h k l q s t u v x E1 I L M N1 O P\r\n", PROTO_ERR_FLAGS_TOO_LONG},
        {"ms k 1 c f h k l q s t u v x E1 I L MS N1 O\r\n", PROTO_OK},
        {"ms k 1 c f h k l q s t u v x E1 I L MS N1 O P\r\n", PROTO_ERR_FLAGS_TOO_LONG},
        {"ma k v v v v v v v v v v v v v v v v v v v\r\n", PROTO_ERR_FLAGS_TOO_LONG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].error == PROTO_OK) {
            parses(rows[i].line);
        } else {
            is_refused(rows[i].line, rows[i].error);
        }
    }
    parses("mg k Oaaaaaaaaaabbbbbbbbbbccccccccccd\r\n");
    ck_assert_uint_eq(r.meta.opaque.len, OPAQUE_MAX_BYTES);
}
END_TEST

/* --- lines -------------------------------------------------------------------- */
START_TEST(lines_have_limits)
{
    static const struct {
        const char *verb;
        size_t max;
        enum proto_error error; /* beyond it */
    } rows[] = {
        {"delete ", REQUEST_LINE_MAX_OTHER, PROTO_OK},
        {"set ", REQUEST_LINE_MAX_OTHER, PROTO_OK},
        {"getx ", REQUEST_LINE_MAX_OTHER, PROTO_OK},
        {"get ", REQUEST_LINE_MAX, PROTO_ERR_BAD_FORMAT},
        {"gets ", REQUEST_LINE_MAX, PROTO_ERR_BAD_FORMAT},
        {"gat ", REQUEST_LINE_MAX, PROTO_ERR_BAD_FORMAT},
        {"gats ", REQUEST_LINE_MAX, PROTO_ERR_BAD_FORMAT},
        {"mg ", REQUEST_LINE_MAX, PROTO_ERR_BAD_FORMAT},
    };
    static char line[REQUEST_LINE_MAX + 2];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(line, 'x', sizeof(line));
        memcpy(line, rows[i].verb, strlen(rows[i].verb));
        ck_assert_int_eq(parse_bytes(line, rows[i].max), PARSE_NEED_MORE);
        ck_assert_int_eq(parse_bytes(line, rows[i].max + 1), PARSE_CLOSE);
        ck_assert_int_eq(r.error, rows[i].error);
        line[rows[i].max + 1] = '\n';
        ck_assert_int_eq(parse_bytes(line, rows[i].max + 2), PARSE_CLOSE);
        ck_assert_int_eq(r.error, rows[i].error);
        line[rows[i].max] = '\n';
        enum parse_status status = parse_bytes(line, rows[i].max + 1);
        ck_assert(status == PARSE_ERROR || strcmp(rows[i].verb, "set ") == 0);
        ck_assert_uint_eq(r.line_bytes, rows[i].max + 1);
    }
}
END_TEST

START_TEST(a_newline_is_searched_once)
{
    char text[] = "get key\r\n";
    struct request_parser parser = REQUEST_PARSER_INIT;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        ck_assert_int_eq(request_parse(&parser, span_make(text, len), &r), PARSE_NEED_MORE);
        ck_assert_uint_eq(parser.scanned, len);
    }
    ck_assert_int_eq(request_parse(&parser, span_make(text, 9), &r), PARSE_OK);
    ck_assert_uint_eq(parser.scanned, 0);
}
END_TEST

START_TEST(http_and_the_binary_protocol_are_sent_away)
{
    closes("GET / HTTP/1.1\r\n", PROTO_OK);
    closes("POST x\r\n", PROTO_OK);
    closes("OPTIONS\r\n", PROTO_OK);
    ck_assert(!r.binary_reply);
    is_refused("GETS k\r\n", PROTO_ERR_UNKNOWN_COMMAND);
    is_refused("get\tk\r\n", PROTO_ERR_UNKNOWN_COMMAND);

    static const char header[24] = {(char)0x80, 0x0a, [12] = 1, 2, 3, 4};
    ck_assert_int_eq(parse_bytes(header, 1), PARSE_CLOSE);
    ck_assert(r.binary_reply);
    ck_assert_int_eq(parse_bytes(header, sizeof(header)), PARSE_CLOSE);
    char out[64];
    ck_assert_uint_eq(binary_refusal(span_make(header, sizeof(header)), out), 39);
    static const char expected[39] = "\x81\x0a\0\0\0\0\0\x81\0\0\0\x0f\1\2\3\4\0\0\0\0\0\0\0\0"
                                     "Unknown command";
    ck_assert_mem_eq(out, expected, 39);
    ck_assert_uint_eq(binary_refusal(span_make(header, 1), out), 39);
    ck_assert_int_eq(out[1], 0);
}
END_TEST

/* --- towards a backend ---------------------------------------------------------- */
static void
puts_line(const char *text, const char *expected)
{
    struct buf out = BUF_EMPTY;
    parses(text);
    ck_assert(request_put_line(&out, &r));
    ck_assert_msg(span_eq_cstr(buf_span(&out), expected), "%.*s, not %s", SPAN_FMT(buf_span(&out)),
                  expected);
    buf_deinit(&out);
}

START_TEST(backends_are_asked_for_a_reply)
{
    puts_line("set k 1 2 3 noreply\r\n", "set k 1 2 3\r\n");
    puts_line("set k 1 2 3 junk\n", "set k 1 2 3\r\n");
    puts_line("set k 1 2 3\r\n", "set k 1 2 3\r\n");
    puts_line("cas k 1 2 3 4 noreply\r\n", "cas k 1 2 3 4\r\n");
    puts_line("delete k 0 noreply\r\n", "delete k\r\n");
    puts_line("delete k 0\r\n", "delete k\r\n");
    puts_line("incr k 5 noreply \r\n", "incr k 5\r\n");
    puts_line("touch k 5 a b\r\n", "touch k 5\r\n");
    puts_line("verbosity 1 noreply\r\n", "verbosity 1 \r\n");
    puts_line("mg k q\r\n", "mg k\r\n");
    puts_line("mg k v q Oq k\r\n", "mg k v Oq k\r\n");
    puts_line("mg k v  qqq  t\r\n", "mg k v   t\r\n");
    puts_line("ms k 5 T0 q\r\n", "ms k 5 T0\r\n");
    puts_line("md k Oq\r\n", "md k Oq\r\n");
    puts_line("me aaaa b q\n", "me aaaa b q\r\n");
    puts_line("mn\r\n", "mn\r\n");
}
END_TEST

START_TEST(gets_are_put_together_key_by_key)
{
    struct buf out = BUF_EMPTY;
    parses("gats -10  a b\r\n");
    ck_assert(request_put_get_begin(&out, &r));
    struct span keys = r.keys, key;
    while (request_next_key(&keys, &key)) {
        ck_assert(request_put_get_key(&out, key));
    }
    ck_assert(request_put_get_end(&out));
    ck_assert_span(buf_span(&out), "gats -10 a b\r\n");
    buf_clear(&out);
    parses("get a\r\n");
    ck_assert(request_put_get_begin(&out, &r) && request_put_get_key(&out, r.key) &&
              request_put_get_end(&out));
    ck_assert_span(buf_span(&out), "get a\r\n");
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("request", get_gives_every_key, gat_has_an_exptime, one_bad_key_spoils_a_get,
          key_bytes_are_all_but_blanks_and_controls, set_gives_its_numbers,
          noreply_is_the_last_word, a_refused_value_of_known_length_is_swallowed,
          a_number_behind_the_arguments_may_be_the_length,
          a_refused_store_with_too_many_words_is_closed, a_value_of_unknown_length_closes,
          delete_takes_no_junk, incr_has_a_delta, touch_has_an_exptime,
          flush_all_and_verbosity_are_checked, admin_words_are_split, meta_flags_keep_their_order,
          ms_gives_its_numbers, ma_has_defaults, modes_in_either_case, base64_keys_are_decoded,
          meta_errors, lines_have_limits, a_newline_is_searched_once,
          http_and_the_binary_protocol_are_sent_away, backends_are_asked_for_a_reply,
          gets_are_put_together_key_by_key)
