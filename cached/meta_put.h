/* meta_put.h - keys and reply lines of meta commands that are served in groups: flags
 * are written where the line is sent from. Each function returns where the next
 * byte goes; the caller has made room. */
#pragma once
#include "cached/group.h"
#include "common/core/base64.h"
#include "common/core/copy.h"

#define META_KEY_BYTES    (2 + BASE64_ENCODED_BYTES(KEY_MAX_BYTES) + 2)
#define META_NUMBER_BYTES (2 + NUM_MAX_DIGITS)
#define META_OPAQUE_BYTES (2 + OPAQUE_MAX_BYTES)

/* A key that came as base64. */
typedef char meta_key_room[BASE64_DECODED_BYTES(KEY_MAX_BYTES)];

/* *key becomes what it stands for, in `room`. False if it is no base64. */
static inline bool
meta_decode_key(struct span *key, char *room)
{
    ssize_t len = base64_decode(*key, room);
    if (len <= 0) {
        return false;
    }
    *key = span_make(room, (size_t)len);
    return true;
}

static inline char *
put_mark(char *p, char letter)
{
    p[0] = ' ';
    p[1] = letter;
    return p + 2;
}

static inline char *
put_flag_number(char *p, char letter, uint64_t n)
{
    p = put_mark(p, letter);
    return p + num_format_u64(n, p);
}

static inline char *
put_flag_key(char *p, struct span key, bool binary_key)
{
    p = put_mark(p, 'k');
    if (!binary_key) {
        return copy_bytes(p, key.ptr, key.len);
    }
    return put_mark(p + base64_encode(key, p), 'b');
}

static inline char *
put_flag_opaque(char *p, struct span opaque)
{
    p = put_mark(p, 'O');
    memcpy(p, opaque.ptr, opaque.len);
    return p + opaque.len;
}
