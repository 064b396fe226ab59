/* Messages of a process that claims to be the one before us: what is taken lies
 * inside the input, and an offer comes out as it went in. */
#include "common/core/assert.h"
#include "common/net/handover.h"
#include "t/fuzz/fuzz.h"

static void
check_offer(struct span body)
{
    static struct handover_offer offer, again;
    if (!handover_parse_offer(body, &offer)) {
        return;
    }
    ASSERT(offer.count <= HANDOVER_ITEMS_MAX);
    struct buf out = BUF_EMPTY;
    ASSERT(handover_put_offer(&out, &offer));
    ASSERT(span_eq(buf_span(&out), body));
    ASSERT(handover_parse_offer(buf_span(&out), &again) && again.count == offer.count);
    buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_make(data, size);
    struct handover_message m;
    check_offer(input);
    while (handover_parse(input, &m) == HANDOVER_OK) {
        ASSERT(m.bytes == m.body.len + HANDOVER_HEAD_BYTES && m.bytes <= input.len);
        ASSERT(handover_type_name(m.type) != NULL);
        check_offer(m.body);
        input = span_skip(input, m.bytes);
    }
    return 0;
}
