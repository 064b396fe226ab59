#include "t/soak/soakcall.h"
#include "common/core/assert.h"
#include "common/core/base64.h"

#include <inttypes.h>

const char *
soak_effect_name(enum soak_effect effect)
{
    switch (effect) {
    case EFFECT_READ: return "read";
    case EFFECT_SET: return "set";
    case EFFECT_ADD: return "add";
    case EFFECT_REPLACE: return "replace";
    case EFFECT_APPEND: return "append";
    case EFFECT_PREPEND: return "prepend";
    case EFFECT_INCR: return "incr";
    case EFFECT_DECR: return "decr";
    case EFFECT_DELETE: return "delete";
    case EFFECT_MARK_STALE: return "mark stale";
    case EFFECT_DROP_VALUE: return "drop value";
    case EFFECT_TOUCH: return "touch";
    }
    UNREACHABLE();
}

bool
soak_call_encodable(uint32_t id)
{
    char key[SOAK_KEY_MAX];
    return BASE64_ENCODED_BYTES(soak_key(id, key)) <= SOAK_KEY_MAX;
}

static void
put_key(const struct soak_call *call, struct buf *out)
{
    char key[SOAK_KEY_MAX];
    size_t len = soak_key(call->deed.id, key);
    if (call->base64 && soak_call_encodable(call->deed.id)) {
        char *room = buf_room(out, BASE64_ENCODED_BYTES(SOAK_KEY_MAX));
        buf_grew(out, base64_encode(span_make(key, len), room));
    } else {
        buf_append(out, key, len);
    }
}

static bool
stores(enum soak_effect effect)
{
    return effect >= EFFECT_SET && effect <= EFFECT_PREPEND;
}

static uint64_t
value_bytes(const struct soak_deed *d)
{
    uint64_t n = soak_number(d->id, d->piece.seq);
    uint64_t bytes = 1;
    if (soak_class(d->id) != SOAK_NUMBER) {
        return d->piece.bytes;
    }
    while (n >= 10) {
        n /= 10;
        bytes++;
    }
    return bytes;
}

static void
put_value(const struct soak_deed *d, struct buf *out)
{
    if (soak_class(d->id) == SOAK_NUMBER) {
        buf_append_u64(out, soak_number(d->id, d->piece.seq));
    } else if (d->piece.bytes > 0) {
        soak_piece_put(d->id, d->piece, out);
    }
    buf_append_span(out, SPAN_LIT("\r\n"));
}

/* --- text --------------------------------------------------------------------- */

static void
put_get(const struct soak_call *call, struct buf *out)
{
    if (call->first) {
        buf_printf(out, call->deed.touch ? "gat%s %" PRId64 : "get%s", call->ask_cas ? "s" : "",
                   call->deed.ttl_s);
    }
    buf_append_span(out, SPAN_LIT(" "));
    put_key(call, out);
    if (call->last) {
        buf_append_span(out, SPAN_LIT("\r\n"));
    }
}

static void
put_store(const struct soak_call *call, struct buf *out)
{
    const struct soak_deed *d = &call->deed;
    buf_append_span(out, d->compare ? SPAN_LIT("cas") : span_cstr(soak_effect_name(d->effect)));
    buf_append_span(out, SPAN_LIT(" "));
    put_key(call, out);
    buf_printf(out, " %" PRIu64 " %" PRId64 " %" PRIu64, soak_flags(d->id, d->piece.seq), d->ttl_s,
               value_bytes(d));
    if (d->compare) {
        buf_printf(out, " %" PRIu64, d->compare_cas);
    }
    buf_append_span(out, call->silent ? SPAN_LIT(" noreply\r\n") : SPAN_LIT("\r\n"));
    put_value(d, out);
}

static void
put_text(const struct soak_call *call, struct buf *out)
{
    const struct soak_deed *d = &call->deed;
    if (stores(d->effect)) {
        put_store(call, out);
        return;
    }
    buf_append_span(out, span_cstr(soak_effect_name(d->effect)));
    buf_append_span(out, SPAN_LIT(" "));
    put_key(call, out);
    if (d->effect == EFFECT_INCR || d->effect == EFFECT_DECR) {
        buf_printf(out, " %" PRIu64, d->delta);
    } else if (d->effect == EFFECT_TOUCH) {
        buf_printf(out, " %" PRId64, d->ttl_s);
    }
    buf_append_span(out, call->silent ? SPAN_LIT(" noreply\r\n") : SPAN_LIT("\r\n"));
}

