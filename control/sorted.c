#include "control/sorted.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define FIRST_CAP 16

void
sorted_deinit(struct sorted *s)
{
    free(s->items);
    *s = SORTED_EMPTY;
}

static struct span
name_at(const struct sorted *s, unsigned i)
{
    return span_cstr(*(char *const *)s->items[i]);
}

static int
compare(struct span a, struct span b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where `name` is, or where it would have to be inserted. */
static unsigned
position(const struct sorted *s, struct span name)
{
    unsigned low = 0, high = s->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (compare(name_at(s, middle), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
is_at(const struct sorted *s, unsigned i, struct span name)
{
    return i < s->count && span_eq(name_at(s, i), name);
}

void *
sorted_find(const struct sorted *s, struct span name)
{
    unsigned i = position(s, name);
    return is_at(s, i, name) ? s->items[i] : NULL;
}

void
sorted_insert(struct sorted *s, void *item)
{
    struct span name = span_cstr(*(char **)item);
    unsigned at = position(s, name);
    ASSERT(!is_at(s, at, name));
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : FIRST_CAP;
        s->items = mem_realloc(s->items, s->cap * sizeof(*s->items));
    }
    memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof(*s->items));
    s->items[at] = item;
    s->count++;
}

void *
sorted_remove(struct sorted *s, struct span name)
{
    unsigned at = position(s, name);
    if (!is_at(s, at, name)) {
        return NULL;
    }
    void *item = s->items[at];
    s->count--;
    memmove(s->items + at, s->items + at + 1, (s->count - at) * sizeof(*s->items));
    return item;
}
