#include "proxy/health_heir.h"
#include "common/core/num.h"

#include <inttypes.h>

#define GUTTER_MS_MAX UINT64_C(1000000000) /* more is no time that a gutter keeps anything */

bool
health_heir_put(struct buf *out, const struct health_heir *node)
{
    return buf_printf(out, "%d %" PRIu64 " ", node->down, node->gutter_ms) &&
           buf_append_span(out, node->owner);
}

static struct span
take_word(struct span *in)
{
    const char *end = in->len > 0 ? memchr(in->ptr, ' ', in->len) : NULL;
    size_t n = end != NULL ? (size_t)(end - in->ptr) : 0;
    struct span word = span_make(in->ptr, n);
    *in = span_skip(*in, end != NULL ? n + 1 : in->len);
    return word;
}

bool
health_heir_parse(struct span in, struct health_heir *out)
{
    uint64_t down = 0;
    bool ok = num_parse_u64(take_word(&in), &down) && down <= 1 &&
              num_parse_u64(take_word(&in), &out->gutter_ms) && out->gutter_ms <= GUTTER_MS_MAX;
    out->down = down == 1;
    out->owner = in;
    return ok && in.len > 0;
}
