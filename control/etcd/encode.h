/* encode.h - request bodies of the gateway, as JSON. Pure.
 *
 * The gateway ignores fields that it does not know, so a slip in a name would
 * silently mean something else: every name stands here or in txn.c and is
 * tested against a real server. 64-bit numbers go out as strings.
 *
 * `prefix` is the client's; keys are relative to it. Bodies are appended. */
#pragma once
#include "common/core/buf.h"

#include <stdint.h>

/* Which keys: one, or all that begin with it. */
enum key_extent { KEY_EXACT, KEY_PREFIX };

/* A page of a listing. `after` is the last key of the page before (relative),
 * or has a NULL ptr; `revision` 0 means now. */
struct encode_page {
    struct span after;
    int64_t revision;
    int64_t limit; /* keys; 0: all */
};

void encode_range(struct buf *out, struct span prefix, struct span key, enum key_extent extent,
                  const struct encode_page *page);
void encode_put(struct buf *out, struct span prefix, struct span key, struct span value,
                int64_t lease);
void encode_delete(struct buf *out, struct span prefix, struct span key, enum key_extent extent);
void encode_watch(struct buf *out, struct span prefix, struct span key, int64_t start_revision);
void encode_lease_grant(struct buf *out, int64_t ttl_s);
void encode_lease_id(struct buf *out, int64_t lease);
void encode_authenticate(struct buf *out, struct span user, struct span password);

/* Parts, for txn.c: text as it is; "name":"base64"; the "key" and, for a
 * prefix, "range_end" fields; "name":"number". */
void encode_text(struct buf *out, const char *text);
void encode_bytes(struct buf *out, const char *name, struct span bytes);
void encode_keys(struct buf *out, struct span prefix, struct span key, enum key_extent extent);
void encode_number(struct buf *out, const char *name, int64_t number);
