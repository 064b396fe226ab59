#include "cached/metaline.h"
#include "common/core/assert.h"
#include "common/core/base64.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"

#include <stdarg.h>
#include <stdio.h>

static void
add(struct metaline *l, const char *p, size_t n)
{
    ASSERT(l->len + n <= sizeof(l->text));
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static void
add_number(struct metaline *l, uint64_t n)
{
    ASSERT(l->len + NUM_MAX_DIGITS <= sizeof(l->text));
    l->len += num_format_u64(n, l->text + l->len);
}

static void
add_key(struct metaline *l, struct span key, bool binary_key)
{
    if (!binary_key) {
        add(l, key.ptr, key.len);
        return;
    }
    ASSERT(l->len + BASE64_ENCODED_BYTES(key.len) <= sizeof(l->text));
    l->len += base64_encode(key, l->text + l->len);
}

void
metaline_begin(struct metaline *l, const char *status)
{
    l->len = 0;
    add(l, status, 2);
}

void
metaline_begin_debug(struct metaline *l, struct span key, bool binary_key)
{
    metaline_begin(l, "ME");
    add(l, " ", 1);
    add_key(l, key, binary_key);
}

void
metaline_size(struct metaline *l, uint64_t n)
{
    add(l, " ", 1);
    add_number(l, n);
}

void
metaline_mark(struct metaline *l, char letter)
{
    char mark[2] = {' ', letter};
    add(l, mark, sizeof(mark));
}

void
metaline_number(struct metaline *l, char letter, uint64_t n)
{
    metaline_mark(l, letter);
    add_number(l, n);
}

void
metaline_opaque(struct metaline *l, struct span opaque)
{
    metaline_mark(l, 'O');
    add(l, opaque.ptr, opaque.len);
}

void
metaline_key(struct metaline *l, struct span key, bool binary_key)
{
    metaline_mark(l, 'k');
    add_key(l, key, binary_key);
    if (binary_key) {
        metaline_mark(l, 'b');
    }
}

long long
metaline_ttl_of(uint64_t expiry_ms, uint64_t now_ms)
{
    if (expiry_ms == EXPIRES_NEVER) {
        return -1;
    }
    uint64_t left_ms = expiry_ms > now_ms ? expiry_ms - now_ms : 0;
    return (long long)(left_ms / 1000 + (left_ms % 1000 != 0));
}

void
metaline_ttl(struct metaline *l, uint64_t expiry_ms, uint64_t now_ms)
{
    long long ttl = metaline_ttl_of(expiry_ms, now_ms);
    if (ttl < 0) {
        add(l, " t-1", 4);
    } else {
        metaline_number(l, 't', (uint64_t)ttl);
    }
}

void
metaline_printf(struct metaline *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(l->text + l->len, sizeof(l->text) - l->len, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0 && l->len + (size_t)n < sizeof(l->text));
    l->len += (size_t)n;
}

void
metaline_echo(struct metaline *l, const struct request *r)
{
    for (unsigned i = 0; i < r->meta.count; i++) {
        const struct meta_flag *f = &r->meta.flags[i];
        if (f->letter == 'O') {
            metaline_opaque(l, f->arg);
        } else if (f->letter == 'k') {
            metaline_key(l, r->key, r->binary_key);
        }
    }
}

void
metaline_put(struct metaline *l, struct outbox *out)
{
    add(l, "\r\n", 2);
    outbox_put(out, l->text, l->len);
}
