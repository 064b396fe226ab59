/* keytag.h - which part of a key is hashed. Pure. */
#pragma once
#include "common/core/span.h"

struct keytag {
    struct span strip_prefix; /* taken off the front before hashing (client-side namespace) */
    char open, close;         /* twemproxy's hash_tag, e.g. '{' and '}'; 0: none */
    struct span stop;         /* hash only what stands before this, e.g. "|#|"; empty: none */
};

struct span keytag_cut(const struct keytag *tag, struct span key);

static inline bool
keytag_is_whole(const struct keytag *tag)
{
    return tag->strip_prefix.len == 0 && tag->open == '\0' && tag->stop.len == 0;
}

/* The part of `key` to hash: never empty unless the key is. The wire key is
 * untouched. Most pools hash keys as they are. */
static inline struct span
keytag_part(const struct keytag *tag, struct span key)
{
    return keytag_is_whole(tag) ? key : keytag_cut(tag, key);
}