/* --- meta ---------------------------------------------------------------------- */

static const char *
meta_verb(const struct soak_deed *d)
{
    switch (d->effect) {
    case EFFECT_READ:
    case EFFECT_TOUCH: return "mg ";
    case EFFECT_SET:
    case EFFECT_ADD:
    case EFFECT_REPLACE:
    case EFFECT_APPEND:
    case EFFECT_PREPEND: return "ms ";
    case EFFECT_INCR:
    case EFFECT_DECR: return "ma ";
    case EFFECT_DELETE:
    case EFFECT_MARK_STALE:
    case EFFECT_DROP_VALUE: return "md ";
    }
    UNREACHABLE();
}

static const char *
meta_mode(const struct soak_call *call)
{
    bool long_form = call->opaque % 2 == 0;
    switch (call->deed.effect) {
    case EFFECT_SET: return long_form ? " MS" : "";
    case EFFECT_ADD: return long_form ? " ME" : " Me";
    case EFFECT_REPLACE: return long_form ? " MR" : " Mr";
    case EFFECT_APPEND: return long_form ? " MA" : " Ma";
    case EFFECT_PREPEND: return long_form ? " MP" : " Mp";
    case EFFECT_INCR: return long_form ? " M+" : " MI";
    case EFFECT_DECR: return long_form ? " M-" : " MD";
    case EFFECT_MARK_STALE: return " I";
    case EFFECT_DROP_VALUE: return " x";
    case EFFECT_READ:
    case EFFECT_DELETE:
    case EFFECT_TOUCH: return "";
    }
    UNREACHABLE();
}

static void
put_meta_flags(const struct soak_call *call, struct buf *out)
{
    const struct soak_deed *d = &call->deed;
    buf_append_span(out, span_cstr(meta_mode(call)));
    if (stores(d->effect) || (d->touch && !d->touch_last)) {
        buf_printf(out, " T%" PRId64, d->ttl_s);
    }
    buf_printf(out, "%s%s%s%s%s%s%s%s O%" PRIu32,
               call->base64 && soak_call_encodable(d->id) ? " b" : "", call->ask_cas ? " c" : "",
               call->ask_value ? " v" : "", call->ask_flags ? " f" : "", call->ask_ttl ? " t" : "",
               call->ask_size ? " s" : "", call->ask_key ? " k" : "", call->quiet ? " q" : "",
               call->opaque);
    if (d->touch && d->touch_last) {
        buf_printf(out, " T%" PRId64, d->ttl_s);
    }
    if (d->vivify) {
        buf_printf(out, " N%" PRId64, d->ttl_s);
    }
    if (d->compare) {
        buf_printf(out, " C%" PRIu64, d->compare_cas);
    }
    if (stores(d->effect)) {
        buf_printf(out, " F%" PRIu64, soak_flags(d->id, d->piece.seq));
    }
    if (d->effect == EFFECT_INCR || d->effect == EFFECT_DECR) {
        buf_printf(out, " D%" PRIu64 " J%" PRIu64, d->delta, soak_number(d->id, d->piece.seq));
    }
}

static void
put_meta(const struct soak_call *call, struct buf *out)
{
    const struct soak_deed *d = &call->deed;
    buf_append_span(out, span_cstr(meta_verb(d)));
    put_key(call, out);
    if (stores(d->effect)) {
        buf_printf(out, " %" PRIu64, value_bytes(d));
    }
    put_meta_flags(call, out);
    buf_append_span(out, SPAN_LIT("\r\n"));
    if (stores(d->effect)) {
        put_value(d, out);
    }
}

void
soak_call_put(const struct soak_call *call, struct buf *out)
{
    switch (call->dialect) {
    case SAY_GET: put_get(call, out); break;
    case SAY_TEXT: put_text(call, out); break;
    case SAY_META: put_meta(call, out); break;
    case SAY_MN: buf_append_span(out, SPAN_LIT("mn\r\n")); break;
    case SAY_ME:
        buf_append_span(out, SPAN_LIT("me "));
        put_key(call, out);
        buf_append_span(out, call->base64 && soak_call_encodable(call->deed.id) ? SPAN_LIT(" b\r\n")
                                                                                : SPAN_LIT("\r\n"));
        break;
    }
}
