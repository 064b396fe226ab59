#include "common/fleet/keytag.h"

/* As twemproxy does: what stands between the first `open` and the first `close`
 * behind it, if that is anything. */
static struct span
between(struct span key, char open, char close)
{
    const char *from = memchr(key.ptr, open, key.len);
    if (from == NULL) {
        return key;
    }
    from++;
    const char *to = memchr(from, close, (size_t)(key.ptr + key.len - from));
    return to == NULL || to == from ? key : span_make(from, (size_t)(to - from));
}

static struct span
before(struct span key, struct span stop)
{
    const char *at = memmem(key.ptr, key.len, stop.ptr, stop.len);
    return at == NULL || at == key.ptr ? key : span_make(key.ptr, (size_t)(at - key.ptr));
}

struct span
keytag_cut(const struct keytag *tag, struct span key)
{
    if (tag->strip_prefix.len > 0 && key.len > tag->strip_prefix.len &&
        span_starts_with(key, tag->strip_prefix)) {
        key = span_skip(key, tag->strip_prefix.len);
    }
    if (tag->open != '\0' && key.len > 0) {
        key = between(key, tag->open, tag->close);
    }
    if (tag->stop.len > 0 && key.len > 0) {
        key = before(key, tag->stop);
    }
    return key;
}
