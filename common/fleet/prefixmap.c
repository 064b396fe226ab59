#include "common/fleet/prefixmap.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

void
prefixmap_deinit(struct prefixmap *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        free(map->entries[i].prefix);
    }
    free(map->entries);
    *map = PREFIXMAP_EMPTY;
}

void
prefixmap_add(struct prefixmap *map, struct span prefix, unsigned value)
{
    if (map->count == map->room) {
        map->room = map->room > 0 ? map->room * 2 : 8;
        map->entries = mem_realloc(map->entries, map->room * sizeof(*map->entries));
    }
    map->entries[map->count++] = (struct prefixmap_entry){
        .prefix = mem_strndup(prefix.ptr, prefix.len),
        .bytes = prefix.len,
        .value = value,
    };
}

static int
compare(struct span a, struct span b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct span
text_of(const struct prefixmap_entry *e)
{
    return span_make(e->prefix, e->bytes);
}

static int
compare_entries(const void *a, const void *b)
{
    return compare(text_of(a), text_of(b));
}

/* The entry before this one begins with whatever this one does, so its links
 * lead there. */
static void
link_up(struct prefixmap *map, unsigned i)
{
    struct span text = text_of(&map->entries[i]);
    unsigned up = i;
    while (up > 0 && !span_starts_with(text, text_of(&map->entries[up - 1]))) {
        up = map->entries[up - 1].up;
    }
    map->entries[i].up = up;
}

void
prefixmap_seal(struct prefixmap *map)
{
    if (map->count > 0) {
        qsort(map->entries, map->count, sizeof(*map->entries), compare_entries);
    }
    for (unsigned i = 0; i < map->count; i++) {
        ASSERT(i == 0 || compare_entries(&map->entries[i - 1], &map->entries[i]) != 0);
        link_up(map, i);
    }
}

/* How many entries are not above the key. */
static unsigned
upper_bound(const struct prefixmap *map, struct span key)
{
    unsigned low = 0, high = map->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (compare(text_of(&map->entries[middle]), key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct prefixmap_entry *
prefixmap_longest(const struct prefixmap *map, struct span key)
{
    unsigned at = upper_bound(map, key);
    while (at > 0 && !span_starts_with(key, text_of(&map->entries[at - 1]))) {
        at = map->entries[at - 1].up;
    }
    return at > 0 ? &map->entries[at - 1] : NULL;
}

unsigned
prefixmap_find(const struct prefixmap *map, struct span key, unsigned fallback)
{
    const struct prefixmap_entry *found = prefixmap_longest(map, key);
    return found != NULL ? found->value : fallback;
}
