/* loadwork.h - the requests of a benchmark and the replies to them.
 *
 * All keys of a run have one length and all values too, so that every request
 * of a kind has the same size, and every reply: counting bytes is enough to
 * know how many replies have come, for the load and for the floor. Pure. */
#pragma once
#include "common/core/buf.h"

#include <stdint.h>

/* clang-format off */
/*    kind       name     request of one key, or of many */
#define LOAD_KINDS(X)                                                                              \
    X(LOAD_GET,  "get",   "get KEY")                                                               \
    X(LOAD_MGET, "mget",  "get KEY KEY ...")                                                       \
    X(LOAD_MG,   "mg",    "mg KEY v")                                                              \
    X(LOAD_SET,  "set",   "set KEY 0 0 BYTES")
/* clang-format on */

enum load_kind {
#define X(kind, name, help) kind,
    LOAD_KINDS(X)
#undef X
};

struct load_work {
    enum load_kind kind;
    unsigned key_bytes; /* 12 to 250 */
    unsigned value_bytes;
    unsigned keys_each; /* of MGET */
};

bool load_kind_parse(const char *name, enum load_kind *kind);

/* Operations that one request counts for: its keys. */
unsigned load_work_keys(const struct load_work *w);

/* Appends the request for the next keys: `next` is called once for each. */
void load_work_put(const struct load_work *w, uint32_t (*next)(void *arg), void *arg,
                   struct buf *out);

/* Appends what a server that has the keys answers, with some key of that length. */
void load_work_put_reply(const struct load_work *w, struct buf *out);

size_t load_work_request_bytes(const struct load_work *w);
size_t load_work_reply_bytes(const struct load_work *w);
