/* The reply parser on any bytes. The first byte chooses the shape and the cuts,
 * the rest is the stream; the pieces must be the same whole and cut. */
#include "t/fuzz/fuzz.h"

#include "common/core/assert.h"
#include "common/proto/reply.h"
#include "proxy/form.h"

#include <stdlib.h>

#define VALUE_MAX 4096

/* Pieces come out as one number each, so that two ways compare by a sum. */
struct summary {
    uint64_t hash;
    size_t at;
    bool garbage;
};

static void
mix(struct summary *s, uint64_t v)
{
    s->hash = (s->hash ^ v) * 0x100000001b3ull;
}

/* What others who asked are told of the piece. */
static void
tell_others(struct span key, const struct reply_piece *piece)
{
    static const char *const asks[] = {"k", "k v f s c t k O1 q", "aw== k b v t O22", "k q v"};
    char head[FORM_HEAD_MAX];
    struct fetched f;
    fetched_read(piece, &f);
    if (piece->kind == REPLY_VALUE && key.len <= KEY_MAX_BYTES) {
        ASSERT(form_text_head(&f, key, true, head) > form_text_head(&f, key, false, head));
    }
    for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        size_t winner = form_meta_head(&f, span_cstr(asks[i]), true, head);
        size_t other = form_meta_head(&f, span_cstr(asks[i]), false, head);
        ASSERT(winner <= FORM_HEAD_MAX && other <= FORM_HEAD_MAX);
        ASSERT(other < 2 || memcmp(head + other - 2, "\r\n", 2) == 0);
        ASSERT(memmem(head, other, " W\r\n", 4) == NULL);
    }
}

static void
take_piece(struct summary *s, struct span input, const struct reply_piece *piece)
{
    ASSERT(piece->raw.ptr == input.ptr && piece->raw.len <= input.len && piece->raw.len >= 3);
    ASSERT(piece->line.ptr == input.ptr && piece->line.len + 2 <= piece->raw.len);
    ASSERT(memcmp(piece->raw.ptr + piece->raw.len - 2, "\r\n", 2) == 0);
    ASSERT(piece->value.len <= VALUE_MAX);
    tell_others(piece->key, piece);
    if (piece->value.ptr != NULL) {
        ASSERT(piece->line.len + 2 + piece->value.len + 2 == piece->raw.len);
    }
    mix(s, piece->kind);
    mix(s, piece->final);
    mix(s, piece->raw.len);
    mix(s, piece->line.len);
    mix(s, piece->key.len);
    mix(s, piece->value.len);
    mix(s, piece->flags);
    mix(s, piece->has_cas ? piece->cas : 1);
    s->at += piece->raw.len;
}

/* `step` bytes arrive at a time. */
static struct summary
read_all(struct span stream, enum reply_shape shape, size_t step)
{
    struct summary s = {0};
    struct reply_parser parser = REPLY_PARSER_INIT;
    size_t have = step < stream.len ? step : stream.len;
    for (;;) {
        struct span input = {NULL, have - s.at};
        char *copy = malloc(input.len ? input.len : 1);
        ASSERT(copy != NULL);
        memcpy(copy, stream.ptr + s.at, input.len);
        input.ptr = copy;
        struct reply_piece piece;
        enum reply_status status = reply_parse(&parser, input, shape, VALUE_MAX, &piece);
        if (status == REPLY_PIECE) {
            take_piece(&s, input, &piece);
        }
        free(copy);
        if (status == REPLY_GARBAGE) {
            s.garbage = true;
            return s;
        }
        if (status == REPLY_NEED_MORE) {
            if (have == stream.len) {
                return s;
            }
            have = stream.len - have < step ? stream.len : have + step;
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum reply_shape shape = (enum reply_shape)(data[0] % 3);
    struct span stream = {(const char *)data + 1, size - 1};
    struct summary whole = read_all(stream, shape, stream.len);
    struct summary cut = read_all(stream, shape, 1 + data[0] / 3 % 16);
    ASSERT(whole.hash == cut.hash && whole.at == cut.at && whole.garbage == cut.garbage);
    return 0;
}
