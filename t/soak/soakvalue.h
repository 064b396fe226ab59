/* soakvalue.h - keys and values of the soak: a value says which key and which
 * write it is from, and every byte of it follows from that.
 *
 * A key's number decides its name and what kind of values it has:
 *
 *   BLOB    pieces one behind the other, none or some; a piece names its key,
 *           its write and its length, and the rest is noise that these choose.
 *           append and prepend add a piece
 *   SMALL   0 to 31 bytes that key and write choose; too short to name them
 *   NUMBER  for incr and decr
 *
 * Pure, but for the noise, which is made once. */
#pragma once
#include "common/core/buf.h"
#include "common/core/span.h"

#include <stdint.h>

#define SOAK_KEY_MAX     250
#define SOAK_PIECE_MIN   32 /* the head of a piece */
#define SOAK_PIECE_MAX   (1u << 20)
#define SOAK_SMALL_MAX   31
#define SOAK_PIECES_MAX  6
#define SOAK_FLAGS_CHECK 4096 /* a value's flags are from one of so many writes before it */

enum soak_class { SOAK_BLOB, SOAK_SMALL, SOAK_NUMBER };

struct soak_piece {
    uint32_t seq; /* the write that brought it */
    uint32_t bytes;
};

/* What a value holds. */
struct soak_content {
    uint64_t flags;
    uint64_t number;
    unsigned count; /* of pieces; SMALL and a value of 0 bytes: 0 or 1 */
    struct soak_piece pieces[SOAK_PIECES_MAX];
};

enum soak_class soak_class(uint32_t id);

/* A NUMBER key that may come to hold any number: the others say whose they are. */
bool soak_wild(uint32_t id);

/* Writes the key's name, 9 to SOAK_KEY_MAX bytes, and returns its length. Some
 * names have bytes above 0x7f. */
size_t soak_key(uint32_t id, char *out);

/* The client flags that the write `seq` brings: none, 32 bits or 64 bits. */
uint64_t soak_flags(uint32_t id, uint32_t seq);

/* What the write `seq` of a NUMBER key sets. */
uint64_t soak_number(uint32_t id, uint32_t seq);

/* How long the whole value is; not for numbers. */
size_t soak_content_bytes(const struct soak_content *content);

/* Appends the piece's bytes. */
void soak_piece_put(uint32_t id, struct soak_piece piece, struct buf *out);

/* Is `value` what `content` says, to the last byte? */
bool soak_content_equals(uint32_t id, const struct soak_content *content, struct span value);

/* For those who do not know what was written: takes a BLOB's value apart, or
 * finds which of the writes `from`..`to` a SMALL value is from. False if it is
 * not a whole value of this key. */
bool soak_content_read(uint32_t id, struct span value, uint32_t from, uint32_t to,
                       struct soak_content *out);

/* The last write that is in it; 0 if it does not say. */
uint32_t soak_content_seq(const struct soak_content *content);
