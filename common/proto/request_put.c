/* Composes requests towards a backend. */
#include "common/proto/request.h"

#include "common/core/assert.h"
#include "common/core/base64.h"
#include "common/core/buf.h"
#include "common/core/num.h"

static bool
put_crlf(struct buf *out)
{
    return buf_append(out, "\r\n", 2);
}

/* The line in two parts around the flag q and the space before it. */
static bool
put_loud(struct buf *out, const struct request *r, struct span q)
{
    const char *end = r->bare.ptr + r->bare.len;
    const char *before = q.ptr - 1;
    return buf_append(out, r->bare.ptr, (size_t)(before - r->bare.ptr)) &&
           buf_append(out, q.ptr + q.len, (size_t)(end - (q.ptr + q.len)));
}

static bool
put_meta(struct buf *out, const struct request *r)
{
    for (unsigned i = 0; r->quiet && i < r->meta.count; i++) {
        const struct meta_flag *flag = &r->meta.flags[i];
        if (flag->letter == 'q') {
            return put_loud(out, r, (struct span){flag->arg.ptr - 1, flag->arg.len + 1});
        }
    }
    return buf_append_span(out, r->bare);
}

bool
request_put_line(struct buf *out, const struct request *r)
{
    ASSERT(r->cmd != CMD_UNKNOWN);

    if (command_shape(r->cmd) == SHAPE_META) {
        return put_meta(out, r) && put_crlf(out);
    }
    return buf_append_span(out, r->bare) && put_crlf(out);
}

static bool
put_i64(struct buf *out, int64_t v)
{
    if (v < 0) {
        return buf_append(out, "-", 1) && buf_append_u64(out, 0 - (uint64_t)v);
    }
    return buf_append_u64(out, (uint64_t)v);
}

bool
request_put_get_begin(struct buf *out, const struct request *r)
{
    ASSERT(r->cmd <= CMD_GATS);

    if (!buf_append_span(out, span_cstr(command_name(r->cmd)))) {
        return false;
    }
    if (r->cmd == CMD_GAT || r->cmd == CMD_GATS) {
        return buf_append(out, " ", 1) && put_i64(out, r->exptime);
    }
    return true;
}

bool
request_put_get_key(struct buf *out, struct span key)
{
    char *to = buf_room(out, key.len + 1);
    if (to == NULL) {
        return false;
    }
    to[0] = ' ';
    memcpy(to + 1, key.ptr, key.len);
    buf_grew(out, key.len + 1);
    return true;
}

bool
request_put_get_end(struct buf *out)
{
    return put_crlf(out);
}

static bool
is_text_key(struct span key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return key.len > 0;
}

bool
request_put_delete(struct buf *out, struct span key, enum proto_command *cmd)
{
    if (is_text_key(key)) {
        *cmd = CMD_DELETE;
        return buf_append_span(out, SPAN_LIT("delete ")) && buf_append_span(out, key) &&
               buf_append_span(out, SPAN_LIT("\r\n"));
    }
    char base64[BASE64_ENCODED_BYTES(KEY_MAX_BYTES)];
    *cmd = CMD_MD;
    size_t len = base64_encode(key, base64);
    return buf_append_span(out, SPAN_LIT("md ")) && buf_append(out, base64, len) &&
           buf_append_span(out, SPAN_LIT(" b\r\n"));
}
