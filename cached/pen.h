/* pen.h - where the answers of a group are written: the room behind the bytes of a
 * connection's outbox, and how much of it may be filled. Held by who answers, so
 * that it stays in registers; from pen_take() to pen_give_back() nobody else puts
 * anything into the outbox. */
#pragma once
#include "cached/conn.h"

struct pen {
    char *at;       /* the next byte goes here */
    char *end;      /* of the room */
    uintptr_t stop; /* from here on conn_blocked() would be true */
};

static inline struct pen
pen_take(const struct conn *c)
{
    const struct buf *b = &c->out.bytes;
    size_t unsent = outbox_unsent(&c->out), max = c->worker->memory.output_max;
    struct pen pen = {b->mem + b->tail, b->mem + b->cap, (uintptr_t)b->mem + b->tail};
    pen.stop += unsent <= max ? max - unsent + 1 : 0;
    return pen;
}

static inline void
pen_give_back(struct conn *c, const struct pen *pen)
{
    c->out.bytes.tail = (size_t)(pen->at - c->out.bytes.mem);
}

/* May nothing more be executed before something was sent? */
static inline bool
pen_must_pause(const struct pen *pen)
{
    return (uintptr_t)pen->at >= pen->stop;
}

/* What is done without the pen, so that no pen need be in memory. */
bool pen_find_room(struct conn *c, size_t n);
void pen_put_reference(struct conn *c, const struct store_sight *sight);

static inline void
pen_take_again(const struct conn *c, struct pen *pen)
{
    *pen = pen_take(c);
    if (c->out.out_of_memory) {
        pen->stop = 0;
    }
}

/* Sees to it that up to `n` bytes can be written. False, and nothing is written any
 * more: the outbox says that it is out of memory. */
static inline __attribute__((always_inline)) bool
pen_room(struct conn *c, struct pen *pen, size_t n)
{
    if (__builtin_expect((size_t)(pen->end - pen->at) >= n, 1)) {
        return true;
    }
    pen_give_back(c, pen);
    bool found = pen_find_room(c, n);
    pen_take_again(c, pen);
    return found;
}

/* Puts the value and its CRLF, to be sent from where they are. */
static inline __attribute__((always_inline)) void
pen_refer(struct conn *c, struct pen *pen, const struct store_sight *sight)
{
    pen_give_back(c, pen);
    pen_put_reference(c, sight);
    pen_take_again(c, pen);
}
