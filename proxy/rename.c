#include "proxy/rename.h"
#include "common/core/assert.h"
#include "common/core/buf.h"
#include "common/proto/scan.h"

void
rename_init(struct rename *n, struct span key, size_t prefix_bytes)
{
    ASSERT(prefix_bytes < key.len && key.len <= KEY_MAX_BYTES);
    n->key_bytes = (uint8_t)key.len;
    n->prefix_bytes = (uint8_t)prefix_bytes;
    memcpy(n->key, key.ptr, key.len);
}

/* --- the request ----------------------------------------------------------------- */

/* What stands behind the key on the old line stands behind it on the new one. */
static void
move_flags(struct request *out, const struct request *r)
{
    const char *old_end = r->wire_key.ptr + r->wire_key.len;
    const char *new_end = out->wire_key.ptr + out->wire_key.len;
    for (unsigned i = 0; i < out->meta.count; i++) {
        struct meta_flag *flag = &out->meta.flags[i];
        flag->arg.ptr = new_end + (flag->arg.ptr - old_end);
    }
}

bool
rename_request(const struct rename *n, const struct request *r, struct request *out,
               struct buf *line)
{
    char base64[RENAME_WORD_MAX];
    struct span key = rename_node_key(n), wire = key;
    size_t before = (size_t)(r->wire_key.ptr - r->bare.ptr);
    struct span behind = span_skip(r->bare, before + r->wire_key.len);
    if (r->binary_key) {
        wire = span_make(base64, base64_encode(key, base64));
    }
    buf_clear(line);
    if (!buf_append(line, r->bare.ptr, before) || !buf_append_span(line, wire) ||
        !buf_append_span(line, behind)) {
        return false;
    }
    *out = *r; /* but for what points into the request itself: the key */
    out->key = key;
    out->bare = buf_span(line);
    out->wire_key = span_make(out->bare.ptr + before, wire.len);
    if (command_shape(r->cmd) == SHAPE_META) {
        move_flags(out, r);
    }
    return true;
}

/* --- the reply ------------------------------------------------------------------- */

struct span
rename_word(const struct rename *n, struct span word, char *room)
{
    char base64[RENAME_WORD_MAX];
    struct span key = rename_node_key(n);
    if (span_eq(word, key)) {
        return rename_client_key(n);
    }
    if (span_eq(word, span_make(base64, base64_encode(key, base64)))) {
        return span_make(room, base64_encode(rename_client_key(n), room));
    }
    return word;
}

/* Where the key stands on the line; empty if it does not. */
static struct span
find_key(const struct reply_piece *piece)
{
    struct cursor c = {piece->line.ptr, piece->line.ptr + piece->line.len};
    struct span word = SPAN_LIT("");
    scan_any_word(&c, &word);
    switch (piece->kind) {
    case REPLY_VALUE: return piece->key;
    case REPLY_ME: return scan_any_word(&c, &word) ? word : SPAN_LIT("");
    case REPLY_VA:
    case REPLY_HD:
    case REPLY_EN:
    case REPLY_NF:
    case REPLY_NS:
    case REPLY_EX:
        while (scan_any_word(&c, &word)) {
            if (word.ptr[0] == 'k') {
                return span_skip(word, 1);
            }
        }
        return SPAN_LIT("");
    case REPLY_END:
    case REPLY_STORED:
    case REPLY_NOT_STORED:
    case REPLY_EXISTS:
    case REPLY_NOT_FOUND:
    case REPLY_DELETED:
    case REPLY_TOUCHED:
    case REPLY_OK:
    case REPLY_VERSION:
    case REPLY_STAT:
    case REPLY_RESET:
    case REPLY_MN:
    case REPLY_ERROR:
    case REPLY_CLIENT_ERROR:
    case REPLY_SERVER_ERROR:
    case REPLY_NUMBER:
    case REPLY_OTHER: return SPAN_LIT("");
    }
    return SPAN_LIT("");
}

size_t
rename_line(const struct rename *n, const struct reply_piece *piece, char *line)
{
    char room[RENAME_WORD_MAX];
    struct span key = find_key(piece);
    size_t before = key.len > 0 ? (size_t)(key.ptr - piece->line.ptr) : piece->line.len;
    struct span behind = span_skip(piece->line, before + key.len);
    struct span word = rename_word(n, key, room);
    ASSERT(before + word.len + behind.len <= RENAME_LINE_MAX);
    memcpy(line, piece->line.ptr, before);
    if (key.len == 0) {
        return before;
    }
    memcpy(line + before, word.ptr, word.len);
    memcpy(line + before + word.len, behind.ptr, behind.len);
    return before + word.len + behind.len;
}
