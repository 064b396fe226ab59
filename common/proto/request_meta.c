/* The meta commands: a verb, a key, and flags of one letter, some with an
 * argument glued to them.
 *
 * As in memcached every command takes every flag that any of them knows, and
 * ignores those that mean nothing to it; clients and proxies rely on it. Errors
 * are always answered, quiet or not. */
#include "common/proto/request_shapes.h"

#include "common/core/base64.h"
#include "common/core/num.h"

#include <sys/types.h>

/* memcached's own limit: verb, key, the length of ms, and flags together. */
#define META_WORDS_MAX (META_FLAGS_MAX + 2)

static void
begin_meta(struct meta_args *m)
{
    m->present = 0;
    m->count = 0;
    m->mode = MODE_DEFAULT;
    m->ttl = 0;
    m->vivify_ttl = 0;
    m->recache_ttl = 0;
    m->client_flags = 0;
    m->cas = 0;
    m->new_cas = 0;
    m->delta = 1;
    m->initial = 0;
    m->opaque = (struct span){NULL, 0};
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
too_many_words(const struct request *r)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    struct span word;
    unsigned count = 0;
    while (scan_any_word(&c, &word)) {
        count++;
    }
    return count > META_WORDS_MAX;
}

/* Behind the length of ms stand flags, which are letters. Another word may be the
 * length itself, moved by a key with a space in it. */
static bool
has_stray_word(const struct request *r)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    struct span word;
    for (unsigned i = 0; scan_any_word(&c, &word); i++) {
        if (i > 2 && !is_letter(word.ptr[0])) {
            return true;
        }
    }
    return false;
}

/* memcached tells ma only one kind of flag error, and of all errors it notices
 * the number of words first. */
static enum parse_status
refuse_flags(struct request *r, enum proto_error error)
{
    if (r->cmd == CMD_MA) {
        error = PROTO_ERR_INVALID_OR_DUP;
    }
    if (r->wire_key.len <= KEY_MAX_BYTES && too_many_words(r)) {
        error = PROTO_ERR_FLAGS_TOO_LONG;
    }
    if (r->cmd == CMD_MS && has_stray_word(r)) {
        return request_close(r, error);
    }
    return request_refuse(r, error);
}

static enum proto_error
seconds(struct span arg, int64_t *out)
{
    return num_parse_i64(arg, out) ? PROTO_OK : PROTO_ERR_BAD_TOKEN;
}

static enum proto_error
number(struct span arg, uint64_t *out, enum proto_error error)
{
    return num_parse_u64(arg, out) ? PROTO_OK : error;
}

static enum proto_error
opaque(struct span arg, struct span *out)
{
    *out = arg;
    return arg.len <= OPAQUE_MAX_BYTES ? PROTO_OK : PROTO_ERR_OPAQUE_TOO_LONG;
}

/* What a flag means to the parser, and that there is such a flag. */
static enum proto_error
read_flag(struct request *r, char letter, struct span arg)
{
    struct meta_args *m = &r->meta;
    switch (letter) {
    case 'b': r->binary_key = true; return PROTO_OK;
    case 'q': r->quiet = true; return PROTO_OK;
    case 'O': return opaque(arg, &m->opaque);
    case 'T': return seconds(arg, &m->ttl);
    case 'N': return seconds(arg, &m->vivify_ttl);
    case 'R': return seconds(arg, &m->recache_ttl);
    case 'C': return number(arg, &m->cas, PROTO_ERR_BAD_TOKEN);
    case 'E': return number(arg, &m->new_cas, PROTO_ERR_BAD_TOKEN);
    case 'F': return number(arg, &m->client_flags, PROTO_ERR_BAD_FORMAT);
    case 'J': return number(arg, &m->initial, PROTO_ERR_BAD_INITIAL);
    case 'D': return number(arg, &m->delta, PROTO_ERR_BAD_META_DELTA);
    case 'M': /* depends on the command: read_mode() */
    case 'L': /* for proxies; a server ignores them */
    case 'P':
    case 'I':
    case 'c':
    case 'f':
    case 'h':
    case 'k':
    case 'l':
    case 's':
    case 't':
    case 'u':
    case 'v':
    case 'x': return PROTO_OK;
    default: return PROTO_ERR_INVALID_FLAG;
    }
}

/* The end of the flag at `p`, most of which are a letter alone; NULL if it holds
 * a control character. */
static const char *
flag_end(const char *p, const char *end)
{
    if (++p == end || *p == ' ') {
        return p;
    }
    p = scan_key_bytes(p, end);
    return p == end || *p == ' ' ? p : NULL;
}

static enum proto_error
read_flags(struct request *r, struct cursor c)
{
    struct meta_args *m = &r->meta;
    unsigned max = r->cmd == CMD_MS ? META_FLAGS_MAX - 1 : META_FLAGS_MAX;
    for (;;) {
        scan_skip_spaces(&c);
        if (c.at == c.end) {
            return PROTO_OK;
        }
        char letter = *c.at;
        const char *end = is_letter(letter) ? flag_end(c.at, c.end) : NULL;
        if (end == NULL) {
            return PROTO_ERR_BAD_FORMAT;
        }
        uint64_t bit = meta_bit(letter);
        if ((m->present & bit) != 0) {
            return PROTO_ERR_DUPLICATE_FLAG;
        }
        struct span arg = {c.at + 1, (size_t)(end - c.at) - 1};
        enum proto_error error = read_flag(r, letter, arg);
        if (error != PROTO_OK) {
            return error;
        }
        if (m->count == max) {
            return PROTO_ERR_FLAGS_TOO_LONG;
        }
        m->present |= bit;
        m->flags[m->count++] = (struct meta_flag){letter, arg};
        c.at = end;
    }
}

