#include "cached/store/item.h"

void
item_show(struct store_item *it, struct store_view *view)
{
    *view = (struct store_view){
        .key = item_key(it),
        .value = span_make(item_value(it), it->value_bytes),
        .flags = it->flags,
        .cas = it->cas,
        .expiry_ms = it->expiry_ms,
        .expiry_before_ms = it->expiry_ms,
        .accessed_ms = it->accessed_ms,
        .bytes = it->footprint,
        .fetched = it->marks & ITEM_FETCHED,
        .binary_key = it->marks & ITEM_BINARY_KEY,
        .stale = it->marks & ITEM_STALE,
        .taken = it->marks & ITEM_TOKEN_TAKEN,
    };
}

void
item_seal(struct store_item *it)
{
    memcpy(item_value(it) + it->value_bytes, "\r\n", STORE_TRAILER_BYTES);
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
