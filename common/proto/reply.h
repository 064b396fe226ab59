/* reply.h - reads memcached's replies from a byte stream, piece by piece. The
 * proxy reads backends with it; tests read everything with it.
 *
 * A reply is one or more pieces: a line, or a line with a value block. The
 * parser yields each piece when all its bytes are in `input`; the last piece of
 * a reply has `final` set. What ends a reply depends on what was asked, so the
 * caller says which shape it expects.
 *
 * Any split of the bytes gives the same result: input must begin at the first
 * byte not consumed. Pure, no allocation; spans point into `input`. */
#pragma once
#include "common/core/span.h"
#include "common/proto/command.h"

#include <stdint.h>

/* The first word of a reply line. */
#define PROTO_REPLIES(X)                                                                           \
    X(VALUE, "VALUE")                                                                              \
    X(END, "END")                                                                                  \
    X(STORED, "STORED")                                                                            \
    X(NOT_STORED, "NOT_STORED")                                                                    \
    X(EXISTS, "EXISTS")                                                                            \
    X(NOT_FOUND, "NOT_FOUND")                                                                      \
    X(DELETED, "DELETED")                                                                          \
    X(TOUCHED, "TOUCHED")                                                                          \
    X(OK, "OK")                                                                                    \
    X(VERSION, "VERSION")                                                                          \
    X(STAT, "STAT")                                                                                \
    X(RESET, "RESET")                                                                              \
    X(HD, "HD")                                                                                    \
    X(VA, "VA")                                                                                    \
    X(EN, "EN")                                                                                    \
    X(NF, "NF")                                                                                    \
    X(NS, "NS")                                                                                    \
    X(EX, "EX")                                                                                    \
    X(MN, "MN")                                                                                    \
    X(ME, "ME")                                                                                    \
    X(ERROR, "ERROR")                                                                              \
    X(CLIENT_ERROR, "CLIENT_ERROR")                                                                \
    X(SERVER_ERROR, "SERVER_ERROR")

enum reply_kind {
#define X(id, word) REPLY_##id,
    PROTO_REPLIES(X)
#undef X
    REPLY_NUMBER, /* incr, decr: digits */
    REPLY_OTHER,  /* any other line */
};

const char *reply_word(enum reply_kind kind); /* "" for NUMBER and OTHER */

static inline bool
reply_is_error(enum reply_kind kind)
{
    return kind >= REPLY_ERROR && kind <= REPLY_SERVER_ERROR;
}

/* How the reply to a request ends. */
enum reply_shape {
    REPLY_SHAPE_LINE,   /* one line; VA has a value */
    REPLY_SHAPE_VALUES, /* VALUE pieces, then END or an error line */
    REPLY_SHAPE_STATS,  /* STAT lines, then END, RESET, OK or an error line */
};
enum reply_shape reply_shape_of(enum proto_command cmd);

struct reply_piece {
    enum reply_kind kind;
    bool final;        /* the reply is complete with this piece */
    struct span raw;   /* all its bytes, terminators included; consume raw.len */
    struct span line;  /* the line without CRLF */
    struct span key;   /* VALUE: the key */
    struct span value; /* VALUE, VA: the data */
    uint64_t flags;    /* VALUE */
    uint64_t cas;      /* VALUE of gets, gats */
    bool has_cas;
};

enum reply_status {
    REPLY_PIECE,
    REPLY_NEED_MORE,
    REPLY_GARBAGE, /* no memcached speaks so: the connection is out of step, close it */
};

/* Remembers how far a long block was known to reach, so that growing input is
 * not parsed from its start for every segment. */
struct reply_parser {
    size_t scanned;
    size_t need; /* input must be this long before another look is worth it */
};
#define REPLY_PARSER_INIT ((struct reply_parser){0})

#define REPLY_LINE_MAX 8192

/* `value_max`: a longer value block is REPLY_GARBAGE. */
enum reply_status reply_parse(struct reply_parser *p, struct span input, enum reply_shape shape,
                              uint64_t value_max, struct reply_piece *piece);
