/* chaosvalue.h - keys and values: each says whose it is, and by which write, to
 * the last byte. Pure.
 *
 * A key with an even number holds blobs, pieces one behind the other: a write's
 * number, a length, and filler that these choose; append adds a piece. One with an
 * odd number is counted up by incr; its high digits name the key and the write
 * that set it. */
#pragma once
#include "common/core/buf.h"
#include "t/chaos/chaosmodel.h"

#define CHAOS_KEYS_MAX 1000
#define CHAOS_KEY_MAX  64

static inline bool
chaos_is_number(unsigned key)
{
    return key % 2 == 1;
}

/* The key's name into `out` (CHAOS_KEY_MAX bytes), and which key a name is;
 * UINT32_MAX if it is none. */
struct span chaos_key_name(unsigned key, char *out);
unsigned chaos_key_of(struct span name);

/* Appends what the write `seq` stores; `bytes` is about how much, not for numbers. */
void chaos_value_put(struct buf *out, unsigned key, uint32_t seq, uint32_t bytes);

/* False if it is no whole value of this key. */
bool chaos_value_read(unsigned key, struct span value, struct chaos_seen *seen);
