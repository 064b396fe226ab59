#include "common/net/handover.h"
#include "common/core/assert.h"

static const char magic[3] = {'M', 'F', 'H'};

static unsigned
get_u16(const char *at)
{
    return (unsigned)(uint8_t)at[0] << 8 | (uint8_t)at[1];
}

static void
set_u16(char *at, size_t v)
{
    at[0] = (char)(v >> 8);
    at[1] = (char)v;
}

const char *
handover_type_name(unsigned type)
{
    switch (type) {
#define X(id, letter, name)                                                                        \
    case letter: return name;
        HANDOVER_TYPES(X)
#undef X
    }
    return "unknown";
}

enum handover_status
handover_parse(struct span input, struct handover_message *out)
{
    size_t known = input.len < sizeof(magic) ? input.len : sizeof(magic);
    if (known > 0 && memcmp(input.ptr, magic, known) != 0) {
        return HANDOVER_BAD;
    }
    if (input.len < HANDOVER_HEAD_BYTES) {
        return HANDOVER_NEED_MORE;
    }
    size_t length = get_u16(input.ptr + 6);
    if (length > HANDOVER_BODY_MAX) {
        return HANDOVER_BAD;
    }
    if (input.len < HANDOVER_HEAD_BYTES + length) {
        return HANDOVER_NEED_MORE;
    }
    *out = (struct handover_message){
        .type = (uint8_t)input.ptr[3],
        .version = get_u16(input.ptr + 4),
        .body = span_make(input.ptr + HANDOVER_HEAD_BYTES, length),
        .bytes = HANDOVER_HEAD_BYTES + length,
    };
    return HANDOVER_OK;
}

bool
handover_put(struct buf *out, enum handover_type type, struct span body)
{
    if (body.len > HANDOVER_BODY_MAX) {
        return false;
    }
    char head[HANDOVER_HEAD_BYTES];
    memcpy(head, magic, sizeof(magic));
    head[3] = (char)type;
    set_u16(head + 4, HANDOVER_VERSION);
    set_u16(head + 6, body.len);
    return buf_append(out, head, sizeof(head)) && buf_append_span(out, body);
}

void
handover_add(struct handover_offer *offer, enum handover_kind kind, const char *name, int fd)
{
    ASSERT(offer->count < HANDOVER_ITEMS_MAX);
    struct handover_item *item = &offer->items[offer->count++];
    size_t len = strlen(name);
    ASSERT(len < sizeof(item->name));
    item->kind = kind;
    item->fd = fd;
    memcpy(item->name, name, len + 1);
}

/* One byte of count; for each a byte of kind, two of length, the name. */
bool
handover_put_offer(struct buf *out, const struct handover_offer *offer)
{
    char count = (char)offer->count;
    bool ok = buf_append(out, &count, 1);
    for (unsigned i = 0; ok && i < offer->count; i++) {
        const struct handover_item *item = &offer->items[i];
        char head[3] = {(char)item->kind};
        set_u16(head + 1, strlen(item->name));
        ok = buf_append(out, head, sizeof(head)) && buf_append_span(out, span_cstr(item->name));
    }
    return ok;
}

static bool
is_kind(char c)
{
    return c == HANDOVER_LISTENER || c == HANDOVER_MEETING || c == HANDOVER_TABLE;
}

/* The item that `rest` begins with; *rest is then what follows it. */
static bool
parse_item(struct span *rest, struct handover_offer *offer)
{
    if (rest->len < 3 || !is_kind(rest->ptr[0])) {
        return false;
    }
    size_t len = get_u16(rest->ptr + 1);
    if (len >= HANDOVER_NAME_MAX || rest->len - 3 < len || memchr(rest->ptr + 3, '\0', len)) {
        return false;
    }
    struct handover_item *item = &offer->items[offer->count++];
    item->kind = (enum handover_kind)rest->ptr[0];
    item->fd = -1;
    memcpy(item->name, rest->ptr + 3, len);
    item->name[len] = '\0';
    *rest = span_skip(*rest, 3 + len);
    return true;
}

bool
handover_parse_offer(struct span body, struct handover_offer *out)
{
    out->count = 0;
    if (body.len == 0 || (uint8_t)body.ptr[0] > HANDOVER_ITEMS_MAX) {
        return false;
    }
    unsigned count = (uint8_t)body.ptr[0];
    struct span rest = span_skip(body, 1);
    while (out->count < count) {
        if (!parse_item(&rest, out)) {
            return false;
        }
    }
    return rest.len == 0;
}
