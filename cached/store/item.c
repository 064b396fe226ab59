#include "cached/store/item.h"
#include "common/core/assert.h"

/* --- fields ------------------------------------------------------------------ */

bool
item_set_expiry_ms(struct store_item *it, uint64_t expiry_ms)
{
    if (!(item_marks(it) & ITEM_HAS_EXPIRY)) {
        return expiry_ms == 0;
    }
    uint64_t ms = expiry_ms < ITEM_EXPIRY_MAX ? expiry_ms : ITEM_EXPIRY_MAX;
    item_set_half(&it->fields[0], ms);
    item_set_half(&it->fields[1], ms >> 16);
    item_set_half(&it->fields[2], ms >> 32);
    return true;
}

void
item_set_flags(struct store_item *it, uint64_t flags)
{
    unsigned marks = item_marks(it);
    if (!(marks & ITEM_HAS_FLAGS)) {
        ASSERT(flags == 0);
        return;
    }
    ASSERT((marks & ITEM_WIDE) || flags <= ITEM_NARROW_FLAGS);
    _Atomic uint16_t *at = item_flag_fields(it, marks);
    for (unsigned i = 0; i < (marks & ITEM_WIDE ? 4 : 1); i++) {
        item_set_half(at + i, flags >> 16 * i);
    }
}

bool
item_set_cas(struct store_item *it, const struct item_base *base, uint64_t cas)
{
    if (!(item_marks(it) & ITEM_WIDE)) {
        return item_set_near_cas(it, base, cas);
    }
    _Atomic uint16_t *at = item_wide_fields(it);
    item_set_half(&it->cas[0], cas);
    item_set_half(&it->cas[1], cas >> 16);
    item_set_half(at, cas >> 32);
    item_set_half(at + 1, cas >> 48);
    return true;
}

/* --- access times ------------------------------------------------------------- */

/* In a narrow item either seconds since the base; or, from ITEM_ACCESS_RANGE_S
 * on, how long before it, in units of 2^e seconds, so that there are less than
 * 2 * PAST_STEPS of them: e * PAST_STEPS plus the units. Units are counted on
 * the clock, not back from the base, so what is moved from base to base is not
 * rounded again each time. */
#define PAST_STEPS 512u
_Static_assert(ITEM_ACCESS_RANGE_S + 24 * PAST_STEPS <= UINT16_MAX + 1u, "any 32 bits have a code");

/* An access time as it is kept: within so many seconds from `s` on. */
struct access {
    uint32_t s;
    uint32_t grain;
};

static uint16_t
access_code(const struct item_base *base, uint32_t s)
{
    if (s >= base->opened_s) {
        uint32_t after = s - base->opened_s;
        return (uint16_t)(after < ITEM_ACCESS_RANGE_S ? after : ITEM_ACCESS_RANGE_S - 1);
    }
    unsigned e = 0;
    uint32_t units;
    while ((units = (base->opened_s >> e) - (s >> e)) >= 2 * PAST_STEPS) {
        e++;
    }
    return (uint16_t)(ITEM_ACCESS_RANGE_S + e * PAST_STEPS + units);
}

static struct access
access_of_code(const struct item_base *base, uint16_t code)
{
    if (__builtin_expect(code < ITEM_ACCESS_RANGE_S, 1)) {
        return (struct access){base->opened_s + code, 1};
    }
    uint32_t past = code - ITEM_ACCESS_RANGE_S;
    unsigned e = past < PAST_STEPS ? 0 : past / PAST_STEPS - 1;
    uint32_t units = past - e * PAST_STEPS;
    return (struct access){((base->opened_s >> e) - units) << e, 1u << e};
}

static struct access
access_of(const struct store_item *it, const struct item_base *base)
{
    uint16_t low = atomic_load_explicit(&it->accessed, memory_order_relaxed);
    if (__builtin_expect(item_marks(it) & ITEM_WIDE, 0)) {
        uint16_t high = atomic_load_explicit(item_wide_fields(it) + 2, memory_order_relaxed);
        return (struct access){low | (uint32_t)high << 16, 1};
    }
    return access_of_code(base, low);
}

/* Of a wide item, two who use it just when the upper half changes may leave
 * halves that do not belong together; the next use puts that right. */
void
item_set_accessed(struct store_item *it, const struct item_base *base, uint32_t s)
{
    if (__builtin_expect(item_marks(it) & ITEM_WIDE, 0)) {
        item_put_hint(&it->accessed, (uint16_t)s);
        item_put_hint(item_wide_fields(it) + 2, (uint16_t)(s >> 16));
    } else {
        item_put_hint(&it->accessed, access_code(base, s));
    }
}

/* The middle of what it may have been. */
static uint64_t
accessed_ms(const struct store_item *it, const struct item_base *base, uint64_t now_ms)
{
    struct access a = access_of(it, base);
    uint64_t ms = ((uint64_t)a.s + a.grain / 2) * 1000;
    return ms < now_ms ? ms : now_ms;
}

/* --- items -------------------------------------------------------------------- */

