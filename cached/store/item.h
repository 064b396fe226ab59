/* item.h - what one key and its value look like in memory: one allocation, a
 * header and then the bytes
 *
 *     | header | key | value | CRLF |
 *
 * Who may touch what: `refs` any thread; key and value bytes whoever holds a
 * reference may read, and the only holder may write; everything else under the
 * lock of the item's shard (before it is linked: its maker).
 *
 * The hash table owns one reference to every linked item. References are taken
 * under the shard's lock only, so whoever holds that lock and sees refs == 1
 * knows that nobody reads the value and nobody will begin to. */
#pragma once
#include "cached/store/store.h"
#include "common/core/list.h"

#include <stdatomic.h>

enum item_mark {
    ITEM_LINKED = 1,
    ITEM_FETCHED = 2,
    ITEM_STALE = 4,
    ITEM_TOKEN_TAKEN = 8,
    ITEM_BINARY_KEY = 16,
};

#define ITEM_USES_MAX 3 /* what the two-bit clock remembers */

struct store_item {
    struct store_item *next; /* in the bucket */
    struct list queue;       /* in the shard's clock */
    uint64_t hash;
    uint64_t cas;
    uint64_t expiry_ms;
    uint64_t accessed_ms;
    uint64_t flags;
    _Atomic uint32_t refs;
    uint32_t value_bytes;
    uint32_t generation; /* of the store when it was linked: older ones are flushed */
    uint32_t footprint;  /* memory that the allocation really takes */
    uint8_t key_bytes;
    uint8_t marks;
    uint8_t uses;
    char bytes[];
};

static inline struct span
item_key(const struct store_item *it)
{
    return span_make(it->bytes, it->key_bytes);
}

static inline char *
item_value(struct store_item *it)
{
    return it->bytes + it->key_bytes;
}

/* What the allocation must hold: never less than the struct with its padding,
 * which is assigned as a whole. */
static inline size_t
item_bytes_for(size_t key_bytes, uint64_t value_bytes)
{
    size_t bytes =
        offsetof(struct store_item, bytes) + key_bytes + value_bytes + STORE_TRAILER_BYTES;
    return bytes > sizeof(struct store_item) ? bytes : sizeof(struct store_item);
}

static inline void
item_ref(struct store_item *it)
{
    atomic_fetch_add_explicit(&it->refs, 1, memory_order_relaxed);
}

/* True for the last holder, who must free it. Release and acquire order every
 * holder's reads before the free or an in-place write. */
static inline bool
item_unref(struct store_item *it)
{
    return atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) == 1;
}

/* Under the shard's lock: nobody but the table refers to it. */
static inline bool
item_unshared(const struct store_item *it)
{
    return atomic_load_explicit(&it->refs, memory_order_acquire) == 1;
}

/* Shows the item in a view, reference not included. */
void item_show(struct store_item *it, struct store_view *view);

/* Puts the CRLF behind the value. */
void item_seal(struct store_item *it);

/* Parses the value as memcached does: blanks, digits, then the end or a blank. */
bool item_number(struct store_item *it, uint64_t *out);
