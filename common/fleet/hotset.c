#include "common/fleet/hotset.h"

#include <stdlib.h>

void
hotset_deinit(struct hotset *h)
{
    prefixmap_deinit(&h->keys);
    prefixmap_deinit(&h->prefixes);
}

static int
compare_texts(const void *a, const void *b)
{
    const struct prefixmap_entry *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes > y->bytes) - (x->bytes < y->bytes)
                                : memcmp(x->prefix, y->prefix, x->bytes);
}

static bool
has_equal(struct prefixmap *map)
{
    if (map->count > 0) {
        qsort(map->entries, map->count, sizeof(*map->entries), compare_texts);
    }
    for (unsigned i = 1; i < map->count; i++) {
        if (compare_texts(&map->entries[i - 1], &map->entries[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool
hotset_seal(struct hotset *h)
{
    if (has_equal(&h->keys) || has_equal(&h->prefixes)) {
        return false;
    }
    prefixmap_seal(&h->keys);
    prefixmap_seal(&h->prefixes);
    return true;
}
