/* item.h - what one key and its value look like in memory
 *
 *     | header, 20 bytes | key | value | CRLF? | pad | expiry 8? | flags 4 or 8? |
 *
 * Expiry and flags are there only if they are not zero; the marks say so.
 * Everything is aligned to 4 bytes, so 8-byte fields are kept as two halves.
 *
 * Who may touch what. Key, value, sizes and the marks that describe the layout
 * are written before the item is linked and never again. The other fields are
 * changed under the lock of the item's shard, and read with or without it (see
 * shard.h for how a reader knows that fields belong together). `heat` and
 * `accessed` are hints that anybody who sees the item may write; a lost update
 * there is a hit that was not counted. */
#pragma once
#include "cached/store/heat.h"
#include "cached/store/store.h"

#include <stdatomic.h>

enum item_mark {
    ITEM_LINKED = 1,      /* was put into the table */
    ITEM_DEAD = 2,        /* and taken out, or never will be put in */
    ITEM_STALE = 4,       /* marked by a delete */
    ITEM_TOKEN_TAKEN = 8, /* somebody refills it */
    ITEM_BINARY_KEY = 16,
    ITEM_HAS_EXPIRY = 32,
    ITEM_HAS_FLAGS = 64,  /* 4 bytes, */
    ITEM_LONG_FLAGS = 128 /* or with this 8 */
};

#define ITEM_LAYOUT  (ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS | ITEM_LONG_FLAGS)
#define ITEM_TICK_MS 100 /* access times are kept to */

struct store_item {
    _Atomic uint32_t cas[2]; /* low half first */
    _Atomic uint32_t accessed;
    uint32_t value_bytes;
    uint8_t key_bytes;
    uint8_t generation; /* of the store when it was linked: others are flushed */
    _Atomic uint8_t heat;
    _Atomic uint8_t marks;
    char bytes[];
};

#define ITEM_ALIGNED(n) (((n) + 3) & ~(size_t)3)

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

static inline unsigned
item_marks(const struct store_item *it)
{
    return atomic_load_explicit(&it->marks, memory_order_acquire);
}

/* Under the lock, or the item's maker. */
static inline void
item_mark(struct store_item *it, unsigned set, unsigned clear)
{
    unsigned marks = atomic_load_explicit(&it->marks, memory_order_relaxed);
    atomic_store_explicit(&it->marks, (uint8_t)((marks & ~clear) | set), memory_order_release);
}

/* The two halves of a 64-bit field. */
static inline uint64_t
item_load64(const _Atomic uint32_t *half)
{
    uint64_t low = atomic_load_explicit(&half[0], memory_order_acquire);
    return low | (uint64_t)atomic_load_explicit(&half[1], memory_order_acquire) << 32;
}

static inline void
item_store64(_Atomic uint32_t *half, uint64_t n)
{
    atomic_store_explicit(&half[0], (uint32_t)n, memory_order_release);
    atomic_store_explicit(&half[1], (uint32_t)(n >> 32), memory_order_release);
}

static inline size_t
item_trailer_bytes(uint64_t value_bytes)
{
    return value_bytes >= STORE_TRAILED_FROM ? STORE_TRAILER_BYTES : 0;
}

/* Bytes up to the optional fields. */
static inline size_t
item_body_bytes(size_t key_bytes, uint64_t value_bytes)
{
    return ITEM_ALIGNED(sizeof(struct store_item) + key_bytes + value_bytes +
                        item_trailer_bytes(value_bytes));
}

static inline size_t
item_fields_bytes(unsigned marks)
{
    size_t flags = marks & ITEM_LONG_FLAGS ? 8 : marks & ITEM_HAS_FLAGS ? 4 : 0;
    return (marks & ITEM_HAS_EXPIRY ? 8 : 0) + flags;
}

static inline size_t
item_bytes(const struct store_item *it)
{
    return item_body_bytes(it->key_bytes, it->value_bytes) + item_fields_bytes(item_marks(it));
}

