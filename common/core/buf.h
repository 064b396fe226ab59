/* buf.h - a contiguous byte queue that grows: sockets fill its tail, parsers
 * eat its head.
 *
 * One owner, no lock. Consumed room is reclaimed by moving the rest down only
 * when the tail has run out, so a byte is moved at most once per doubling. An
 * empty buf holds no heap memory after buf_shrink(), so an idle connection
 * costs nothing here. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

struct buf {
    char *mem;
    size_t head; /* first unread byte */
    size_t tail; /* one past the last written byte */
    size_t cap;
};

#define BUF_EMPTY ((struct buf){0})

void buf_deinit(struct buf *b);

static inline size_t
buf_len(const struct buf *b)
{
    return b->tail - b->head;
}

/* The unread bytes; invalidated by any call that writes or shrinks. */
static inline struct span
buf_span(const struct buf *b)
{
    return (struct span){b->mem + b->head, b->tail - b->head};
}

/* Bytes that can be written at buf_room(b, 1) without growing. */
static inline size_t
buf_tailroom(const struct buf *b)
{
    return b->cap - b->tail;
}

char *buf_grow(struct buf *b, size_t n); /* buf_room() where there is none yet */

/* Makes room for `n` more bytes and returns where they go, or NULL when the
 * system has no memory (the buf is unchanged then). Follow with buf_grew(). */
static inline char *
buf_room(struct buf *b, size_t n)
{
    bool there = b->mem != NULL && buf_tailroom(b) >= n;
    return __builtin_expect(there, 1) ? b->mem + b->tail : buf_grow(b, n);
}

static inline void
buf_grew(struct buf *b, size_t n)
{
    b->tail += n;
}

/* Copies `n` bytes in; false when the system has no memory. */
static inline bool
buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0) {
        return true;
    }
    char *to = buf_room(b, n);
    if (to == NULL) {
        return false;
    }
    memcpy(to, p, n);
    b->tail += n;
    return true;
}

static inline bool
buf_append_span(struct buf *b, struct span s)
{
    return buf_append(b, s.ptr, s.len);
}

bool buf_append_u64(struct buf *b, uint64_t v);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops `n` unread bytes from the head. */
static inline void
buf_consume(struct buf *b, size_t n)
{
    b->head += n;
    if (b->head == b->tail) {
        b->head = b->tail = 0;
    }
}

static inline void
buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
}

/* Gives memory back: all of it when empty, else down to what is held, if the
 * capacity is over `keep` bytes. */
void buf_shrink(struct buf *b, size_t keep);
