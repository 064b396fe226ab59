#include "proxy/frontend.h"
#include "common/core/assert.h"
#include "common/fleet/table.h"

#include <string.h>

static void
copy(char *to, struct span text)
{
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

void
frontends_init(struct frontends *f)
{
    *f = (struct frontends){.count = 0};
    (void)frontends_add(f, "", SPAN_LIT(""), false);
}

static size_t
last_of(struct span text, char c)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != c) {
        at--;
    }
    return at;
}

bool
frontend_split(struct span text, struct span *addr, struct span *pool)
{
    size_t at = last_of(text, '=');
    if (at == 0) {
        *addr = text;
        *pool = SPAN_LIT("");
        return true;
    }
    *addr = span_make(text.ptr, at - 1);
    *pool = span_skip(text, at);
    return pool->len == 0 || table_is_pool_name(*pool);
}

unsigned
frontends_add(struct frontends *f, const char *addr, struct span pool, bool listens)
{
    unsigned at = frontends_count(f);
    ASSERT(strlen(addr) < FRONTEND_ADDR_MAX && pool.len < FRONTEND_POOL_MAX);
    if (at == FRONTENDS_MAX) {
        return FRONTEND_NONE;
    }
    copy(f->rows[at].addr, span_cstr(addr));
    copy(f->rows[at].pool, pool);
    f->rows[at].listens = listens;
    atomic_store_explicit(&f->count, at + 1, memory_order_release);
    return at;
}

/* The pool comes first: its name has no line's end, which a path may have. */
bool
frontend_put(const struct frontend *it, struct buf *out)
{
    return it->addr[0] == '\0' ||
           (buf_append_span(out, span_cstr(it->pool)) && buf_append(out, "\n", 1) &&
            buf_append_span(out, span_cstr(it->addr)));
}

/* An address that is listened at says itself what its clients get; else the one
 * that had this client is found by its pool, too. */
static unsigned
find(const struct frontends *f, const char *addr, struct span pool)
{
    unsigned found = FRONTEND_NONE;
    for (unsigned i = 1; i < frontends_count(f); i++) {
        const struct frontend *it = &f->rows[i];
        if (strcmp(it->addr, addr) == 0 && it->listens) {
            return i;
        }
        if (strcmp(it->addr, addr) == 0 && span_eq_cstr(pool, it->pool)) {
            found = i;
        }
    }
    return found;
}

unsigned
frontends_take(struct frontends *f, struct span message)
{
    const char *end = message.len > 0 ? memchr(message.ptr, '\n', message.len) : NULL;
    if (message.len == 0) {
        return FRONTEND_UNKNOWN;
    }
    if (end == NULL) {
        return FRONTEND_NONE;
    }
    struct span pool = span_make(message.ptr, (size_t)(end - message.ptr));
    struct span text = span_skip(message, pool.len + 1);
    if ((pool.len > 0 && !table_is_pool_name(pool)) || text.len == 0 ||
        text.len >= FRONTEND_ADDR_MAX) {
        return FRONTEND_NONE;
    }
    char addr[FRONTEND_ADDR_MAX];
    copy(addr, text);
    unsigned found = find(f, addr, pool);
    return found != FRONTEND_NONE ? found : frontends_add(f, addr, pool, false);
}
