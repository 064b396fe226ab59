/* Framing: finds the line, recognises the verb and what is no memcached at all,
 * and hands the words to the parser of the command's shape. */
#include "common/proto/request_shapes.h"

#include "common/core/assert.h"

#define BINARY_MAGIC_REQUEST  0x80
#define BINARY_MAGIC_RESPONSE 0x81
#define BINARY_HEADER_BYTES   24
#define BINARY_UNKNOWN        0x81 /* status "unknown command" */

/* Only these may be long: clients put hundreds of keys into one multiget. */
static bool
is_key_line(struct span input)
{
    static const struct span verbs[] = {
        {"get ", 4}, {"gets ", 5}, {"gat ", 4}, {"gats ", 5}, {"mg ", 3},
    };
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (span_starts_with(input, verbs[i])) {
            return true;
        }
    }
    return false;
}

static bool
is_http_verb(struct span word)
{
    static const char *const verbs[] = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI",
    };
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (span_eq_cstr(word, verbs[i])) {
            return true;
        }
    }
    return false;
}

/* Everything that request.h promises to be valid whatever comes out. The meta
 * flags and the key's room are over a kilobyte and are left alone. */
static void
begin(struct request *r, struct span line, size_t line_bytes)
{
    r->cmd = CMD_UNKNOWN;
    r->error = PROTO_OK;
    r->noreply = false;
    r->quiet = false;
    r->binary_key = false;
    r->binary_reply = false;
    r->line_bytes = line_bytes;
    r->block_bytes = 0;
    r->value_bytes = 0;
    r->line = line;
    r->bare = line;
    r->key = (struct span){NULL, 0};
    r->wire_key = (struct span){NULL, 0};
    r->keys = (struct span){NULL, 0};
}

static enum parse_status
close_long_line(struct request_parser *p, struct span input, struct request *r)
{
    p->scanned = 0;
    begin(r, (struct span){input.ptr, 0}, 0);
    return request_close(r, is_key_line(input) ? PROTO_ERR_BAD_FORMAT : PROTO_OK);
}

static size_t
line_limit(struct span input)
{
    return is_key_line(input) ? REQUEST_LINE_MAX : REQUEST_LINE_MAX_OTHER;
}

static enum parse_status
await_newline(struct request_parser *p, struct span input, struct request *r)
{
    if (input.len > REQUEST_LINE_MAX_OTHER && input.len > line_limit(input)) {
        return close_long_line(p, input, r);
    }
    p->scanned = input.len;
    return PARSE_NEED_MORE;
}

/* memcached's old other name of get is not worth a row of the commands' table. */
static enum parse_status
parse_unknown(struct request *r, struct span verb, struct cursor c)
{
    if (span_eq(verb, SPAN_LIT("bget"))) {
        r->cmd = CMD_GET;
        return request_parse_get(r, c);
    }
    if (is_http_verb(verb)) {
        return request_close(r, PROTO_OK);
    }
    return request_refuse(r, PROTO_ERR_UNKNOWN_COMMAND);
}

static enum parse_status
parse_line(struct request *r)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    if (r->line.len < 2) {
        return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    if (r->line.len > 4 && memcmp(c.at, "get ", 4) == 0) { /* most lines are */
        r->cmd = CMD_GET;
        c.at += 3;
        return request_parse_get(r, c);
    }
    c.at = scan_key_bytes(c.at, c.end);
    if (c.at != c.end && *c.at != ' ') {
        return request_refuse(r, PROTO_ERR_UNKNOWN_COMMAND);
    }
    struct span verb = {r->line.ptr, (size_t)(c.at - r->line.ptr)};
    r->cmd = command_find(verb);
    if (r->cmd == CMD_UNKNOWN) {
        return parse_unknown(r, verb, c);
    }
    switch (command_shape(r->cmd)) {
    case SHAPE_GET: return request_parse_get(r, c);
    case SHAPE_STORE: return request_parse_store(r, c);
    case SHAPE_DELETE: return request_parse_delete(r, c);
    case SHAPE_ARITH: return request_parse_arith(r, c);
    case SHAPE_TOUCH: return request_parse_touch(r, c);
    case SHAPE_META: return request_parse_meta(r, c);
    case SHAPE_META_NOOP: return PARSE_OK;
    case SHAPE_ADMIN: return request_parse_admin(r, c);
    }
    UNREACHABLE();
}

enum parse_status
request_parse(struct request_parser *p, struct span input, struct request *r)
{
    ASSERT(p->scanned <= input.len);

    if (input.len == p->scanned) {
        return PARSE_NEED_MORE;
    }
    if ((unsigned char)input.ptr[0] == BINARY_MAGIC_REQUEST) {
        begin(r, (struct span){input.ptr, 0}, 0);
        r->binary_reply = true;
        return PARSE_CLOSE;
    }
    const char *newline = memchr(input.ptr + p->scanned, '\n', input.len - p->scanned);
    if (newline == NULL) {
        return await_newline(p, input, r);
    }
    size_t len = (size_t)(newline - input.ptr);
    if (len > REQUEST_LINE_MAX_OTHER && len > line_limit(input)) {
        return close_long_line(p, input, r);
    }
    p->scanned = 0;
    bool has_cr = len > 0 && newline[-1] == '\r';
    begin(r, (struct span){input.ptr, has_cr ? len - 1 : len}, len + 1);
    return parse_line(r);
}

size_t
binary_refusal(struct span input, char *out)
{
    static const char text[] = "Unknown command";
    unsigned char header[BINARY_HEADER_BYTES] = {
        [0] = BINARY_MAGIC_RESPONSE,
        [7] = BINARY_UNKNOWN,
        [11] = sizeof(text) - 1,
    };
    if (input.len > 1) {
        header[1] = (unsigned char)input.ptr[1]; /* opcode */
    }
    for (size_t i = 12; i < 16 && i < input.len; i++) { /* opaque */
        header[i] = (unsigned char)input.ptr[i];
    }
    memcpy(out, header, sizeof(header));
    memcpy(out + sizeof(header), text, sizeof(text) - 1);
    return sizeof(header) + sizeof(text) - 1;
}
