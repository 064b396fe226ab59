/* rename.h - keys that a node knows by another name than the client: without the
 * prefix that a route takes off (strip_prefix). Pure.
 *
 *     client: set u:7 ...  ──>  set 7 ...         the request, written anew
 *     client: VALUE u:7 .. <──  VALUE 7 ...       each reply that has the key
 *
 * Of a request of one key; a multiget has the client's keys at hand (multiget.h). */
#pragma once
#include "common/core/base64.h"
#include "common/proto/reply.h"
#include "common/proto/request.h"

struct buf;

struct rename {
    uint8_t key_bytes;
    uint8_t prefix_bytes;
    char key[KEY_MAX_BYTES]; /* as the client knows it; the node's is what follows the prefix */
};

/* `key` is the client's, and longer than the prefix. */
void rename_init(struct rename *n, struct span key, size_t prefix_bytes);

static inline struct span
rename_client_key(const struct rename *n)
{
    return span_make(n->key, n->key_bytes);
}
static inline struct span
rename_node_key(const struct rename *n)
{
    return span_skip(rename_client_key(n), n->prefix_bytes);
}

/* The request as the node shall have it, into `out`; its line is written into `line`,
 * which must stay as it is for as long as `out` is used. False when the system has no
 * memory. */
bool rename_request(const struct rename *n, const struct request *r, struct request *out,
                    struct buf *line);

/* How the client knows what the node calls `word`: its key, plain or in base64. All
 * else is returned as it is. */
#define RENAME_WORD_MAX BASE64_ENCODED_BYTES(KEY_MAX_BYTES)
struct span rename_word(const struct rename *n, struct span word, char *room);

/* The line of a reply, without its end, as the client shall see it; returns its
 * length. */
#define RENAME_LINE_MAX (REPLY_LINE_MAX + RENAME_WORD_MAX)
size_t rename_line(const struct rename *n, const struct reply_piece *piece, char *line);
