/* ingest.h - a value on its way into the store: the reservation, and what the
 * command line said that is needed when the last byte has arrived.
 *
 * A value that is whole in the input never leaves the stack; one that is not is
 * kept by its connection. */
#pragma once
#include "cached/conn.h"

#include <sys/uio.h>

struct ingest {
    struct store_reservation room;
    uint64_t got;                  /* bytes of the value and its CRLF */
    uint64_t total;                /* value and CRLF */
    char end[STORE_TRAILER_BYTES]; /* what the client sent as CRLF */
    struct store_write write;
    bool meta;
    bool noreply;
    bool quiet;
    bool done; /* stored or refused, and answered */
    uint8_t opaque_bytes;
    uint8_t flag_count;
    char flags[META_FLAGS_MAX]; /* letters of ms, in order */
    char opaque[OPAQUE_MAX_BYTES];
};

/* Begins the value of a storage command. False if it was refused: the connection
 * then throws the value's bytes away and answers the error. */
bool ingest_begin(struct conn *c, const struct request *r, struct ingest *in);

/* Stores the plain sets (request_plain.h) that `input` begins with, as many as are
 * taken in one go and no more than *requests, from which they are subtracted.
 * Returns their bytes; 0 if there is none. */
size_t ingest_plain_sets(struct conn *c, struct span input, uint64_t *requests);
/* The same for plain mss. */
size_t ingest_plain_mss(struct conn *c, struct span input, uint64_t *requests);

/* What a client is told whose value was refused. */
static inline enum proto_error
ingest_refusal(enum store_outcome outcome)
{
    return outcome == STORE_TOO_LARGE ? PROTO_ERR_TOO_LARGE : PROTO_ERR_NO_MEMORY;
}

#define INGEST_ROOMS 2

/* Where the next bytes go, and how many at most: what is missing of the value,
 * and what is missing of its CRLF. Returns how many of the two are there. Of a long value
 * a piece is enough for a turn, since its pages may have to be made. */
static inline int
ingest_rooms(struct ingest *in, struct iovec *iov)
{
    uint64_t value_bytes = in->total - STORE_TRAILER_BYTES;
    int n = 0;
    if (in->got + STORE_PIECE_BYTES < value_bytes) {
        iov[0] = (struct iovec){in->room.value + in->got, STORE_PIECE_BYTES};
        return 1;
    }
    if (in->got < value_bytes) {
        iov[n++] = (struct iovec){in->room.value + in->got, (size_t)(value_bytes - in->got)};
    }
    size_t of_end = in->got > value_bytes ? (size_t)(in->got - value_bytes) : 0;
    iov[n++] = (struct iovec){in->end + of_end, STORE_TRAILER_BYTES - of_end};
    return n;
}

/* Does ingest_rooms() have room for all that is missing? */
static inline bool
ingest_nearly_full(const struct ingest *in)
{
    return in->got + STORE_PIECE_BYTES + STORE_TRAILER_BYTES >= in->total;
}

/* Before up to so many bytes are written to iov, the first of these rooms. A fault for each
 * page would take several times as long as making them together. */
void ingest_grows(struct conn *c, const struct ingest *in, const struct iovec *iov, size_t bytes);

/* Is there room for the value of this command, or is none to be had? Else the connection
 * yields, and asks again. */
bool ingest_has_room(struct conn *c, const struct request *r);

/* All bytes are there: stores or refuses, and replies; then it is `done`. If not, there is
 * more to copy than for one turn, and the connection yields and calls this again. */
void ingest_finish(struct conn *c, struct ingest *in);

/* Does the connection's value wait for nothing but that? */
static inline bool
ingest_goes_on(const struct ingest *in)
{
    return in != NULL && in->got == in->total;
}

/* The connection ends before the value did. */
void ingest_abandon(struct conn *c, struct ingest *in);
