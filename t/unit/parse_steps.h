/* parse_steps.h - what request_parse() says about a whole stream, however the
 * stream is cut. Shared by the unit tests and the fuzz target. */
#pragma once
#include "common/core/assert.h"
#include "common/proto/request.h"

#include <stdlib.h>

struct parse_step {
    enum parse_status status;
    enum proto_command cmd;
    enum proto_error error;
    bool noreply;
    bool quiet;
    bool binary_key;
    bool binary_reply;
    size_t line_bytes;
    uint64_t block_bytes;
    uint64_t meta_present; /* SHAPE_META and PARSE_OK, else 0 */
    size_t key_at;         /* of wire_key in the line */
    size_t key_len;
    char key[KEY_MAX_BYTES + 2]; /* decoded; zeros behind it, so that steps compare by memcmp */
};

struct parse_steps {
    struct parse_step *items;
    size_t count;
    size_t room;
};

static inline void
parse_steps_deinit(struct parse_steps *steps)
{
    free(steps->items);
    *steps = (struct parse_steps){0};
}

static inline void
parse_steps_add(struct parse_steps *steps, enum parse_status status, const struct request *r)
{
    if (steps->count == steps->room) {
        steps->room = steps->room ? steps->room * 2 : 16;
        steps->items = realloc(steps->items, steps->room * sizeof(steps->items[0]));
        ASSERT(steps->items != NULL);
    }
    struct parse_step *s = &steps->items[steps->count++];
    memset(s, 0, sizeof(*s));
    s->status = status;
    s->cmd = r->cmd;
    s->error = r->error;
    s->noreply = r->noreply;
    s->quiet = r->quiet;
    s->binary_key = r->binary_key;
    s->binary_reply = r->binary_reply;
    s->line_bytes = r->line_bytes;
    s->block_bytes = r->block_bytes;
    if (status == PARSE_OK && command_shape(r->cmd) == SHAPE_META) {
        s->meta_present = r->meta.present;
    }
    s->key_at = r->wire_key.ptr == NULL ? 0 : (size_t)(r->wire_key.ptr - r->line.ptr);
    s->key_len = r->wire_key.len;
    ASSERT(r->key.len <= KEY_MAX_BYTES);
    if (r->key.len > 0) {
        memcpy(s->key, r->key.ptr, r->key.len);
    }
}

/* A span of a request lies inside its line. */
static inline void
parse_steps_check_span(const struct request *r, struct span s)
{
    ASSERT(s.ptr == NULL || (s.ptr >= r->line.ptr && s.ptr + s.len <= r->line.ptr + r->line.len));
}

static inline void
parse_steps_check(struct span input, enum parse_status status, const struct request *r)
{
    ASSERT(r->line_bytes <= input.len);
    ASSERT(r->line.ptr == input.ptr && r->line.len <= r->line_bytes);
    ASSERT(r->bare.ptr == r->line.ptr && r->bare.len <= r->line.len);
    parse_steps_check_span(r, r->wire_key);
    parse_steps_check_span(r, r->keys);
    ASSERT(status == PARSE_CLOSE || r->line_bytes > 0);
    ASSERT(status != PARSE_ERROR || r->error != PROTO_OK);
    ASSERT(status != PARSE_OK || r->error == PROTO_OK);
    ASSERT(!r->binary_reply || status == PARSE_CLOSE);
    if (status == PARSE_OK && command_has_value(r->cmd)) {
        ASSERT(r->block_bytes == r->value_bytes + 2 && r->value_bytes <= REQUEST_VALUE_MAX);
    }
    if (status == PARSE_OK && command_shape(r->cmd) < SHAPE_META_NOOP) {
        ASSERT(r->key.len > 0);
    }
}

/* Feeds `stream`; whenever more is needed, next(arg, have) says how many bytes
 * have arrived by then (more than `have`). Each look sees a copy of its own, so
 * that a sanitizer notices a read behind what has arrived. */
static inline struct parse_steps
parse_steps_of(struct span stream, size_t (*next)(void *arg, size_t have), void *arg)
{
    struct parse_steps steps = {0};
    struct request_parser parser = REQUEST_PARSER_INIT;
    struct request *r = malloc(sizeof(*r));
    ASSERT(r != NULL);
    size_t at = 0, have = 0;
    for (;;) {
        struct span input = {NULL, have - at};
        char *copy = malloc(input.len ? input.len : 1);
        ASSERT(copy != NULL);
        memcpy(copy, stream.ptr + at, input.len);
        input.ptr = copy;
        enum parse_status status = request_parse(&parser, input, r);
        if (status != PARSE_NEED_MORE) {
            parse_steps_check(input, status, r);
            parse_steps_add(&steps, status, r);
            at += r->line_bytes;
            uint64_t block = r->block_bytes;
            at += block < stream.len - at ? (size_t)block : stream.len - at;
            have = have < at ? at : have;
        }
        free(copy);
        if (status == PARSE_CLOSE || (status == PARSE_NEED_MORE && have == stream.len)) {
            break;
        }
        if (status == PARSE_NEED_MORE) {
            have = next(arg, have);
            have = have < stream.len ? have : stream.len;
        }
    }
    free(r);
    return steps;
}

static inline bool
parse_steps_eq(const struct parse_steps *a, const struct parse_steps *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(a->items[0])) == 0);
}

/* --- ways to cut a stream -------------------------------------------------- */
static inline size_t
cut_nowhere(void *arg, size_t have)
{
    return SIZE_MAX;
}

static inline size_t
cut_everywhere(void *arg, size_t have)
{
    return have + 1;
}

/* Once, at *(size_t *)arg. */
static inline size_t
cut_once(void *arg, size_t have)
{
    size_t at = *(const size_t *)arg;
    return have < at ? at : SIZE_MAX;
}
