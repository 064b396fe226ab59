#include "t/soak/soakreply.h"
#include "common/core/assert.h"
#include "common/core/base64.h"
#include "common/core/num.h"

/* --- words ----------------------------------------------------------------------- */

/* Cuts the next word off; empty at the end. */
static struct span
next_word(struct span *line)
{
    struct span word = {line->ptr, 0};
    while (word.len < line->len && line->ptr[word.len] != ' ') {
        word.len++;
    }
    *line = span_skip(*line, word.len < line->len ? word.len + 1 : word.len);
    return word;
}

static bool
key_is(const struct soak_call *call, struct span word, bool base64)
{
    char key[SOAK_KEY_MAX], decoded[SOAK_KEY_MAX * 2];
    size_t len = soak_key(call->deed.id, key);
    if (!base64) {
        return span_eq(word, span_make(key, len));
    }
    ssize_t n = word.len <= sizeof(decoded) ? base64_decode(word, decoded) : -1;
    return n >= 0 && span_eq(span_make(decoded, (size_t)n), span_make(key, len));
}

/* The value of `len` bytes behind the line, and its CRLF. */
static enum soak_reply
take_value(const struct soak_conn *conn, size_t at, uint64_t len, struct soak_answer *a,
           size_t *bytes)
{
    struct span all = buf_span(&conn->in);
    if (len > SOAK_PIECE_MAX * 2) {
        return REPLY_BROKEN;
    }
    if (all.len < at + len + 2) {
        return REPLY_NEED_MORE;
    }
    a->has_value = true;
    a->value = span_make(all.ptr + at, len);
    *bytes = at + len + 2;
    return memcmp(all.ptr + at + len, "\r\n", 2) == 0 ? REPLY_WHOLE : REPLY_BROKEN;
}

/* A line of an answer. One that ends in a lone LF is no answer: it is given as
 * an empty one. */
static bool
answer_line(const struct soak_conn *conn, size_t at, struct span *line, size_t *end)
{
    if (!soak_conn_line(conn, at, line, end)) {
        return false;
    }
    if (*end != at + line->len + 2) {
        line->len = 0;
    }
    return true;
}

/* --- text --------------------------------------------------------------------------- */

static enum soak_reply
take_end(const struct soak_conn *conn, size_t at, size_t *bytes)
{
    struct span line;
    if (!answer_line(conn, at, &line, bytes)) {
        return REPLY_NEED_MORE;
    }
    return span_eq_cstr(line, "END") ? REPLY_WHOLE : REPLY_BROKEN;
}

/* "VALUE key flags bytes [cas]" of this call's key? */
static bool
value_line(const struct soak_call *call, struct span line, struct soak_answer *a, uint64_t *len)
{
    if (!span_eq_cstr(next_word(&line), "VALUE") || !key_is(call, next_word(&line), false) ||
        !num_parse_u64(next_word(&line), &a->flags) || !num_parse_u64(next_word(&line), len)) {
        return false;
    }
    a->has_flags = true;
    a->has_cas = call->ask_cas && num_parse_u64(next_word(&line), &a->cas);
    return a->has_cas == call->ask_cas && line.len == 0;
}

static enum soak_reply
take_get(const struct soak_conn *conn, const struct soak_call *call, struct soak_answer *a,
         size_t *bytes)
{
    struct span line;
    uint64_t len;
    size_t end;
    if (!answer_line(conn, 0, &line, &end)) {
        return REPLY_NEED_MORE;
    }
    if (!value_line(call, line, a, &len)) {
        *a = (struct soak_answer){.kind = ANSWER_MISS};
        return call->last ? take_end(conn, 0, bytes) : REPLY_WHOLE;
    }
    a->kind = ANSWER_HIT;
    enum soak_reply reply = take_value(conn, end, len, a, bytes);
    return reply == REPLY_WHOLE && call->last ? take_end(conn, *bytes, bytes) : reply;
}

static const char *
done_word(enum soak_effect effect)
{
    switch (effect) {
    case EFFECT_SET:
    case EFFECT_ADD:
    case EFFECT_REPLACE:
    case EFFECT_APPEND:
    case EFFECT_PREPEND: return "STORED";
    case EFFECT_DELETE: return "DELETED";
    case EFFECT_TOUCH: return "TOUCHED";
    case EFFECT_READ:
    case EFFECT_INCR:
    case EFFECT_DECR:
    case EFFECT_MARK_STALE:
    case EFFECT_DROP_VALUE: return "(none)";
    }
    UNREACHABLE();
}

