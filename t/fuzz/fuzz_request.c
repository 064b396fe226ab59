/* The request parser on any bytes: what it says must not depend on how they
 * were cut, and every span must lie inside the line (t/unit/parse_steps.h).
 * What counts as a plain line must be what the parser says (t/unit/plain_steps.h).
 * The first byte decides the cuts, the rest is the stream. */
#include "t/fuzz/fuzz.h"
#include "t/unit/parse_steps.h"
#include "t/unit/plain_steps.h"

#include "common/core/buf.h"

#define LINE_ALMOST_TOO_LONG (REQUEST_LINE_MAX_OTHER - 2) /* composing may add a CR */

/* Pieces of 1 to 16 bytes, from a seed. */
static size_t
cut_by_seed(void *arg, size_t have)
{
    uint32_t *seed = arg;
    *seed = *seed * 1664525u + 1013904223u;
    return have + 1 + (*seed >> 28);
}

/* A line that the parser took must still be taken once it is composed for a
 * backend, with the same key and without a word that suppresses the reply. */
static void
check_composed(const struct request *r)
{
    struct buf out = BUF_EMPTY;
    struct request_parser parser = REQUEST_PARSER_INIT;
    struct request *again = malloc(sizeof(*again));
    ASSERT(again != NULL);
    ASSERT(request_put_line(&out, r));
    ASSERT(request_parse(&parser, buf_span(&out), again) == PARSE_OK);
    ASSERT(again->line_bytes == buf_len(&out));
    ASSERT(again->cmd == r->cmd && again->block_bytes == r->block_bytes);
    ASSERT(span_eq(again->key, r->key));
    ASSERT(!again->noreply && !again->quiet);
    free(again);
    buf_deinit(&out);
}

static void
check_first(struct span stream)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    struct request *r = malloc(sizeof(*r));
    ASSERT(r != NULL);
    if (request_parse(&parser, stream, r) == PARSE_OK) {
        if (r->line.len < LINE_ALMOST_TOO_LONG) {
            check_composed(r);
        }
        struct span keys = r->keys, key;
        while (keys.len > 0 && request_next_key(&keys, &key)) {
            ASSERT(key.len > 0 && key.len <= KEY_MAX_BYTES);
        }
        struct span words[4];
        request_admin_words(r, words, 4);
    }
    free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint32_t seed = data[0];
    struct span stream = {(const char *)data + 1, size - 1};
    struct parse_steps whole = parse_steps_of(stream, cut_nowhere, NULL);
    struct parse_steps cut = parse_steps_of(stream, cut_by_seed, &seed);
    ASSERT(parse_steps_eq(&whole, &cut));
    parse_steps_deinit(&whole);
    parse_steps_deinit(&cut);
    check_first(stream);
    check_plain_lines(stream);
    return 0;
}
