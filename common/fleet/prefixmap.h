/* prefixmap.h - the longest of many prefixes with which a key begins.
 *
 * The prefixes stand sorted, each with a link to the longest one that it begins
 * with itself. Whatever prefix a key has, every string between the two in this
 * order begins with it; so the last entry that is not above the key either is
 * the answer or leads to it by its links. That is one binary search and, unless
 * prefixes lie within prefixes, one comparison more.
 *
 * Pure. Filled and sealed by one thread, then read by any. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

struct prefixmap_entry {
    char *prefix; /* any bytes */
    size_t bytes;
    unsigned value;
    unsigned up; /* the longest entry that this one begins with, plus one; or 0 */
};

struct prefixmap {
    struct prefixmap_entry *entries;
    unsigned count, room;
};

#define PREFIXMAP_EMPTY ((struct prefixmap){0})

void prefixmap_deinit(struct prefixmap *map);

/* Copies the prefix. Not after the map was sealed. */
void prefixmap_add(struct prefixmap *map, struct span prefix, unsigned value);

/* Makes it ready for prefixmap_find(). No two prefixes may be equal. */
void prefixmap_seal(struct prefixmap *map);

/* The longest prefix of `key`; NULL if there is none. */
const struct prefixmap_entry *prefixmap_longest(const struct prefixmap *map, struct span key);

/* Its value, or `fallback`. */
unsigned prefixmap_find(const struct prefixmap *map, struct span key, unsigned fallback);
