/* Holds the parser against what memcached 1.6.45 answered to 260 bad inputs
 * (t/data/README.md), as far as the parser alone decides the answer, and cuts
 * each of them everywhere. What is different on purpose must be in the manual. */
#include "t/unit/unit.h"
#include "t/unit/parse_steps.h"

#include "common/core/base64.h"
#include "common/core/buf.h"
#include "common/core/mem.h"

#include <jansson.h>
#include <stdio.h>

#define CASES 260
/* Cuts beyond this are taken every 61 bytes; only lists of keys are so long. */
#define CUT_EACH_UP_TO 4096

struct bad_input {
    char *name;
    struct buf send;
    struct buf reply; /* ours, by the differences */
    bool any_reply;   /* a pattern, which the parser has no part in */
    bool closed;
};

/* Freed by the caller. */
static char *
source_path(const char *file)
{
    const char *source = getenv("top_srcdir");
    return mem_printf("%s/%s", source ? source : ".", file);
}

static json_t *
load(const char *file)
{
    char *path = source_path(file);
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    free(path);
    return root;
}

static struct buf
decoded(const json_t *base64)
{
    struct span in = {json_string_value(base64), json_string_length(base64)};
    struct buf out = BUF_EMPTY;
    char *to = buf_room(&out, in.len + 1);
    ssize_t len = base64_decode(in, to);
    ck_assert_int_ge(len, 0);
    buf_grew(&out, (size_t)len);
    return out;
}

/* Code points 0 to 255, which jansson gives as UTF-8, back to bytes. */
static struct buf
latin1(const json_t *text)
{
    struct buf out = BUF_EMPTY;
    const unsigned char *p = (const unsigned char *)json_string_value(text);
    const unsigned char *end = p + json_string_length(text);
    for (; p < end; p++) {
        unsigned char c = *p;
        if (c >= 0x80) {
            ck_assert_uint_le(c, 0xc3);
            p++;
            c = (unsigned char)(c << 6 | (*p & 0x3f));
        }
        ck_assert(buf_append(&out, &c, 1));
    }
    return out;
}

static struct bad_input
take_case(const json_t *row, const json_t *differences)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    struct bad_input c = {
        .name = mem_strdup(name),
        .send = decoded(json_object_get(row, "send")),
        .closed = json_is_true(json_object_get(row, "closed")),
    };
    const json_t *other = json_object_get(differences, name);
    if (other == NULL) {
        c.reply = decoded(json_object_get(row, "reply"));
        return c;
    }
    ck_assert(json_string_length(json_object_get(other, "why")) > 0);
    c.closed = json_is_true(json_object_get(other, "closed"));
    c.any_reply = json_object_get(other, "reply") == NULL;
    if (c.any_reply) {
        ck_assert(json_is_string(json_object_get(other, "reply_like")));
        return c;
    }
    c.reply = latin1(json_object_get(other, "reply"));
    return c;
}

static void
drop_case(struct bad_input *c)
{
    free(c->name);
    buf_deinit(&c->send);
    buf_deinit(&c->reply);
}

/* Calls `run` for each case and returns how many there were. */
static unsigned
each_case(void (*run)(const struct bad_input *c))
{
    json_t *differences = load("t/data/bad_inputs_differences.json");
    char *path = source_path("t/data/bad_inputs.jsonl");
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    char *line = NULL;
    size_t room = 0, known = 0;
    unsigned count = 0;
    while (getline(&line, &room, f) > 0) {
        json_t *row = json_loads(line, JSON_ALLOW_NUL, NULL);
        ck_assert(row != NULL);
        struct bad_input c = take_case(row, differences);
        known += json_object_get(differences, c.name) != NULL;
        run(&c);
        drop_case(&c);
        json_decref(row);
        count++;
    }
    ck_assert_uint_eq(known, json_object_size(differences));
    free(line);
    fclose(f);
    free(path);
    json_decref(differences);
    return count;
}

static void
check_cut(const struct bad_input *c, const struct parse_steps *whole,
          size_t (*next)(void *arg, size_t have), size_t at)
{
    struct parse_steps cut = parse_steps_of(buf_span(&c->send), next, &at);
    ck_assert_msg(parse_steps_eq(whole, &cut), "%s cut at %zu", c->name, at);
    parse_steps_deinit(&cut);
}

