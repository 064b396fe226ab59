/* outbox.h - what a connection has yet to send: bytes of its own, and between
 * them values that stay in the store.
 *
 *     bytes   "VA 5\r\nhello\r\nVA 90000\r\n" ^ "EN\r\n"
 *     pieces                                  | item, 90002 bytes
 *
 * Short values are copied, because an iovec and a reference cost more; long
 * ones are referenced, so that a client that reads slowly costs no memory but
 * that of items which exist anyway.
 *
 * One owner, no lock. */
#pragma once
#include "cached/store/store.h"
#include "common/core/buf.h"
#include "common/net/calls.h"

#define OUTBOX_COPY_MAX 2048    /* longer values are sent from the item */
#define OUTBOX_TURN_MAX 131072u /* bytes; if that is not all, the rest is for the next turn */

struct outbox_piece {
    uint64_t at; /* goes after this many of our own bytes, counted from the first ever */
    struct store_item *item;
    struct span rest;
};

struct outbox {
    struct buf bytes;
    uint64_t sent; /* of our own bytes, ever */
    struct outbox_piece *pieces;
    unsigned first, count, cap; /* pieces [first, count) are unsent */
    size_t referenced;          /* unsent bytes of the pieces */
    bool out_of_memory;         /* something could not be put: the connection must close */
};

enum outbox_status {
    OUTBOX_EMPTY,
    OUTBOX_MORE,   /* the socket takes no more now, or it was enough for a turn */
    OUTBOX_BROKEN, /* the peer is gone */
};

void outbox_deinit(struct outbox *o, struct store_thread *th);

static inline size_t
outbox_unsent(const struct outbox *o)
{
    return buf_len(&o->bytes) + o->referenced;
}

/* Where up to `n` bytes can be written, or NULL: then out_of_memory is set.
 * Follow with outbox_wrote(). */
static inline char *
outbox_room(struct outbox *o, size_t n)
{
    if (buf_tailroom(&o->bytes) >= n) {
        return o->bytes.mem + o->bytes.tail;
    }
    char *room = buf_room(&o->bytes, n);
    o->out_of_memory |= room == NULL;
    return room;
}

static inline void
outbox_wrote(struct outbox *o, size_t n)
{
    buf_grew(&o->bytes, n);
}

static inline void
outbox_put(struct outbox *o, const void *p, size_t n)
{
    char *room = n > 0 ? outbox_room(o, n) : NULL;
    if (room != NULL) {
        memcpy(room, p, n);
        outbox_wrote(o, n);
    }
}

static inline void
outbox_put_span(struct outbox *o, struct span s)
{
    outbox_put(o, s.ptr, s.len);
}

/* Puts the value and its CRLF, to be sent from where they are. Takes over the
 * reference. */
void outbox_refer(struct outbox *o, struct store_thread *th, struct store_item *item,
                  struct span value);

/* Puts the value and its CRLF. Takes over the view's reference. */
void outbox_put_value(struct outbox *o, struct store_thread *th, struct store_view *view);

enum outbox_status outbox_send_rest(struct outbox *o, struct store_thread *th, int fd,
                                    uint64_t *sent);

/* So many of its own bytes, which stand before any value, were sent by another. */
static inline void
outbox_took_own(struct outbox *o, size_t n)
{
    o->sent += (uint64_t)n;
    buf_consume(&o->bytes, n);
}

/* Sends what the socket takes, of values not more than OUTBOX_TURN_MAX: who reads as fast as
 * we send would keep the others waiting. Adds what it took to *sent. Nearly always there are
 * bytes of our own alone, and all are taken. */
static inline enum outbox_status
outbox_send(struct outbox *o, struct store_thread *th, int fd, uint64_t *sent)
{
    struct span own = buf_span(&o->bytes);
    if (o->count == 0 && own.len > 0) {
        ssize_t n = call_send(fd, own.ptr, own.len);
        if (n > 0) {
            *sent += (uint64_t)n;
            outbox_took_own(o, (size_t)n);
        }
        if (__builtin_expect(n == (ssize_t)own.len, 1)) {
            return OUTBOX_EMPTY;
        }
    }
    return outbox_send_rest(o, th, fd, sent);
}

/* Copies the values it refers to, but for those that have their memory to
 * themselves: a value that shares its memory keeps all of that from being used
 * again. False if there is no memory for it. */
bool outbox_let_go(struct outbox *o, struct store_thread *th);

/* Frees the room of an outbox that is empty. */
void outbox_free_room(struct outbox *o);

static inline void
outbox_trim(struct outbox *o)
{
    if ((o->bytes.mem != NULL || o->pieces != NULL) && outbox_unsent(o) == 0) {
        outbox_free_room(o);
    }
}
