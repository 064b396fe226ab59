#include "proxy/moving_build.h"
#include "common/core/buf.h"
#include "proxy/moving_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BASE_NONE UINT64_MAX /* no item's CAS value */

static bool
begin_line(struct moving *m, const char *verb, const char *rest, enum proto_command cmd)
{
    m->cmd = (uint8_t)cmd;
    m->text = true;
    return form_put_meta_line(&m->line, verb, moving_key(m), rest);
}

static bool
begin_store(struct moving *m, const struct request *r, char mode)
{
    char rest[MOVING_REST_MAX];
    int len = snprintf(rest, sizeof(rest), "%" PRIu64 " M%c", r->value_bytes, mode);
    if (mode == 'R') {
        snprintf(rest + len, sizeof(rest) - (size_t)len, " F%" PRIu64 " T%" PRId64, r->flags,
                 r->exptime);
    }
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
begin_touch(struct moving *m, const struct request *r)
{
    char rest[MOVING_REST_MAX];
    snprintf(rest, sizeof(rest), "%sT%" PRId64,
             r->cmd == CMD_GATS  ? "v f c "
             : r->cmd == CMD_GAT ? "v f "
                                 : "",
             r->exptime);
    return begin_line(m, "mg", rest, CMD_MG);
}

static bool
compares_itself(const struct request *r)
{
    return meta_has(&r->meta, 'C') || meta_has(&r->meta, 'I');
}

static enum moving_guard
guard_of(const struct request *r)
{
    switch (r->cmd) {
    case CMD_APPEND:
    case CMD_PREPEND:
    case CMD_INCR:
    case CMD_DECR:
    case CMD_REPLACE: return GUARD_BASE;
    case CMD_TOUCH:
    case CMD_GAT:
    case CMD_GATS:
    case CMD_MG: return GUARD_TAKEN;
    case CMD_ADD:
    case CMD_CAS: return GUARD_REFUSED;
    case CMD_MS: return compares_itself(r) || r->meta.mode == MODE_ADD ? GUARD_REFUSED : GUARD_BASE;
    case CMD_MA: return compares_itself(r) ? GUARD_REFUSED : GUARD_BASE;
    case CMD_MD: return meta_has(&r->meta, 'C') ? GUARD_REFUSED : GUARD_BASE;
    default: return GUARD_NONE;
    }
}

bool
moving_build_put(struct moving *m, const struct request *r, bool *ok)
{
    if (m->op != MOVE_OP_BUILD && m->op != MOVE_OP_LOOK) {
        return false;
    }
    m->guard = (uint8_t)guard_of(r);
    switch (r->cmd) {
    case CMD_APPEND: *ok = begin_store(m, r, 'A'); break;
    case CMD_PREPEND: *ok = begin_store(m, r, 'P'); break;
    case CMD_REPLACE: *ok = begin_store(m, r, 'R'); break;
    case CMD_INCR:
    case CMD_DECR: *ok = begin_arith(m, r); break;
    case CMD_TOUCH:
    case CMD_GAT:
    case CMD_GATS: *ok = begin_touch(m, r); break;
    default:
        if (m->guard != GUARD_BASE) {
            return false;
        }
        m->replaces = r->cmd == CMD_MS && r->meta.mode == MODE_REPLACE;
        *ok = request_put_line(&m->line, r);
        break;
    }
    if (m->guard == GUARD_BASE && *ok) {
        m->compare_at = (uint32_t)buf_len(&m->line) - 2;
    }
    return true;
}

bool
moving_build_send(const struct moving *m, struct buf *out)
{
    char word[MOVING_REST_MAX];
    struct span line = buf_span(&m->line);
    if (!m->guarded || m->compare_at == 0) {
        return buf_append_span(out, line);
    }
    int len = snprintf(word, sizeof(word), " C%" PRIu64, m->base != 0 ? m->base : BASE_NONE);
    return buf_append(out, line.ptr, m->compare_at) && buf_append(out, word, (size_t)len) &&
           buf_append_span(out, span_skip(line, m->compare_at));
}

/* An answer that may be of an empty item stands if it comes again, the value still
 * being the same. */
static bool
is_settled(struct moving *m)
{
    bool settled = m->base != 0 && m->base == m->settled;
    m->settled = settled ? 0 : m->base;
    return settled;
}

static bool
is_refusal(enum reply_kind kind)
{
    return kind == REPLY_NOT_STORED || kind == REPLY_EXISTS || kind == REPLY_NS || kind == REPLY_EX;
}

bool
moving_build_was_crossed(struct moving *m, const struct reply_piece *piece)
{
    struct fetched f;
    if (!m->guarded) {
        return false;
    }
    switch ((enum moving_guard)m->guard) {
    case GUARD_NONE: return false;
    case GUARD_BASE:
        return piece->kind == REPLY_EX ||
               (m->cmd == CMD_MA && piece->kind == REPLY_CLIENT_ERROR && !is_settled(m));
    case GUARD_REFUSED: return m->base == 0 && is_refusal(piece->kind);
    case GUARD_TAKEN: break;
    }
    fetched_read(piece, &f);
    bool crossed = fetched_is_hit(&f) && f.taken && !is_settled(m);
    m->stretched |= crossed && m->op == MOVE_OP_BUILD;
    return crossed;
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

/* NS where the comparison made it NF. */
static struct reply_piece
said_not_stored(const struct reply_piece *piece, char *room)
{
    memcpy(room, piece->raw.ptr, piece->raw.len);
    room[1] = 'S';
    return said(piece, REPLY_NS, span_make(room, piece->raw.len));
}

bool
moving_build_is_read(const struct moving *m, const struct reply_piece *piece)
{
    bool gat = m->asked == CMD_GAT || m->asked == CMD_GATS;
    return m->text && gat && (piece->kind == REPLY_VA || piece->kind == REPLY_EN);
}

struct reply_piece
moving_build_tell(const struct moving *m, const struct reply_piece *piece, char *room)
{
    bool counts = m->cmd == CMD_MA, touches = m->cmd == CMD_MG;
    if (m->replaces && piece->kind == REPLY_NF && piece->raw.len <= FORM_HEAD_MAX) {
        return said_not_stored(piece, room);
    }
    if (!m->text) {
        return *piece;
    }
    switch (piece->kind) {
    case REPLY_HD:
        return touches ? said(piece, REPLY_TOUCHED, SPAN_LIT("TOUCHED\r\n"))
                       : said(piece, REPLY_STORED, SPAN_LIT("STORED\r\n"));
    case REPLY_VA:
        return said(piece, REPLY_NUMBER, span_make(piece->value.ptr, piece->value.len + 2));
    case REPLY_EN: return said(piece, REPLY_NOT_FOUND, SPAN_LIT("NOT_FOUND\r\n"));
    case REPLY_NS:
    case REPLY_NF:
        return counts ? said(piece, REPLY_NOT_FOUND, SPAN_LIT("NOT_FOUND\r\n"))
                      : said(piece, REPLY_NOT_STORED, SPAN_LIT("NOT_STORED\r\n"));
    default: return *piece;
    }
}
