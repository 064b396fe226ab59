#include "proxy/copy_name.h"
#include "common/core/assert.h"
#include "common/core/base64.h"
#include "common/core/hash.h"
#include "common/proto/request.h"
#include "common/proto/scan.h"

#include <inttypes.h>
#include <stdio.h>

#define WORD_BYTES   5 /* "copy." */
#define TEXT_KEY_MAX (KEY_MAX_BYTES - COPY_NAME_MARK_BYTES)
/* memcached measures what stands on the line. */
#define BINARY_KEY_MAX (KEY_MAX_BYTES / 4 * 3 - COPY_NAME_MARK_BYTES)

static const char words[][WORD_BYTES + 1] = {
    [COPY_OF_LISTED] = "copy.",
    [COPY_OF_HERE] = "here.",
};

bool
copy_name_fits(struct span key)
{
    const char *end = key.ptr + key.len;
    return key.len <= BINARY_KEY_MAX ||
           (key.len <= TEXT_KEY_MAX && scan_key_bytes(key.ptr, end) == end);
}

uint32_t
copy_name_tag(const char *owner_id)
{
    return (uint32_t)hash_span(span_cstr(owner_id));
}

struct span
copy_name_put(struct span key, enum copy_kind kind, uint32_t tag, char *room)
{
    ASSERT(copy_name_fits(key));
    char mark[COPY_NAME_MARK_BYTES + 1];
    snprintf(mark, sizeof(mark), "\xff%s%08" PRIx32, words[kind], tag);
    memmove(room, key.ptr, key.len);
    memcpy(room + key.len, mark, COPY_NAME_MARK_BYTES);
    return span_make(room, key.len + COPY_NAME_MARK_BYTES);
}

bool
copy_name_is(struct span name)
{
    if (name.len <= COPY_NAME_MARK_BYTES) {
        return false;
    }
    const char *mark = name.ptr + name.len - COPY_NAME_MARK_BYTES;
    return mark[0] == '\xff' && (memcmp(mark + 1, words[COPY_OF_LISTED], WORD_BYTES) == 0 ||
                                 memcmp(mark + 1, words[COPY_OF_HERE], WORD_BYTES) == 0);
}