static bool
refusal(struct span line)
{
    return span_eq_cstr(line, "SERVER_ERROR out of memory storing object") ||
           span_eq_cstr(line, "SERVER_ERROR out of memory");
}

static enum soak_reply
take_text(const struct soak_conn *conn, const struct soak_call *call, struct soak_answer *a,
          size_t *bytes)
{
    struct span line;
    enum soak_effect effect = call->deed.effect;
    if (!answer_line(conn, 0, &line, bytes)) {
        return REPLY_NEED_MORE;
    }
    if (span_eq_cstr(line, done_word(effect))) {
        a->kind = ANSWER_DONE;
    } else if ((effect == EFFECT_INCR || effect == EFFECT_DECR) &&
               num_parse_u64(line, &a->number)) {
        a->kind = ANSWER_NUMBER;
    } else if (span_eq_cstr(line, "NOT_FOUND")) {
        a->kind = ANSWER_MISS;
    } else if (span_eq_cstr(line, "NOT_STORED")) {
        a->kind = ANSWER_NOT_STORED;
    } else if (span_eq_cstr(line, "EXISTS")) {
        a->kind = ANSWER_EXISTS;
    } else if (refusal(line)) {
        a->kind = ANSWER_REFUSED;
    } else {
        return REPLY_BROKEN;
    }
    return REPLY_WHOLE;
}

/* --- meta ---------------------------------------------------------------------------- */

struct meta_marks {
    uint64_t opaque;
    struct span key;
    bool has_opaque, has_key, base64;
};

static bool
take_flag(struct span word, struct soak_answer *a, struct meta_marks *m)
{
    struct span arg = span_skip(word, 1);
    switch (word.ptr[0]) {
    case 'O': return m->has_opaque = num_parse_u64(arg, &m->opaque);
    case 'c': return a->has_cas = num_parse_u64(arg, &a->cas);
    case 'f': return a->has_flags = num_parse_u64(arg, &a->flags);
    case 's': return a->has_size = num_parse_u64(arg, &a->size);
    case 't': return a->has_ttl = num_parse_i64(arg, &a->ttl_s);
    case 'k': m->key = arg; return m->has_key = true;
    case 'b': return m->base64 = true;
    case 'X': return a->stale = true;
    case 'W':
    case 'Z': return arg.len == 0;
    }
    return false;
}

static bool
take_flags(struct span line, struct soak_answer *a, struct meta_marks *m)
{
    while (line.len > 0) {
        struct span word = next_word(&line);
        if (word.len == 0 || !take_flag(word, a, m)) {
            return false;
        }
    }
    return true;
}

static bool
meta_kind(const struct soak_call *call, struct span status, struct soak_answer *a)
{
    enum soak_effect effect = call->deed.effect;
    bool read = effect == EFFECT_READ;
    if (span_eq_cstr(status, "HD")) {
        a->kind = read ? ANSWER_HIT : ANSWER_DONE;
        return true;
    }
    if (span_eq_cstr(status, "VA")) {
        a->kind = read ? ANSWER_HIT : ANSWER_NUMBER;
        return read || effect == EFFECT_INCR || effect == EFFECT_DECR;
    }
    if (span_eq_cstr(status, "EN")) {
        a->kind = ANSWER_MISS;
        return read || effect == EFFECT_TOUCH;
    }
    if (span_eq_cstr(status, "NF")) {
        a->kind = ANSWER_MISS;
        return !read;
    }
    if (span_eq_cstr(status, "NS")) {
        a->kind = ANSWER_NOT_STORED;
        return true;
    }
    a->kind = ANSWER_EXISTS;
    return span_eq_cstr(status, "EX");
}

/* The server said nothing: what that means. */
static enum soak_reply
kept_quiet(const struct soak_call *call, struct soak_answer *a)
{
    *a = (struct soak_answer){.meta = false};
    a->kind = call->deed.effect == EFFECT_READ ? ANSWER_MISS : ANSWER_DONE;
    return REPLY_WHOLE;
}

