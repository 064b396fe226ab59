/* hotset.h - which keys of a pool are known to be hot: whole keys, and prefixes
 * of keys, as the routing table lists them. Pure.
 *
 * Filled and sealed by one thread, then read by any. */
#pragma once
#include "common/fleet/prefixmap.h"

#include <stdbool.h>

#define HOTSET_MAX 1000 /* keys, and as many prefixes */

struct hotset {
    struct prefixmap keys; /* the value of each is its length */
    struct prefixmap prefixes;
};

void hotset_deinit(struct hotset *h);

static inline void
hotset_add_key(struct hotset *h, struct span key)
{
    prefixmap_add(&h->keys, key, (unsigned)key.len);
}
static inline void
hotset_add_prefix(struct hotset *h, struct span prefix)
{
    prefixmap_add(&h->prefixes, prefix, 1);
}

/* Behind the last. False, and nothing may be asked, if one is listed twice. */
bool hotset_seal(struct hotset *h);

/* A key that is listed is the longest of its own prefixes. */
static inline bool
hotset_has(const struct hotset *h, struct span key)
{
    return prefixmap_find(&h->prefixes, key, 0) != 0 ||
           prefixmap_find(&h->keys, key, 0) == key.len;
}
