/* json_split.h - cuts a stream of JSON objects into messages.
 *
 * The gateway's streams have no framing one could rely on: a message and its
 * newline may come as two chunks, proxies merge and split chunks, the last
 * error object has no newline at all. What holds is that every message is one
 * JSON object, so we count braces outside strings. Pure; one owner. */
#pragma once
#include "common/core/span.h"

enum split_result {
    SPLIT_MORE,      /* no whole message yet */
    SPLIT_MESSAGE,   /* *message is one object */
    SPLIT_BAD,       /* something else than an object begins: give the stream up */
    SPLIT_TOO_LARGE, /* the message passes `max` bytes: give the stream up */
};

/* All zero at the start of a stream. */
struct json_split {
    size_t scanned; /* bytes of the input already looked at */
    unsigned depth;
    bool in_string;
    bool escaped;
};

/* `input` is everything received and not yet consumed. Whatever the result, the
 * caller consumes *consumed bytes before the next call: blanks, and the message
 * once it is whole. */
enum split_result json_split_next(struct json_split *s, struct span input, size_t max,
                                  struct span *message, size_t *consumed);