static void
set_value_bytes(struct store_item *it, unsigned layout, uint64_t n)
{
    ASSERT(n <= (layout & ITEM_WIDE ? UINT32_MAX : ITEM_NARROW_VALUE));
    ASSERT(n <= UINT8_MAX || (layout & ITEM_LONG_VALUE));
    it->value_low = (uint8_t)n;
    if (layout & ITEM_LONG_VALUE) {
        _Atomic uint16_t *at = it->fields + (layout & ITEM_HAS_EXPIRY ? 3 : 0);
        item_set_half(at, n >> 8);
        if (layout & ITEM_WIDE) {
            item_set_half(at + 1, n >> 24);
        }
    }
}

void
item_init(struct store_item *it, const struct item_base *base, struct span key,
          uint64_t value_bytes, unsigned layout, uint64_t now_ms)
{
    atomic_store_explicit(&it->marks, (uint8_t)layout, memory_order_relaxed);
    atomic_store_explicit(&it->heat, HEAT_HIT, memory_order_relaxed);
    it->key_bytes = (uint8_t)key.len;
    set_value_bytes(it, layout, value_bytes);
    char *p = (char *)it + item_header_bytes(layout);
    memcpy(p, key.ptr, key.len);
    if (item_trailer_bytes(value_bytes) > 0) {
        item_seal(it);
    }
    item_note_access(it, layout, base, now_ms);
    if (layout & (ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS)) {
        item_set_expiry_ms(it, 0);
        item_set_flags(it, 0);
    }
}

bool
item_copy(struct store_item *to, const struct item_base *to_base, struct store_item *from,
          const struct item_base *from_base)
{
    unsigned needed =
        item_layout_for(item_flags(from), item_expiry_ms(from), item_value_bytes(from));
    if ((needed & ~item_marks(to)) != 0 || !item_set_cas(to, to_base, item_cas(from, from_base))) {
        return false;
    }
    memcpy(item_value(to), item_value(from), item_value_bytes(from));
    item_seal(to);
    atomic_store_explicit(&to->heat, atomic_load_explicit(&from->heat, memory_order_relaxed),
                          memory_order_relaxed);
    item_set_accessed(to, to_base, access_of(from, from_base).s);
    item_set_expiry_ms(to, item_expiry_ms(from));
    item_set_flags(to, item_flags(from));
    item_mark(to, item_marks(from) & (ITEM_STALE | ITEM_TOKEN_TAKEN | ITEM_BINARY_KEY), 0);
    return true;
}

bool
item_fetched(const struct store_item *it)
{
    return atomic_load_explicit(&it->heat, memory_order_relaxed) & HEAT_FETCHED;
}

void
item_show(struct store_item *it, const struct item_base *base, uint64_t now_ms,
          struct store_view *view)
{
    unsigned marks = item_marks(it);
    uint64_t expiry_ms = item_expiry_ms_of(it, marks);
    uint64_t value_bytes = item_value_bytes_of(it, marks);
    const char *key = (const char *)it + item_header_bytes(marks);
    *view = (struct store_view){
        .item = it,
        .key = span_make(key, it->key_bytes),
        .value = span_make(key + it->key_bytes, value_bytes),
        .flags = item_flags_of(it, marks),
        .cas = item_cas_of(it, marks, base),
        .expiry_ms = expiry_ms,
        .expiry_before_ms = expiry_ms,
        .accessed_ms = accessed_ms(it, base, now_ms),
        .bytes = item_bytes_for(marks, it->key_bytes, value_bytes),
        .fetched = item_fetched(it),
        .binary_key = marks & ITEM_BINARY_KEY,
        .stale = marks & ITEM_STALE,
        .taken = marks & ITEM_TOKEN_TAKEN,
    };
}

void
item_use(struct store_item *it, const struct item_base *base, uint64_t now_ms)
{
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    uint8_t hotter = (uint8_t)((heat_hit(heat) & HEAT_CREDIT) | (heat & HEAT_FETCHED));
    atomic_store_explicit(&it->heat, hotter, memory_order_relaxed);
    item_note_access(it, item_marks(it), base, now_ms);
}

void
item_seal(struct store_item *it)
{
    uint64_t value_bytes = item_value_bytes(it);
    memcpy(item_value(it) + value_bytes, "\r\n", item_trailer_bytes(value_bytes));
}

/* Changes with the order of the optional fields, and what is in them. */
#define LAYOUT_OF_FIELDS 1

uint32_t
item_layout_number(void)
{
    static const uint32_t facts[] = {
        sizeof(struct store_item),
        offsetof(struct store_item, marks),
        offsetof(struct store_item, heat),
        offsetof(struct store_item, accessed),
        offsetof(struct store_item, cas),
        offsetof(struct store_item, key_bytes),
        offsetof(struct store_item, value_low),
        ITEM_LINKED | ITEM_STALE << 8 | ITEM_TOKEN_TAKEN << 16,
        ITEM_BINARY_KEY | ITEM_HAS_EXPIRY << 8 | ITEM_HAS_FLAGS << 16,
        ITEM_LONG_VALUE | ITEM_WIDE << 8,
        LAYOUT_OF_FIELDS,
        STORE_TRAILED_FROM,
        STORE_TRAILER_BYTES,
        ITEM_CAS_UNIT_BITS,
        ITEM_ACCESS_RANGE_S,
        PAST_STEPS,
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
    const char *p = item_value(it), *end = p + item_value_bytes(it);
    while (p < end && is_blank(*p)) {
        p++;
    }
    if (p < end && *p == '+') {
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
    if (p == digits || (p < end && !is_blank(*p) && *p != '\0')) {
        return false;
    }
    *out = n;
    return true;
}