/* What was asked for is there, and is the key's. */
static bool
meta_complete(const struct soak_call *call, const struct soak_answer *a, const struct meta_marks *m)
{
    bool hit = a->kind == ANSWER_HIT;
    if (m->has_key && !key_is(call, m->key, m->base64)) {
        return false;
    }
    if (call->ask_key && !m->has_key) {
        return false;
    }
    return !hit || ((!call->ask_cas || a->has_cas) && (!call->ask_flags || a->has_flags) &&
                    (!call->ask_ttl || a->has_ttl) && (!call->ask_size || a->has_size));
}

static enum soak_reply
take_meta_value(const struct soak_conn *conn, const struct soak_call *call, size_t at, uint64_t len,
                struct soak_answer *a, size_t *bytes)
{
    enum soak_reply reply = take_value(conn, at, len, a, bytes);
    if (reply != REPLY_WHOLE || call->deed.effect == EFFECT_READ) {
        return reply;
    }
    a->has_value = false;
    return num_parse_u64(a->value, &a->number) ? REPLY_WHOLE : REPLY_BROKEN;
}

static enum soak_reply
take_meta(const struct soak_conn *conn, const struct soak_call *call, struct soak_answer *a,
          size_t *bytes)
{
    struct span line;
    struct meta_marks marks = {0};
    if (!answer_line(conn, 0, &line, bytes)) {
        return REPLY_NEED_MORE;
    }
    bool may_be_refused = call->deed.effect != EFFECT_READ && call->deed.effect != EFFECT_DELETE;
    if (refusal(line) && may_be_refused) {
        a->kind = ANSWER_REFUSED;
        return REPLY_WHOLE;
    }
    struct span rest = line;
    uint64_t len = 0;
    bool mine = meta_kind(call, next_word(&rest), a);
    bool value = mine && line.ptr[0] == 'V';
    mine = mine && (!value || num_parse_u64(next_word(&rest), &len)) &&
           take_flags(rest, a, &marks) && marks.has_opaque && marks.opaque == call->opaque;
    if (!mine) {
        *bytes = 0;
        return call->quiet ? kept_quiet(call, a) : REPLY_BROKEN;
    }
    a->meta = call->deed.effect == EFFECT_READ && a->kind == ANSWER_HIT;
    /* What was refused has a CAS value of 0. */
    a->has_cas = a->has_cas && (a->cas != 0 || a->kind == ANSWER_HIT);
    if (!meta_complete(call, a, &marks)) {
        return REPLY_BROKEN;
    }
    return value ? take_meta_value(conn, call, *bytes, len, a, bytes) : REPLY_WHOLE;
}

/* "ME key ..." or "EN": looked at for being one of them. */
static enum soak_reply
take_debug(const struct soak_conn *conn, struct soak_answer *a, size_t *bytes)
{
    struct span line;
    if (!answer_line(conn, 0, &line, bytes)) {
        return REPLY_NEED_MORE;
    }
    bool hit = span_starts_with(line, SPAN_LIT("ME "));
    a->kind = hit ? ANSWER_HIT : ANSWER_MISS;
    return hit || span_eq_cstr(line, "EN") ? REPLY_WHOLE : REPLY_BROKEN;
}

enum soak_reply
soak_reply_take(const struct soak_conn *conn, const struct soak_call *call,
                struct soak_answer *answer, size_t *bytes)
{
    struct span line;
    *answer = (struct soak_answer){.kind = ANSWER_UNKNOWN};
    *bytes = 0;
    if (call->silent) {
        return REPLY_WHOLE;
    }
    switch (call->dialect) {
    case SAY_GET: return take_get(conn, call, answer, bytes);
    case SAY_TEXT: return take_text(conn, call, answer, bytes);
    case SAY_META: return take_meta(conn, call, answer, bytes);
    case SAY_ME: return take_debug(conn, answer, bytes);
    case SAY_MN:
        if (!answer_line(conn, 0, &line, bytes)) {
            return REPLY_NEED_MORE;
        }
        return span_eq_cstr(line, "MN") ? REPLY_WHOLE : REPLY_BROKEN;
    }
    return REPLY_BROKEN;
}