static inline _Atomic uint32_t *
item_fields(const struct store_item *it)
{
    return (_Atomic uint32_t *)(void *)((char *)it +
                                        item_body_bytes(it->key_bytes, it->value_bytes));
}

bool item_fetched(const struct store_item *it);

static inline uint64_t
item_cas(const struct store_item *it)
{
    return item_load64(it->cas);
}

static inline uint64_t
item_expiry_ms(const struct store_item *it)
{
    return item_marks(it) & ITEM_HAS_EXPIRY ? item_load64(item_fields(it)) : 0;
}

static inline bool
item_can_expire(const struct store_item *it, uint64_t expiry_ms)
{
    return expiry_ms == 0 || (item_marks(it) & ITEM_HAS_EXPIRY);
}

/* Under the lock. False if the item has no place for it. */
static inline bool
item_set_expiry_ms(struct store_item *it, uint64_t expiry_ms)
{
    if (!(item_marks(it) & ITEM_HAS_EXPIRY)) {
        return expiry_ms == 0;
    }
    item_store64(item_fields(it), expiry_ms);
    return true;
}

static inline uint64_t
item_flags(const struct store_item *it)
{
    unsigned marks = item_marks(it);
    if ((marks & (ITEM_HAS_FLAGS | ITEM_LONG_FLAGS)) == 0) { /* most have none */
        return 0;
    }
    const _Atomic uint32_t *at = item_fields(it) + (marks & ITEM_HAS_EXPIRY ? 2 : 0);
    return marks & ITEM_LONG_FLAGS ? item_load64(at)
                                   : atomic_load_explicit(at, memory_order_acquire);
}

/* The maker, before linking; the layout has place for them. */
void item_set_flags(struct store_item *it, uint64_t flags);

/* The layout that these values need. */
static inline unsigned
item_layout_for(uint64_t flags, uint64_t expiry_ms)
{
    return (expiry_ms != 0 ? ITEM_HAS_EXPIRY : 0) | (flags > UINT32_MAX ? ITEM_LONG_FLAGS
                                                     : flags != 0       ? ITEM_HAS_FLAGS
                                                                        : 0);
}

/* A new item of that layout, everything but the value filled in. */
void item_init(struct store_item *it, struct span key, uint64_t value_bytes, unsigned layout,
               uint64_t now_ms);

/* Makes `to` say what `from` says, in the layout that `to` was made with, which
 * must have place for it. */
void item_copy(struct store_item *to, struct store_item *from);

/* Shows the item in a view, reference not included. */
void item_show(struct store_item *it, uint64_t now_ms, struct store_view *view);

static inline uint32_t
item_ticks(uint64_t now_ms)
{
    return (uint32_t)(now_ms / ITEM_TICK_MS);
}

/* Written only if they change, so that the hottest items are not fought for. */
static inline void
item_warm(struct store_item *it, uint8_t heat, uint8_t hotter, uint64_t now_ms)
{
    if (hotter != heat) {
        atomic_store_explicit(&it->heat, hotter, memory_order_relaxed);
    }
    uint32_t now = item_ticks(now_ms);
    if (atomic_load_explicit(&it->accessed, memory_order_relaxed) != now) {
        atomic_store_explicit(&it->accessed, now, memory_order_relaxed);
    }
}

/* Somebody wanted the item, though not to read it; or read it. */
void item_use(struct store_item *it, uint64_t now_ms);

static inline void
item_bump(struct store_item *it, uint64_t now_ms)
{
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    item_warm(it, heat, heat_hit(heat), now_ms);
}

/* Puts the CRLF behind a value that is long enough for one. */
void item_seal(struct store_item *it);

/* Differs between builds that would read each other's items wrongly. */
uint32_t item_layout_number(void);

/* Parses the value as memcached does: blanks, digits, then the end or a blank. */
bool item_number(struct store_item *it, uint64_t *out);
