/* frame.h - the push stream's frames: u32 length (big endian, of what follows
 * the length), u8 type, u8 flags, then JSON. At most FRAME_BYTES_MAX in all.
 * Pure.
 *
 * Members of the JSON objects (unknown ones are ignored, [] may be left out;
 * 64-bit ids that are not counts are strings):
 *
 *   TABLE   the routing table's document itself
 *   BEAT    epoch, incarnation, sha: of the newest table mfcontrol knows (left
 *           out while it knows none); state: "live", or "stale" while it cannot
 *           see etcd; lag_ms: since it last could; relays: [HOST:PORT...] of
 *           other mfcontrol
 *   LEASE   id: string; ttl_ms
 *   HELLO   role: "proxy" or "node"; id; build; [zone]; what it has:
 *           [incarnation, epoch, sha]; a node also: pool, addr, boot_id,
 *           generation, [ring_name, weight, memory_bytes, lease: the id of the
 *           last LEASE frame]
 *   ACK     epoch, [incarnation, sha]
 *   NACK    epoch, code: a word (the verdict's name, "parse", "adopt"...),
 *           reason: a sentence, [incarnation, sha]
 *   REPORT  epoch; a node also healthy: bool; further members are statistics
 *   BYE     for_good: bool */
#pragma once
#include "common/core/buf.h"

#include <stdint.h>

#define FRAME_BYTES_MAX  (8u << 20)
#define FRAME_HEAD_BYTES 6

/*    id      number  name     direction and content */
#define FRAME_TYPES(X)                                                                             \
    X(TABLE,  1, "TABLE")  /* down: a whole table, the document's very bytes */                    \
    X(DELTA,  2, "DELTA")  /* down: from, to, sha after; not sent yet, ignored by readers */       \
    X(HOT,    3, "HOT")    /* down: hot keys; not sent yet, ignored by readers */                  \
    X(BEAT,   4, "BEAT")   /* down: every 5 s: head epoch, lag, live or stale, relays */           \
    X(LEASE,  5, "LEASE")  /* down, to a node: its lease id, to be shown again after a reconnect */\
    X(HELLO,  16, "HELLO") /* up: role, id, zone, build, what I have */                            \
    X(ACK,    17, "ACK")   /* up: epoch adopted, nothing older in flight */                        \
    X(NACK,   18, "NACK")  /* up: epoch refused, with a code and a sentence */                     \
    X(REPORT, 19, "REPORT") /* up: every 2 s */                                                    \
    X(BYE,    20, "BYE")    /* up: leaving on purpose: restart or for good */

enum frame_type {
#define X(id, number, name) FRAME_##id = number,
    FRAME_TYPES(X)
#undef X
};

struct frame {
    unsigned type; /* unknown types are skipped by readers */
    unsigned flags;
    struct span body;
    size_t bytes; /* of the whole frame */
};

enum frame_status { FRAME_OK, FRAME_NEED_MORE, FRAME_BAD };

enum frame_status frame_parse(struct span input, struct frame *out);
/* False if it would be over the limit or memory is out. */
bool frame_put(struct buf *out, enum frame_type type, struct span body);
const char *frame_type_name(unsigned type);
