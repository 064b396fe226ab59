#include "common/core/buf.h"
#include "common/core/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 512

void
buf_deinit(struct buf *b)
{
    free(b->mem);
    *b = BUF_EMPTY;
}

static bool
grow(struct buf *b, size_t n)
{
    size_t held = buf_len(b);
    size_t need = held + n;
    if (need < held) {
        return false;
    }
    /* Half empty at the front: moving down is enough and keeps the amortised
     * cost constant. */
    if (need <= b->cap && b->head >= b->cap / 2) {
        memmove(b->mem, b->mem + b->head, held);
        b->head = 0;
        b->tail = held;
        return true;
    }
    size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
    while (cap < need) {
        if (cap > SIZE_MAX / 2) {
            return false;
        }
        cap *= 2;
    }
    if (cap == b->cap) {
        cap *= 2;
    }
    char *mem = malloc(cap);
    if (mem == NULL) {
        return false;
    }
    if (held != 0) {
        memcpy(mem, b->mem + b->head, held);
    }
    free(b->mem);
    *b = (struct buf){mem, 0, held, cap};
    return true;
}

char *
buf_grow(struct buf *b, size_t n)
{
    return grow(b, n) ? b->mem + b->tail : NULL;
}

bool
buf_append_u64(struct buf *b, uint64_t v)
{
    char *to = buf_room(b, NUM_MAX_DIGITS);
    if (to == NULL) {
        return false;
    }
    b->tail += num_format_u64(v, to);
    return true;
}

bool
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    /* vsnprintf writes a terminator, which stays outside the buf. */
    char *to = n < 0 ? NULL : buf_room(b, (size_t)n + 1);
    if (to == NULL) {
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->tail += (size_t)n;
    return true;
}

void
buf_shrink(struct buf *b, size_t keep)
{
    if (b->cap <= keep) {
        return;
    }
    size_t held = buf_len(b);
    if (held == 0) {
        buf_deinit(b);
        return;
    }
    if (held > b->cap / 2) {
        return;
    }
    char *mem = malloc(held);
    if (mem == NULL) {
        return;
    }
    memcpy(mem, b->mem + b->head, held);
    free(b->mem);
    *b = (struct buf){mem, 0, held, held};
}
