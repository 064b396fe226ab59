/* item.h - what one key and its value look like in memory
 *
 *     | header, 10 | expiry 6? | length 2? | wide 6? | flags 2? | key | value | CRLF? |
 *
 * The fields with a question mark are there only if the item needs them, which
 * its marks say. Flags of more than 16 bits, values of 16 MB and CAS values that
 * do not fit otherwise make it ITEM_WIDE: then all its fields have full width.
 * Items stand at even addresses, so longer fields are kept in halves of 16 bits.
 *
 * What would be nearly the same in all items of a segment is kept once for it,
 * in its struct item_base: the generation, and the points in time from which CAS
 * values and access times are counted. So most functions need both.
 *
 * Who may touch what. Key, value, sizes and the marks that describe the layout
 * are written before the item is linked and never again, and so is the base.
 * The other fields are changed under the lock of the item's shard, and read with
 * or without it (see shard.h for how a reader knows that halves belong
 * together). Heat and access time are hints that anybody who sees the item may
 * write; a lost update there is a hit that was not counted. */
#pragma once
#include "cached/store/heat.h"
#include "cached/store/store.h"
#include "common/core/copy.h"

#include <stdatomic.h>

enum item_mark {
    ITEM_LINKED = 1,      /* is in the table */
    ITEM_STALE = 2,       /* marked by a delete; without ITEM_LINKED: dead */
    ITEM_TOKEN_TAKEN = 4, /* somebody refills it */
    ITEM_BINARY_KEY = 8,
    ITEM_HAS_EXPIRY = 16,
    ITEM_HAS_FLAGS = 32,
    ITEM_LONG_VALUE = 64, /* 256 bytes and more */
    ITEM_WIDE = 128,
};

#define ITEM_LAYOUT       (ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS | ITEM_LONG_VALUE | ITEM_WIDE)
#define ITEM_ALIGNMENT    2
#define ITEM_NARROW_FLAGS UINT16_MAX
#define ITEM_NARROW_VALUE 0xffffffu
#define ITEM_EXPIRY_MAX   ((UINT64_C(1) << 48) - 1) /* ms: 8,900 years */

/* A narrow item's CAS value is so many units above its base's. Units and range
 * are in lookup.c's clock: 64 values to a millisecond, and 18 hours. */
#define ITEM_CAS_UNIT_BITS 14
#define ITEM_CAS_RANGE     (UINT64_C(1) << (32 + ITEM_CAS_UNIT_BITS))

/* A narrow item's access time is exact to a second if it is not before its base
 * and less than this after it. What is longer ago when the base is made is kept
 * to a 512th of how long. */
#define ITEM_ACCESS_RANGE_S 53248u

struct item_base {
    uint64_t cas_from;
    uint32_t opened_s;   /* of the caller's clock */
    uint32_t generation; /* of the store when the segment was opened: others are flushed */
};

struct store_item {
    _Atomic uint8_t marks;
    _Atomic uint8_t heat;
    _Atomic uint16_t accessed;
    _Atomic uint16_t cas[2]; /* low half first, here and below */
    uint8_t key_bytes;
    uint8_t value_low; /* of its length */
    _Atomic uint16_t fields[];
};

/* --- layout ------------------------------------------------------------------ */

/* Bytes before the key, by layout. */
#define ITEM_HEADER_ROW(wide, long_value, flags)                                                   \
    10 + (wide) + (long_value) + (flags), 16 + (wide) + (long_value) + (flags)
static const uint8_t item_headers[16] = {
    ITEM_HEADER_ROW(0, 0, 0), ITEM_HEADER_ROW(0, 0, 2), ITEM_HEADER_ROW(0, 2, 0),
    ITEM_HEADER_ROW(0, 2, 2), ITEM_HEADER_ROW(6, 0, 0), ITEM_HEADER_ROW(6, 0, 8),
    ITEM_HEADER_ROW(6, 4, 0), ITEM_HEADER_ROW(6, 4, 8),
};
_Static_assert(sizeof(struct item_base) == 16, "an image of segments has no padding");
_Static_assert(sizeof(struct store_item) == 10, "as the table has it");
_Static_assert(_Alignof(struct store_item) == ITEM_ALIGNMENT, "as segments place them");

static inline size_t
item_header_bytes(unsigned marks)
{
    return item_headers[marks >> 4];
}

static inline size_t
item_trailer_bytes(uint64_t value_bytes)
{
    return value_bytes >= STORE_TRAILED_FROM ? STORE_TRAILER_BYTES : 0;
}

static inline size_t
item_bytes_for(unsigned layout, size_t key_bytes, uint64_t value_bytes)
{
    return item_header_bytes(layout) + key_bytes + value_bytes + item_trailer_bytes(value_bytes);
}

