#include "proxy/moving_build.h"
#include "common/core/buf.h"
#include "proxy/moving_request.h"

#include <inttypes.h>
#include <stdio.h>

#define BASE_NONE UINT64_MAX /* no item's CAS value */

static bool
begin_line(struct moving *m, const char *verb, const char *rest, enum proto_command cmd)
{
    m->cmd = (uint8_t)cmd;
    m->text = true;
    return form_put_meta_line(&m->line, verb, moving_key(m), rest);
}

static bool
begin_store(struct moving *m, const struct request *r)
{
    char rest[MOVING_REST_MAX];
    snprintf(rest, sizeof(rest), "%" PRIu64 " M%c", r->value_bytes,
             r->cmd == CMD_APPEND ? 'A' : 'P');
    return begin_line(m, "ms", rest, CMD_MS);
}

static bool
begin_arith(struct moving *m, const struct request *r)
{
    char rest[MOVING_REST_MAX];
    snprintf(rest, sizeof(rest), "v D%" PRIu64 "%s", r->delta, r->cmd == CMD_DECR ? " MD" : "");
    return begin_line(m, "ma", rest, CMD_MA);
}

static bool
compares_itself(const struct request *r)
{
    return meta_has(&r->meta, 'C') || meta_has(&r->meta, 'I');
}

bool
moving_build_put(struct moving *m, const struct request *r, bool *ok)
{
    switch (r->cmd) {
    case CMD_APPEND:
    case CMD_PREPEND: *ok = begin_store(m, r); break;
    case CMD_INCR:
    case CMD_DECR: *ok = begin_arith(m, r); break;
    case CMD_MS:
        if ((r->meta.mode != MODE_APPEND && r->meta.mode != MODE_PREPEND) || compares_itself(r)) {
            return false;
        }
        *ok = request_put_line(&m->line, r);
        break;
    case CMD_MA:
        if (compares_itself(r)) {
            return false;
        }
        *ok = request_put_line(&m->line, r);
        break;
    default: return false;
    }
    m->compare_at = (uint32_t)buf_len(&m->line) - (*ok ? 2 : 0);
    return true;
}

bool
moving_build_send(const struct moving *m, bool compares, struct buf *out)
{
    char word[MOVING_REST_MAX];
    struct span line = buf_span(&m->line);
    if (!compares || m->compare_at == 0) {
        return buf_append_span(out, line);
    }
    int len = snprintf(word, sizeof(word), " C%" PRIu64, m->base != 0 ? m->base : BASE_NONE);
    return buf_append(out, line.ptr, m->compare_at) && buf_append(out, word, (size_t)len) &&
           buf_append_span(out, span_skip(line, m->compare_at));
}

/* Who finds no number is told so when the value is still the same. */
bool
moving_build_was_crossed(struct moving *m, enum reply_kind kind)
{
    bool no_number = m->cmd == CMD_MA && kind == REPLY_CLIENT_ERROR;
    if (!m->compares || (no_number && m->base != 0 && m->base == m->no_number)) {
        return false;
    }
    m->no_number = no_number ? m->base : 0;
    return no_number || kind == REPLY_EX;
}

static struct reply_piece
said(const struct reply_piece *piece, enum reply_kind kind, struct span raw)
{
    struct reply_piece as = *piece;
    as.kind = kind;
    as.raw = raw;
    as.line = span_make(raw.ptr, raw.len - 2);
    return as;
}

struct reply_piece
moving_build_tell(const struct moving *m, const struct reply_piece *piece)
{
    bool counts = m->cmd == CMD_MA;
    if (!m->text) {
        return *piece;
    }
    switch (piece->kind) {
    case REPLY_HD: return said(piece, REPLY_STORED, SPAN_LIT("STORED\r\n"));
    case REPLY_VA:
        return said(piece, REPLY_NUMBER, span_make(piece->value.ptr, piece->value.len + 2));
    case REPLY_NS:
    case REPLY_NF:
        return counts ? said(piece, REPLY_NOT_FOUND, SPAN_LIT("NOT_FOUND\r\n"))
                      : said(piece, REPLY_NOT_STORED, SPAN_LIT("NOT_STORED\r\n"));
    default: return *piece;
    }
}
