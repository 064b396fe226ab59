#include "cached/store/assoc.h"
#include "common/core/assert.h"

#include <stdlib.h>

/* Two splits for every insertion: growth ends long before the bigger table is
 * crowded itself. */
#define SPLITS_PER_STEP 2

bool
assoc_init(struct assoc *a, unsigned bits)
{
    *a = (struct assoc){.bits = bits};
    a->slots = calloc((size_t)1 << bits, sizeof(a->slots[0]));
    return a->slots != NULL;
}

void
assoc_deinit(struct assoc *a)
{
    free(a->slots);
    free(a->old_slots);
    *a = (struct assoc){0};
}

struct store_item *
assoc_find(const struct assoc *a, const struct store_key *key)
{
    for (struct store_item *it = *assoc_bucket(a, key->hash); it != NULL; it = it->next) {
        if (it->hash == key->hash && span_eq(item_key(it), key->key)) {
            return it;
        }
    }
    return NULL;
}

void
assoc_insert(struct assoc *a, struct store_item *it)
{
    struct store_item **bucket = assoc_bucket(a, it->hash);
    it->next = *bucket;
    *bucket = it;
    a->count++;
}

void
assoc_remove(struct assoc *a, struct store_item *it)
{
    struct store_item **link = assoc_bucket(a, it->hash);
    while (*link != it) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = it->next;
    a->count--;
}

bool
assoc_crowded(const struct assoc *a)
{
    return a->old_slots == NULL && a->count > ((size_t)3 << a->bits) / 2 &&
           a->bits < ASSOC_BITS_MAX;
}

void
assoc_begin_growth(struct assoc *a, struct store_item **slots)
{
    ASSERT(a->old_slots == NULL);
    a->old_slots = a->slots;
    a->old_bits = a->bits;
    a->moved = 0;
    a->slots = slots;
    a->bits++;
}

static void
split_bucket(struct assoc *a)
{
    struct store_item *it = a->old_slots[a->moved];
    while (it != NULL) {
        struct store_item *next = it->next;
        struct store_item **bucket = &a->slots[it->hash >> (64 - a->bits)];
        it->next = *bucket;
        *bucket = it;
        it = next;
    }
    a->moved++;
}

struct store_item **
assoc_grow_step(struct assoc *a)
{
    if (a->old_slots == NULL) {
        return NULL;
    }
    size_t end = (size_t)1 << a->old_bits;
    for (int i = 0; i < SPLITS_PER_STEP && a->moved < end; i++) {
        split_bucket(a);
    }
    if (a->moved < end) {
        return NULL;
    }
    struct store_item **emptied = a->old_slots;
    a->old_slots = NULL;
    return emptied;
}

struct store_item *
assoc_at(const struct assoc *a, uint64_t position, uint64_t *next)
{
    bool in_old = a->old_slots != NULL && (position >> (64 - a->old_bits)) >= a->moved;
    unsigned bits = in_old ? a->old_bits : a->bits;
    uint64_t index = position >> (64 - bits);
    *next = (index + 1) << (64 - bits); /* wraps to 0 after the last */
    return in_old ? a->old_slots[index] : a->slots[index];
}