/* The layout that these values need. */
static inline unsigned
item_layout_for(uint64_t flags, uint64_t expiry_ms, uint64_t value_bytes)
{
    bool wide = (flags > ITEM_NARROW_FLAGS) | (value_bytes > ITEM_NARROW_VALUE);
    return (expiry_ms != 0) * ITEM_HAS_EXPIRY | (flags != 0) * ITEM_HAS_FLAGS |
           (value_bytes > UINT8_MAX) * ITEM_LONG_VALUE | wide * ITEM_WIDE;
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

/* Was it taken out of the table, or will it never be put in? */
static inline bool
item_buried(const struct store_item *it)
{
    return (item_marks(it) & (ITEM_LINKED | ITEM_STALE)) == ITEM_STALE;
}

static inline struct span
item_key(const struct store_item *it)
{
    return span_make((const char *)it + item_header_bytes(item_marks(it)), it->key_bytes);
}

static inline bool
item_has_key(const struct store_item *it, struct span key)
{
    struct span own = item_key(it);
    return own.len == key.len && bytes_equal(own.ptr, key.ptr, key.len);
}

static inline char *
item_value(struct store_item *it)
{
    return (char *)it + item_header_bytes(item_marks(it)) + it->key_bytes;
}

/* Functions whose names end in `_of` are told the marks by who has looked already. */
static inline uint64_t
item_half(const _Atomic uint16_t *half)
{
    return atomic_load_explicit(half, memory_order_acquire);
}

static inline void
item_set_half(_Atomic uint16_t *half, uint64_t n)
{
    atomic_store_explicit(half, (uint16_t)n, memory_order_release);
}

static inline uint64_t
item_value_bytes_of(const struct store_item *it, unsigned marks)
{
    uint64_t n = it->value_low;
    if (marks & ITEM_LONG_VALUE) {
        const _Atomic uint16_t *at = it->fields + (marks & ITEM_HAS_EXPIRY ? 3 : 0);
        n |= item_half(at) << 8;
        n |= marks & ITEM_WIDE ? item_half(at + 1) << 24 : 0;
    }
    return n;
}

static inline uint64_t
item_value_bytes(const struct store_item *it)
{
    return item_value_bytes_of(it, item_marks(it));
}

static inline size_t
item_bytes(const struct store_item *it)
{
    unsigned marks = item_marks(it);
    return item_bytes_for(marks, it->key_bytes, item_value_bytes_of(it, marks));
}

/* --- what changes ------------------------------------------------------------ */

bool item_fetched(const struct store_item *it);

static inline uint64_t
item_expiry_ms_of(const struct store_item *it, unsigned marks)
{
    const _Atomic uint16_t *at = it->fields;
    return marks & ITEM_HAS_EXPIRY
               ? item_half(at) | item_half(at + 1) << 16 | item_half(at + 2) << 32
               : 0;
}

static inline uint64_t
item_expiry_ms(const struct store_item *it)
{
    return item_expiry_ms_of(it, item_marks(it));
}

static inline bool
item_can_expire(const struct store_item *it, uint64_t expiry_ms)
{
    return expiry_ms == 0 || (item_marks(it) & ITEM_HAS_EXPIRY);
}

/* Under the lock. False if the item has no place for it. */
bool item_set_expiry_ms(struct store_item *it, uint64_t expiry_ms);

/* Behind the expiry and the length: upper halves of CAS value and access time. */
static inline _Atomic uint16_t *
item_wide_fields(const struct store_item *it)
{
    unsigned marks = item_marks(it);
    return (_Atomic uint16_t *)it->fields + (marks & ITEM_HAS_EXPIRY ? 3 : 0) +
           (marks & ITEM_LONG_VALUE ? 2 : 0);
}

static inline uint64_t
item_cas_of(const struct store_item *it, unsigned marks, const struct item_base *base)
{
    uint64_t low = item_half(&it->cas[0]) | item_half(&it->cas[1]) << 16;
    if (__builtin_expect(marks & ITEM_WIDE, 0)) {
        const _Atomic uint16_t *at = item_wide_fields(it);
        return low | item_half(at) << 32 | item_half(at + 1) << 48;
    }
    return base->cas_from + (low << ITEM_CAS_UNIT_BITS);
}

static inline uint64_t
item_cas(const struct store_item *it, const struct item_base *base)
{
    return item_cas_of(it, item_marks(it), base);
}

/* Under the lock. False if the item has no place for it. */
bool item_set_cas(struct store_item *it, const struct item_base *base, uint64_t cas);

/* Has a narrow item a place for it? */
static inline bool
item_cas_is_near(const struct item_base *base, uint64_t cas)
{
    uint64_t above = cas - base->cas_from;
    return above < ITEM_CAS_RANGE && above % (1u << ITEM_CAS_UNIT_BITS) == 0;
}

/* The same for an item that is narrow. */
static inline bool
item_set_near_cas(struct store_item *it, const struct item_base *base, uint64_t cas)
{
    if (!item_cas_is_near(base, cas)) {
        return false;
    }
    uint64_t low = (cas - base->cas_from) >> ITEM_CAS_UNIT_BITS;
    item_set_half(&it->cas[0], low);
    item_set_half(&it->cas[1], low >> 16);
    return true;
}

/* The last ones before the key. */
static inline _Atomic uint16_t *
item_flag_fields(const struct store_item *it, unsigned marks)
{
    size_t at = item_header_bytes(marks) - (marks & ITEM_WIDE ? 8 : 2);
    return (_Atomic uint16_t *)((uintptr_t)it + at);
}

static inline uint64_t
item_flags_of(const struct store_item *it, unsigned marks)
{
    if (!(marks & ITEM_HAS_FLAGS)) {
        return 0;
    }
    const _Atomic uint16_t *at = item_flag_fields(it, marks);
    if (!(marks & ITEM_WIDE)) {
        return item_half(at);
    }
    return item_half(at) | item_half(at + 1) << 16 | item_half(at + 2) << 32 |
           item_half(at + 3) << 48;
}

static inline uint64_t
item_flags(const struct store_item *it)
{
    return item_flags_of(it, item_marks(it));
}

/* The maker, before linking; the layout has place for them. */
void item_set_flags(struct store_item *it, uint64_t flags);

/* A new item of that layout, everything but the value and the CAS value filled
 * in. */
void item_init(struct store_item *it, const struct item_base *base, struct span key,
               uint64_t value_bytes, unsigned layout, uint64_t now_ms);

/* The same for one that is narrow, with its value and all else that is known of it
 * by who has that at hand; `accessed_s`: since its base. */
static inline __attribute__((always_inline)) void
item_make(struct store_item *it, unsigned layout, struct span key, struct span value,
          uint64_t flags, uint64_t expiry_ms, uint32_t accessed_s)
{
    atomic_store_explicit(&it->marks, (uint8_t)layout, memory_order_relaxed);
    atomic_store_explicit(&it->heat, HEAT_HIT, memory_order_relaxed);
    atomic_store_explicit(&it->accessed, (uint16_t)accessed_s, memory_order_relaxed);
    it->key_bytes = (uint8_t)key.len;
    it->value_low = (uint8_t)value.len;
    _Atomic uint16_t *field = it->fields;
    if (layout & ITEM_HAS_EXPIRY) {
        uint64_t ms = expiry_ms < ITEM_EXPIRY_MAX ? expiry_ms : ITEM_EXPIRY_MAX;
        item_set_half(field++, ms);
        item_set_half(field++, ms >> 16);
        item_set_half(field++, ms >> 32);
    }
    if (layout & ITEM_LONG_VALUE) {
        item_set_half(field++, value.len >> 8);
    }
    if (layout & ITEM_HAS_FLAGS) {
        item_set_half(field++, flags);
    }
    char *p = copy_key((char *)field, key.ptr, key.len);
    p = copy_bytes(p, value.ptr, value.len);
    if (item_trailer_bytes(value.len) > 0) {
        memcpy(p, "\r\n", STORE_TRAILER_BYTES);
    }
}

/* Makes `to` say what `from` says, in the layout that `to` was made with. False
 * if that has no place for something. */
bool item_copy(struct store_item *to, const struct item_base *to_base, struct store_item *from,
               const struct item_base *from_base);

/* Shows the item in a view, reference not included. */
void item_show(struct store_item *it, const struct item_base *base, uint64_t now_ms,
               struct store_view *view);

/* Hints are written only if they change, so that the hottest items are not
 * fought for. */
static inline void
item_put_hint(_Atomic uint16_t *half, uint16_t n)
{
    if (atomic_load_explicit(half, memory_order_relaxed) != n) {
        atomic_store_explicit(half, n, memory_order_relaxed);
    }
}

void item_set_accessed(struct store_item *it, const struct item_base *base, uint32_t s);

static inline void
item_note_access(struct store_item *it, unsigned marks, const struct item_base *base,
                 uint64_t now_ms)
{
    uint32_t now_s = (uint32_t)(now_ms / 1000), after_s = now_s - base->opened_s;
    if (__builtin_expect(after_s < ITEM_ACCESS_RANGE_S && !(marks & ITEM_WIDE), 1)) {
        item_put_hint(&it->accessed, (uint16_t)after_s);
    } else {
        item_set_accessed(it, base, now_s);
    }
}

/* Somebody wanted the item, though not to read it; or read it. */
void item_use(struct store_item *it, const struct item_base *base, uint64_t now_ms);

static inline void
item_bump_of(struct store_item *it, unsigned marks, const struct item_base *base, uint64_t now_ms)
{
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    if (heat != (HEAT_FETCHED | HEAT_CREDIT)) { /* it could be hotter */
        atomic_store_explicit(&it->heat, heat_hit(heat), memory_order_relaxed);
    }
    item_note_access(it, marks, base, now_ms);
}

static inline void
item_bump(struct store_item *it, const struct item_base *base, uint64_t now_ms)
{
    item_bump_of(it, item_marks(it), base, now_ms);
}

/* Puts the CRLF behind a value that is long enough for one. */
void item_seal(struct store_item *it);

/* Differs between builds that would read each other's items wrongly. */
uint32_t item_layout_number(void);

/* Parses the value as memcached does: blanks, maybe a plus, digits, then the end, a
 * blank or the NUL of a C client's string. */
bool item_number(struct store_item *it, uint64_t *out);
