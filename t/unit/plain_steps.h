/* plain_steps.h - that request_plain.h says what request_parse() says. Shared by
 * the unit test and the fuzz target. */
#pragma once
#include "common/core/assert.h"
#include "common/proto/request_plain.h"

#include <stdlib.h>

#define PLAIN_STEPS_MAX 8

/* The keys of the plain gets that `input` begins with. */
static inline unsigned
plain_steps_gets(struct span input, struct span *keys, unsigned max)
{
    const char *p = input.ptr, *end = p + input.len;
    unsigned n = 0;
    while (n < max && (p = request_plain_get(p, end, &keys[n])) != NULL) {
        n++;
    }
    return n;
}

static inline void
plain_steps_take(void *arg, unsigned i, struct span key)
{
    struct span *keys = arg;
    keys[i] = key;
}

/* Those of the plain multiget. */
static inline unsigned
plain_steps_multiget(struct span input, struct span keys[PLAIN_KEYS_MAX])
{
    return request_plain_multiget(input, plain_steps_take, keys);
}

/* The request that the parser takes off the head of *input. */
static inline void
plain_steps_parse(struct span *input, struct request *r, enum proto_command cmd, struct span key)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    ASSERT(request_parse(&parser, *input, r) == PARSE_OK);
    ASSERT(r->cmd == cmd && !r->noreply && !r->quiet);
    ASSERT(r->key.ptr == key.ptr && r->key.len == key.len);
    *input = span_skip(*input, r->line_bytes);
}

static inline void
plain_steps_check_multiget(struct span input, struct request *r)
{
    struct span plain[PLAIN_KEYS_MAX], key, rest = input;
    unsigned n = plain_steps_multiget(input, plain);
    if (n == 0) {
        return;
    }
    plain_steps_parse(&rest, r, CMD_GET, plain[0]);
    struct span keys = r->keys;
    for (unsigned i = 0; i < n; i++) {
        ASSERT(request_next_key(&keys, &key));
        ASSERT(key.ptr == plain[i].ptr && key.len == plain[i].len);
    }
    ASSERT(!request_next_key(&keys, &key) && rest.ptr == key.ptr + key.len + 2);
}

/* A base64 key that is none is the parser's to refuse. */
static inline void
plain_steps_parse_mg(struct span *input, struct request *r, const struct plain_mg *mg)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    enum parse_status status = request_parse(&parser, *input, r);
    ASSERT(r->cmd == CMD_MG && r->line_bytes == mg->bytes);
    ASSERT(r->wire_key.ptr == mg->wire_key.ptr && r->wire_key.len == mg->wire_key.len);
    *input = span_skip(*input, mg->bytes);
    if (status == PARSE_ERROR) {
        ASSERT(r->error == PROTO_ERR_BAD_KEY_ENCODING && (mg->present & meta_bit('b')) != 0);
        return;
    }
    ASSERT(status == PARSE_OK && r->meta.present == mg->present);
    const char *at = mg->flags.ptr;
    for (unsigned i = 0; i < r->meta.count; i++) {
        const struct meta_flag *flag = &r->meta.flags[i];
        ASSERT(at[0] == ' ' && at[1] == flag->letter && at + 2 == flag->arg.ptr);
        ASSERT(flag->letter == 'O' ? span_eq(flag->arg, mg->opaque) : flag->arg.len == 0);
        at += 2 + flag->arg.len;
    }
    ASSERT(at == mg->flags.ptr + mg->flags.len);
}

static inline void
plain_steps_check_ms_flags(const struct meta_args *m, const struct plain_ms *ms)
{
    unsigned echoes = 0;
    for (unsigned i = 0; i < m->count; i++) {
        switch (m->flags[i].letter) {
        case 'O': ASSERT(span_eq(m->flags[i].arg, ms->opaque)); /* fall through */
        case 'k':
        case 'c':
        case 's': ASSERT(ms->echoes[echoes++] == m->flags[i].letter);
        }
    }
    ASSERT(echoes == ms->echo_count);
    ASSERT(m->ttl == ms->ttl && m->client_flags == ms->client_flags);
    ASSERT(m->mode == (meta_has(m, 'M') ? MODE_SET : MODE_DEFAULT) && !meta_has(m, 'C'));
}

static inline void
plain_steps_parse_ms(struct span *input, struct request *r, const struct plain_ms *ms)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    enum parse_status status = request_parse(&parser, *input, r);
    ASSERT(r->cmd == CMD_MS && r->line_bytes + r->block_bytes == ms->bytes);
    ASSERT(r->wire_key.ptr == ms->wire_key.ptr && r->wire_key.len == ms->wire_key.len);
    ASSERT(r->value_bytes == ms->value.len && input->ptr + r->line_bytes == ms->value.ptr);
    ASSERT(ms->bytes <= input->len && request_block_ends_well(input->ptr + ms->bytes - 2));
    *input = span_skip(*input, ms->bytes);
    if (status == PARSE_ERROR) {
        ASSERT(r->error == PROTO_ERR_BAD_KEY_ENCODING && (ms->present & meta_bit('b')) != 0);
        return;
    }
    ASSERT(status == PARSE_OK && r->meta.present == ms->present);
    plain_steps_check_ms_flags(&r->meta, ms);
}

static inline void
check_plain_lines(struct span input)
{
    struct span keys[PLAIN_STEPS_MAX], rest = input;
    struct plain_mg mgs[PLAIN_STEPS_MAX];
    struct plain_set sets[PLAIN_STEPS_MAX];
    struct plain_ms mss[PLAIN_STEPS_MAX];
    struct request *r = malloc(sizeof(*r));
    ASSERT(r != NULL);
    unsigned n = plain_steps_gets(input, keys, PLAIN_STEPS_MAX);
    for (unsigned i = 0; i < n; i++) {
        plain_steps_parse(&rest, r, CMD_GET, keys[i]);
        ASSERT(r->keys.len == keys[i].len && r->line_bytes == keys[i].len + 6);
    }
    n = request_plain_sets(input, sets, PLAIN_STEPS_MAX);
    for (unsigned i = 0; i < n; i++) {
        plain_steps_parse(&rest, r, CMD_SET, sets[i].key);
        ASSERT(r->flags == sets[i].flags && r->exptime == sets[i].exptime);
        ASSERT(r->value_bytes == sets[i].value.len && rest.ptr == sets[i].value.ptr);
        ASSERT(r->line_bytes + r->block_bytes == sets[i].bytes && r->block_bytes <= rest.len);
        ASSERT(request_block_ends_well(rest.ptr + r->block_bytes - 2));
        rest = span_skip(rest, (size_t)r->block_bytes);
    }
    n = request_plain_mgs(input, mgs, PLAIN_STEPS_MAX);
    for (unsigned i = 0; i < n; i++) {
        plain_steps_parse_mg(&rest, r, &mgs[i]);
    }
    n = request_plain_mss(input, mss, PLAIN_STEPS_MAX);
    for (unsigned i = 0; i < n; i++) {
        plain_steps_parse_ms(&rest, r, &mss[i]);
    }
    plain_steps_check_multiget(input, r);
    free(r);
}
