#include "control/etcd/encode.h"
#include "common/core/assert.h"
#include "common/core/base64.h"

#include <inttypes.h>

void
encode_text(struct buf *out, const char *text)
{
    ASSERT(buf_append_span(out, span_cstr(text)));
}

void
encode_number(struct buf *out, const char *name, int64_t number)
{
    ASSERT(buf_printf(out, "\"%s\":\"%" PRId64 "\"", name, number));
}

void
encode_bytes(struct buf *out, const char *name, struct span bytes)
{
    ASSERT(buf_printf(out, "\"%s\":\"", name));
    size_t encoded = BASE64_ENCODED_BYTES(bytes.len);
    char *to = buf_room(out, encoded + 1);
    ASSERT(to != NULL);
    buf_grew(out, base64_encode(bytes, to));
    encode_text(out, "\"");
}

static struct buf
joined(struct span prefix, struct span bytes)
{
    struct buf whole = BUF_EMPTY;
    ASSERT(buf_append_span(&whole, prefix) && buf_append_span(&whole, bytes));
    return whole;
}

/* The first key behind all that begin with `key`: the last byte that can be
 * raised is, and what follows it falls away. If none can, etcd's "\0" means the
 * end of the key space. */
static void
append_range_end(struct buf *out, struct buf *key)
{
    while (buf_len(key) > 0 && (unsigned char)key->mem[key->tail - 1] == 0xff) {
        key->tail--;
    }
    if (buf_len(key) == 0) {
        encode_bytes(out, "range_end", SPAN_LIT("\0"));
        return;
    }
    key->mem[key->tail - 1]++;
    encode_bytes(out, "range_end", buf_span(key));
}

void
encode_keys(struct buf *out, struct span prefix, struct span key, enum key_extent extent)
{
    struct buf whole = joined(prefix, key);
    /* An empty key is not allowed; "\0" is the first that is. */
    encode_bytes(out, "key", buf_len(&whole) > 0 ? buf_span(&whole) : SPAN_LIT("\0"));
    if (extent == KEY_PREFIX) {
        encode_text(out, ",");
        append_range_end(out, &whole);
    }
    buf_deinit(&whole);
}

/* The keys of a later page begin right behind the last one seen. */
static void
encode_keys_after(struct buf *out, struct span prefix, struct span key, struct span after)
{
    struct buf start = joined(prefix, after);
    ASSERT(buf_append(&start, "\0", 1));
    encode_bytes(out, "key", buf_span(&start));
    buf_deinit(&start);
    encode_text(out, ",");
    struct buf whole = joined(prefix, key);
    append_range_end(out, &whole);
    buf_deinit(&whole);
}

void
encode_range(struct buf *out, struct span prefix, struct span key, enum key_extent extent,
             const struct encode_page *page)
{
    encode_text(out, "{");
    if (page->after.ptr != NULL) {
        ASSERT(extent == KEY_PREFIX);
        encode_keys_after(out, prefix, key, page->after);
    } else {
        encode_keys(out, prefix, key, extent);
    }
    if (page->limit > 0) {
        encode_text(out, ",");
        encode_number(out, "limit", page->limit);
    }
    if (page->revision > 0) {
        encode_text(out, ",");
        encode_number(out, "revision", page->revision);
    }
    encode_text(out, "}");
}

void
encode_put(struct buf *out, struct span prefix, struct span key, struct span value, int64_t lease)
{
    encode_text(out, "{");
    encode_keys(out, prefix, key, KEY_EXACT);
    encode_text(out, ",");
    encode_bytes(out, "value", value);
    if (lease != 0) {
        encode_text(out, ",");
        encode_number(out, "lease", lease);
    }
    encode_text(out, "}");
}

void
encode_delete(struct buf *out, struct span prefix, struct span key, enum key_extent extent)
{
    encode_text(out, "{");
    encode_keys(out, prefix, key, extent);
    encode_text(out, "}");
}

void
encode_watch(struct buf *out, struct span prefix, struct span key, int64_t start_revision)
{
    encode_text(out, "{\"create_request\":{");
    encode_keys(out, prefix, key, KEY_PREFIX);
    encode_text(out, ",");
    encode_number(out, "start_revision", start_revision);
    encode_text(out, ",\"prev_kv\":true,\"progress_notify\":true}}");
}

void
encode_lease_grant(struct buf *out, int64_t ttl_s)
{
    encode_text(out, "{");
    encode_number(out, "TTL", ttl_s);
    encode_text(out, "}");
}

void
encode_lease_id(struct buf *out, int64_t lease)
{
    encode_text(out, "{");
    encode_number(out, "ID", lease);
    encode_text(out, "}");
}

/* A JSON string; names and passwords may hold anything but NUL. */
static void
append_string(struct buf *out, struct span s)
{
    encode_text(out, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            ASSERT(buf_printf(out, "\\u%04x", c));
        } else {
            ASSERT(buf_append(out, &s.ptr[i], 1));
        }
    }
    encode_text(out, "\"");
}

void
encode_authenticate(struct buf *out, struct span user, struct span password)
{
    encode_text(out, "{\"name\":");
    append_string(out, user);
    encode_text(out, ",\"password\":");
    append_string(out, password);
    encode_text(out, "}");
}