static void
cut_case(const struct bad_input *c)
{
    struct parse_steps whole = parse_steps_of(buf_span(&c->send), cut_nowhere, NULL);
    for (size_t at = 1; at < buf_len(&c->send); at += at < CUT_EACH_UP_TO ? 1 : 61) {
        check_cut(c, &whole, cut_once, at);
    }
    check_cut(c, &whole, cut_everywhere, 0);
    parse_steps_deinit(&whole);
}

START_TEST(any_cut_gives_the_same)
{
    ck_assert_uint_eq(each_case(cut_case), CASES);
}
END_TEST

/* What the parser alone makes a server say to one step. */
static void
answer_step(const struct bad_input *c, const struct parse_step *s, size_t at, struct buf *out)
{
    if (s->binary_reply) {
        char refusal[64];
        struct span input = span_skip(buf_span(&c->send), at);
        ck_assert(buf_append(out, refusal, binary_refusal(input, refusal)));
        return;
    }
    if (!s->noreply) {
        ck_assert(buf_append_span(out, error_line(s->error)));
    }
}

/* A case in which nothing parses is answered by the parser alone and must come
 * out exactly. In the others each of the parser's lines must be in the reply. */
static void
answer_case(const struct bad_input *c)
{
    struct parse_steps steps = parse_steps_of(buf_span(&c->send), cut_nowhere, NULL);
    struct buf all = BUF_EMPTY;
    bool alone = true, closes = false;
    size_t at = 0;
    const char *from = c->reply.mem;
    for (size_t i = 0; i < steps.count; i++) {
        const struct parse_step *s = &steps.items[i];
        struct buf one = BUF_EMPTY;
        answer_step(c, s, at, &one);
        if (buf_len(&one) > 0) {
            const char *found =
                memmem(from, (size_t)(c->reply.mem + c->reply.tail - from), one.mem, buf_len(&one));
            ck_assert_msg(found != NULL, "%s: step %zu says %.*s", c->name, i,
                          SPAN_FMT(buf_span(&one)));
            from = found + buf_len(&one);
        }
        ck_assert(buf_append_span(&all, buf_span(&one)));
        buf_deinit(&one);
        alone = alone && s->status != PARSE_OK;
        closes = closes || s->status == PARSE_CLOSE || s->cmd == CMD_QUIT;
        at += s->line_bytes + (size_t)s->block_bytes;
    }
    if (alone) {
        ck_assert_msg(span_eq(buf_span(&all), buf_span(&c->reply)), "%s: %.*s", c->name,
                      SPAN_FMT(buf_span(&all)));
    }
    ck_assert_msg(closes == c->closed, "%s: closes: %d", c->name, closes);
    buf_deinit(&all);
    parse_steps_deinit(&steps);
}

START_TEST(errors_come_out_byte_for_byte)
{
    ck_assert_uint_eq(each_case(answer_case), CASES);
}
END_TEST

static struct buf
read_text(const char *file)
{
    char *path = source_path(file);
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    struct buf text = BUF_EMPTY;
    size_t got;
    do {
        char *to = buf_room(&text, 4096);
        got = fread(to, 1, 4096, f);
        buf_grew(&text, got);
    } while (got > 0);
    fclose(f);
    free(path);
    return text;
}

/* The binary protocol's cases go by one name, since they have one reason. */
START_TEST(the_manual_names_every_difference)
{
    json_t *differences = load("t/data/bad_inputs_differences.json");
    struct buf manual = read_text("docs/protocol.md");
    const char *name;
    json_t *difference;
    json_object_foreach(differences, name, difference)
    {
        char *quoted = mem_printf("`%s`", strncmp(name, "bin_", 4) == 0 ? "bin_*" : name);
        ck_assert_msg(memmem(manual.mem, buf_len(&manual), quoted, strlen(quoted)) != NULL,
                      "docs/protocol.md does not tell of %s", name);
        free(quoted);
    }
    buf_deinit(&manual);
    json_decref(differences);
}
END_TEST

UNIT_MAIN("bad_inputs", the_manual_names_every_difference, any_cut_gives_the_same,
          errors_come_out_byte_for_byte)