static bool
ms_mode(char letter, enum meta_mode *mode)
{
    switch (letter) {
    case 'S':
    case 's': *mode = MODE_SET; return true;
    case 'E':
    case 'e': *mode = MODE_ADD; return true;
    case 'R':
    case 'r': *mode = MODE_REPLACE; return true;
    case 'A':
    case 'a': *mode = MODE_APPEND; return true;
    case 'P':
    case 'p': *mode = MODE_PREPEND; return true;
    default: return false;
    }
}

static bool
ma_mode(char letter, enum meta_mode *mode)
{
    switch (letter) {
    case 'I':
    case 'i':
    case '+': *mode = MODE_INCR; return true;
    case 'D':
    case 'd':
    case '-': *mode = MODE_DECR; return true;
    default: return false;
    }
}

static enum proto_error
read_mode(struct request *r)
{
    if (!meta_has(&r->meta, 'M') || (r->cmd != CMD_MS && r->cmd != CMD_MA)) {
        return PROTO_OK;
    }
    struct span arg = {NULL, 0};
    for (unsigned i = 0; i < r->meta.count; i++) {
        if (r->meta.flags[i].letter == 'M') {
            arg = r->meta.flags[i].arg;
        }
    }
    if (r->cmd == CMD_MS) {
        bool known = arg.len == 1 && ms_mode(arg.ptr[0], &r->meta.mode);
        return known ? PROTO_OK : PROTO_ERR_INVALID_MS_MODE;
    }
    bool known = arg.len == 1 && ma_mode(arg.ptr[0], &r->meta.mode);
    return known ? PROTO_OK : PROTO_ERR_INVALID_MA_MODE;
}

/* Only the decoded bytes name the item: a text key and its base64 form are the
 * same key. */
static bool
decode_key(struct request *r)
{
    if (!r->binary_key) {
        r->key = r->wire_key;
        return true;
    }
    ssize_t len = base64_decode(r->wire_key, r->key_room);
    if (len <= 0) {
        return false;
    }
    r->key = (struct span){r->key_room, (size_t)len};
    return true;
}

/* me knows b and ignores everything else, even what is no flag. */
static enum parse_status
parse_me(struct request *r, struct cursor c)
{
    struct span word;
    while (scan_any_word(&c, &word)) {
        if (span_eq(word, SPAN_LIT("b")) && !r->binary_key) {
            r->binary_key = true;
            r->meta.present = meta_bit('b');
            r->meta.flags[r->meta.count++] = (struct meta_flag){'b', span_skip(word, 1)};
        }
    }
    if (!decode_key(r)) {
        return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    return PARSE_OK;
}

static enum parse_status
parse_flags(struct request *r, struct cursor c)
{
    enum proto_error error = read_flags(r, c);
    if (error != PROTO_OK) {
        return refuse_flags(r, error);
    }
    if (!decode_key(r)) {
        return refuse_flags(r, PROTO_ERR_BAD_KEY_ENCODING);
    }
    error = read_mode(r);
    if (error != PROTO_OK) {
        return request_refuse(r, error);
    }
    return PARSE_OK;
}

/* The length stands behind the key, and must be known before anything else is
 * refused, so that the value can be swallowed. */
static bool
take_length(struct request *r, struct cursor *c)
{
    uint64_t bytes;
    if (scan_u64(c, &bytes) != WORD_OK || bytes > REQUEST_VALUE_MAX) {
        return false;
    }
    r->value_bytes = bytes;
    r->block_bytes = bytes + 2;
    return true;
}

/* The key, good or not: what stands behind a bad one is still to be read. */
static bool
take_wire_key(struct request *r, struct cursor *c, bool *good)
{
    struct cursor args = *c;
    enum word_status status = scan_word(c, &r->wire_key);
    if (status == WORD_BAD) {
        *c = args;
        scan_any_word(c, &r->wire_key);
    }
    *good = status == WORD_OK && r->wire_key.len <= KEY_MAX_BYTES;
    return status != WORD_NONE;
}

enum parse_status
request_parse_meta(struct request *r, struct cursor c)
{
    bool good;
    begin_meta(&r->meta);
    if (!take_wire_key(r, &c, &good)) {
        return r->cmd == CMD_MS ? request_close(r, PROTO_ERR_BAD_FORMAT)
                                : request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    if (r->cmd == CMD_MS && !take_length(r, &c)) {
        return request_close(r, PROTO_ERR_BAD_FORMAT);
    }
    if (!good) {
        return request_refuse(r,
                              r->cmd == CMD_MA ? PROTO_ERR_INVALID_OR_DUP : PROTO_ERR_BAD_FORMAT);
    }
    return r->cmd == CMD_ME ? parse_me(r, c) : parse_flags(r, c);
}
