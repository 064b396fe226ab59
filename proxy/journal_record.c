#include "proxy/journal_record.h"
#include "common/core/assert.h"

#include <zlib.h>

#define HEAD_BYTES 8 /* of a record */

static const struct span magic = {"mfjournal 1\n", 12};
static const struct span none;

static uint32_t
checksum(struct span a, struct span b)
{
    uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)a.ptr, a.len);
    return b.len > 0 ? (uint32_t)crc32_z(crc, (const unsigned char *)b.ptr, b.len) : crc;
}

static void
put_u32(char *to, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (char)(v >> 8 * i);
    }
}

static uint32_t
get_u32(const char *from)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++) {
        v |= (uint32_t)(uint8_t)from[i] << 8 * i;
    }
    return v;
}

bool
journal_header_put(struct buf *out, struct span owner)
{
    ASSERT(owner.len <= JOURNAL_OWNER_MAX);
    size_t bytes = magic.len + 2 + owner.len + 4;
    char *to = buf_room(out, bytes);
    if (to == NULL) {
        return false;
    }
    memcpy(to, magic.ptr, magic.len);
    to[magic.len] = (char)owner.len;
    to[magic.len + 1] = (char)(owner.len >> 8);
    memcpy(to + magic.len + 2, owner.ptr, owner.len);
    put_u32(to + bytes - 4, checksum(span_make(to, bytes - 4), none));
    buf_grew(out, bytes);
    return true;
}

static size_t
owner_length(struct span in)
{
    return (uint8_t)in.ptr[magic.len] | (size_t)(uint8_t)in.ptr[magic.len + 1] << 8;
}

enum journal_parse
journal_owner_parse(struct span in, struct span *owner, size_t *bytes)
{
    size_t begun = in.len < magic.len ? in.len : magic.len;
    if (memcmp(in.ptr, magic.ptr, begun) != 0) {
        return JOURNAL_DAMAGED;
    }
    if (in.len < magic.len + 2) {
        return JOURNAL_CUT;
    }
    size_t owner_bytes = owner_length(in);
    if (owner_bytes > JOURNAL_OWNER_MAX) {
        return JOURNAL_DAMAGED;
    }
    *bytes = magic.len + 2 + owner_bytes + 4;
    if (in.len < *bytes) {
        return JOURNAL_CUT;
    }
    *owner = span_make(in.ptr + magic.len + 2, owner_bytes);
    bool whole = get_u32(in.ptr + *bytes - 4) == checksum(span_make(in.ptr, *bytes - 4), none);
    return whole ? JOURNAL_PARSED : JOURNAL_DAMAGED;
}

/* A length that is not ours is none of a header that was cut off. */
enum journal_parse
journal_header_parse(struct span in, struct span owner, size_t *bytes)
{
    struct span found;
    enum journal_parse parsed = journal_owner_parse(in, &found, bytes);
    if (parsed == JOURNAL_CUT && in.len >= magic.len + 2 && owner_length(in) != owner.len) {
        return JOURNAL_DAMAGED;
    }
    return parsed == JOURNAL_PARSED && !span_eq(found, owner) ? JOURNAL_DAMAGED : parsed;
}

bool
journal_record_put(struct buf *out, enum journal_record_type type, struct span key)
{
    ASSERT(key.len <= JOURNAL_KEY_MAX);
    char *to = buf_room(out, HEAD_BYTES + key.len);
    if (to == NULL) {
        return false;
    }
    to[0] = (char)type;
    to[1] = (char)key.len;
    to[2] = (char)~to[0];
    to[3] = (char)~to[1];
    put_u32(to + 4, checksum(span_make(to, 4), key));
    if (key.len > 0) {
        memcpy(to + HEAD_BYTES, key.ptr, key.len);
    }
    buf_grew(out, HEAD_BYTES + key.len);
    return true;
}

static bool
is_likely(uint8_t type, size_t key_bytes)
{
    switch ((enum journal_record_type)type) {
    case RECORD_PUT:
    case RECORD_FORGOTTEN: return key_bytes <= JOURNAL_KEY_MAX;
    case RECORD_FLUSH_ALL:
    case RECORD_FLUSH_SOME:
    case RECORD_FLUSHED: return key_bytes == 0;
    }
    return false;
}

enum journal_parse
journal_record_parse(struct span in, struct journal_record *record)
{
    if (in.len < 4) {
        return JOURNAL_CUT;
    }
    const uint8_t *p = (const uint8_t *)in.ptr;
    if ((p[0] ^ p[2]) != 0xff || (p[1] ^ p[3]) != 0xff || !is_likely(p[0], p[1])) {
        return JOURNAL_DAMAGED;
    }
    size_t bytes = HEAD_BYTES + p[1];
    if (in.len < bytes) {
        return JOURNAL_CUT;
    }
    struct span key = span_make(in.ptr + HEAD_BYTES, p[1]);
    if (get_u32(in.ptr + 4) != checksum(span_make(in.ptr, 4), key)) {
        return JOURNAL_DAMAGED;
    }
    *record = (struct journal_record){(enum journal_record_type)p[0], key, bytes};
    return JOURNAL_PARSED;
}
