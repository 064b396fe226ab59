#include "cached/store/item.h"
#include "common/core/assert.h"

void
item_set_flags(struct store_item *it, uint64_t flags)
{
    unsigned marks = item_marks(it);
    _Atomic uint32_t *at = item_fields(it) + (marks & ITEM_HAS_EXPIRY ? 2 : 0);
    if (marks & ITEM_LONG_FLAGS) {
        item_store64(at, flags);
    } else if (marks & ITEM_HAS_FLAGS) {
        ASSERT(flags <= UINT32_MAX);
        atomic_store_explicit(at, (uint32_t)flags, memory_order_release);
    } else {
        ASSERT(flags == 0);
    }
}

void
item_init(struct store_item *it, struct span key, uint64_t value_bytes, unsigned layout,
          uint64_t now_ms)
{
    it->value_bytes = (uint32_t)value_bytes;
    it->key_bytes = (uint8_t)key.len;
    it->generation = 0;
    atomic_store_explicit(&it->heat, HEAT_HIT, memory_order_relaxed);
    atomic_store_explicit(&it->accessed, item_ticks(now_ms), memory_order_relaxed);
    atomic_store_explicit(&it->marks, (uint8_t)layout, memory_order_relaxed);
    item_store64(it->cas, 0);
    memcpy(it->bytes, key.ptr, key.len);
    item_seal(it);
    item_set_expiry_ms(it, 0);
    item_set_flags(it, 0);
}

void
item_copy(struct store_item *to, struct store_item *from)
{
    to->generation = from->generation;
    memcpy(item_value(to), item_value(from), from->value_bytes);
    item_seal(to);
    item_store64(to->cas, item_cas(from));
    atomic_store_explicit(&to->heat, atomic_load_explicit(&from->heat, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&to->accessed,
                          atomic_load_explicit(&from->accessed, memory_order_relaxed),
                          memory_order_relaxed);
    bool placed = item_set_expiry_ms(to, item_expiry_ms(from));
    ASSERT(placed);
    item_set_flags(to, item_flags(from));
    item_mark(to, item_marks(from) & (ITEM_STALE | ITEM_TOKEN_TAKEN | ITEM_BINARY_KEY), 0);
}

bool
item_fetched(const struct store_item *it)
{
    return atomic_load_explicit(&it->heat, memory_order_relaxed) & HEAT_FETCHED;
}

/* Ticks have 32 bits, so the age is exact for what was used in the last 13
 * years. */
static uint64_t
accessed_ms(const struct store_item *it, uint64_t now_ms)
{
    uint32_t then = atomic_load_explicit(&it->accessed, memory_order_relaxed);
    uint64_t now_ticks = now_ms / ITEM_TICK_MS;
    uint32_t age = (uint32_t)now_ticks - then;
    return age <= now_ticks ? (now_ticks - age) * ITEM_TICK_MS : now_ms;
}

void
item_show(struct store_item *it, uint64_t now_ms, struct store_view *view)
{
    unsigned marks = item_marks(it);
    uint64_t expiry_ms = item_expiry_ms(it);
    *view = (struct store_view){
        .item = it,
        .key = item_key(it),
        .value = span_make(item_value(it), it->value_bytes),
        .flags = item_flags(it),
        .cas = item_cas(it),
        .expiry_ms = expiry_ms,
        .expiry_before_ms = expiry_ms,
        .accessed_ms = accessed_ms(it, now_ms),
        .bytes = item_bytes(it),
        .fetched = item_fetched(it),
        .binary_key = marks & ITEM_BINARY_KEY,
        .stale = marks & ITEM_STALE,
        .taken = marks & ITEM_TOKEN_TAKEN,
    };
}

void
item_use(struct store_item *it, uint64_t now_ms)
{
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    item_warm(it, heat, (uint8_t)((heat_hit(heat) & HEAT_CREDIT) | (heat & HEAT_FETCHED)), now_ms);
}

void
item_seal(struct store_item *it)
{
    memcpy(item_value(it) + it->value_bytes, "\r\n", item_trailer_bytes(it->value_bytes));
}

uint32_t
item_layout_number(void)
{
    static const uint32_t facts[] = {
        sizeof(struct store_item),
        offsetof(struct store_item, cas),
        offsetof(struct store_item, accessed),
        offsetof(struct store_item, value_bytes),
        offsetof(struct store_item, key_bytes),
        offsetof(struct store_item, generation),
        offsetof(struct store_item, heat),
        offsetof(struct store_item, marks),
        offsetof(struct store_item, bytes),
        ITEM_LINKED | ITEM_DEAD << 8 | ITEM_STALE << 16 | ITEM_TOKEN_TAKEN << 24,
        ITEM_BINARY_KEY | ITEM_HAS_EXPIRY << 8 | ITEM_HAS_FLAGS << 16,
        ITEM_LONG_FLAGS,
        STORE_TRAILED_FROM,
        STORE_TRAILER_BYTES,
        ITEM_TICK_MS,
        HEAT_FETCHED,
        HEAT_HIT,
    };
    return (uint32_t)hash_span(span_make(facts, sizeof(facts)));
}

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
item_number(struct store_item *it, uint64_t *out)
{
    const char *p = item_value(it), *end = p + it->value_bytes;
    while (p < end && is_blank(*p)) {
        p++;
    }
    const char *digits = p;
    uint64_t n = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) {
            return false;
        }
    }
    if (p == digits || (p < end && !is_blank(*p))) {
        return false;
    }
    *out = n;
    return true;
}
