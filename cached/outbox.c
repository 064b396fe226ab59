#include "cached/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define IOVECS_PER_SEND 64
#define PIECES_FIRST    8

void
outbox_deinit(struct outbox *o, struct store_thread *th)
{
    for (unsigned i = o->first; i < o->count; i++) {
        store_release(th, &o->pieces[i].item);
    }
    free(o->pieces);
    buf_deinit(&o->bytes);
    *o = (struct outbox){0};
}

static bool
room_for_piece(struct outbox *o)
{
    if (o->count < o->cap) {
        return true;
    }
    if (o->first > 0) {
        memmove(o->pieces, o->pieces + o->first, (o->count - o->first) * sizeof(o->pieces[0]));
        o->count -= o->first;
        o->first = 0;
        return true;
    }
    unsigned cap = o->cap > 0 ? o->cap * 2 : PIECES_FIRST;
    struct outbox_piece *grown = realloc(o->pieces, cap * sizeof(grown[0]));
    if (grown == NULL) {
        return false;
    }
    o->pieces = grown;
    o->cap = cap;
    return true;
}

void
outbox_refer(struct outbox *o, struct store_thread *th, struct store_item *item, struct span value)
{
    _Static_assert(OUTBOX_COPY_MAX >= STORE_TRAILED_FROM,
                   "what is sent from the item has its CRLF");
    if (!room_for_piece(o)) {
        o->out_of_memory = true;
        store_release(th, &item);
        return;
    }
    struct span bytes = span_make(value.ptr, value.len + STORE_TRAILER_BYTES);
    o->pieces[o->count++] = (struct outbox_piece){o->sent + buf_len(&o->bytes), item, bytes};
    o->referenced += bytes.len;
}

void
outbox_put_value(struct outbox *o, struct store_thread *th, struct store_view *view)
{
    if (view->value.len + STORE_TRAILER_BYTES > OUTBOX_COPY_MAX) {
        outbox_refer(o, th, view->item, view->value);
        view->item = NULL;
        return;
    }
    char *room = outbox_room(o, view->value.len + STORE_TRAILER_BYTES);
    if (room != NULL) {
        memcpy(room, view->value.ptr, view->value.len);
        memcpy(room + view->value.len, "\r\n", STORE_TRAILER_BYTES);
        outbox_wrote(o, view->value.len + STORE_TRAILER_BYTES);
    }
    store_release(th, &view->item);
}

/* How many of our own bytes go before the piece `i`. */
static size_t
own_before(const struct outbox *o, unsigned i, uint64_t at, size_t own_left)
{
    return i < o->count ? (size_t)(o->pieces[i].at - at) : own_left;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What goes first, up to so many bytes. */
static unsigned
gather(const struct outbox *o, size_t bytes, struct iovec *iov)
{
    struct span own = buf_span(&o->bytes);
    uint64_t at = o->sent;
    unsigned n = 0, i = o->first;
    while (n < IOVECS_PER_SEND && bytes > 0) {
        struct span next = {own.ptr, own_before(o, i, at, own.len)};
        if (next.len > 0) {
            own = span_skip(own, next.len);
            at += next.len;
        } else if (i < o->count) {
            next = o->pieces[i++].rest;
        } else {
            break;
        }
        iov[n] = (struct iovec){(void *)next.ptr, least(next.len, bytes)};
        bytes -= iov[n++].iov_len;
    }
    return n;
}

static size_t
take_own(struct outbox *o, size_t n)
{
    outbox_took_own(o, n);
    return n;
}

static size_t
take_piece(struct outbox *o, struct store_thread *th, size_t n)
{
    struct outbox_piece *piece = &o->pieces[o->first];
    n = least(n, piece->rest.len);
    piece->rest = span_skip(piece->rest, n);
    o->referenced -= n;
    if (piece->rest.len == 0) {
        store_release(th, &piece->item);
        o->first++;
    }
    return n;
}

static void
take_sent(struct outbox *o, struct store_thread *th, size_t n)
{
    while (n > 0) {
        size_t before = own_before(o, o->first, o->sent, buf_len(&o->bytes));
        n -= before > 0 ? take_own(o, least(n, before)) : take_piece(o, th, n);
    }
    if (o->first == o->count) {
        o->first = o->count = 0;
    }
}

static ssize_t
send_pieces(const struct outbox *o, int fd, size_t bytes)
{
    struct iovec iov[IOVECS_PER_SEND];
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = gather(o, bytes, iov)};
    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

enum outbox_status
outbox_send_rest(struct outbox *o, struct store_thread *th, int fd, uint64_t *sent)
{
    size_t left = OUTBOX_TURN_MAX;
    while (outbox_unsent(o) > 0) {
        struct span own = buf_span(&o->bytes);
        if (left == 0) {
            return OUTBOX_MORE;
        }
        ssize_t n = o->first < o->count ? send_pieces(o, fd, left)
                                        : call_send(fd, own.ptr, least(own.len, left));
        if (n > 0) {
            *sent += (uint64_t)n;
            left -= (size_t)n;
            take_sent(o, th, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            return OUTBOX_MORE;
        } else if (n == 0 || errno != EINTR) {
            return OUTBOX_BROKEN;
        }
    }
    return OUTBOX_EMPTY;
}

/* --- letting go -------------------------------------------------------------- */

/* Bytes that would have to be copied. */
static size_t
shared_bytes(const struct outbox *o, const struct store_thread *th)
{
    size_t bytes = 0;
    for (unsigned i = o->first; i < o->count; i++) {
        bytes += store_stands_alone(th, o->pieces[i].item) ? 0 : o->pieces[i].rest.len;
    }
    return bytes;
}

bool
outbox_let_go(struct outbox *o, struct store_thread *th)
{
    size_t shared = shared_bytes(o, th);
    if (shared == 0) {
        return true;
    }
    /* Nothing is added while the client does not read, so no more than needed. */
    size_t needed = buf_len(&o->bytes) + shared;
    struct buf bytes = {.mem = malloc(needed), .cap = needed};
    if (bytes.mem == NULL) {
        return false;
    }
    struct span own = buf_span(&o->bytes);
    uint64_t at = o->sent;
    unsigned kept = o->first;
    for (unsigned i = o->first; i < o->count; i++) {
        struct outbox_piece piece = o->pieces[i];
        size_t before = own_before(o, i, at, own.len);
        buf_append(&bytes, own.ptr, before);
        own = span_skip(own, before);
        at += before;
        if (store_stands_alone(th, piece.item)) {
            piece.at = o->sent + buf_len(&bytes);
            o->pieces[kept++] = piece;
        } else {
            buf_append_span(&bytes, piece.rest);
            store_release(th, &piece.item);
        }
    }
    buf_append_span(&bytes, own);
    o->count = kept;
    o->referenced -= shared;
    buf_deinit(&o->bytes);
    o->bytes = bytes;
    return true;
}

void
outbox_free_room(struct outbox *o)
{
    free(o->pieces);
    o->pieces = NULL;
    o->cap = 0;
    buf_shrink(&o->bytes, 0);
}
