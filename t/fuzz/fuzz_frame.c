/* A stream of frames from a peer that may send anything: what is taken lies
 * inside the input and comes out of frame_put() as it went in. */
#include "common/core/assert.h"
#include "common/push/frame.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_make(data, size);
    struct frame f;
    while (frame_parse(input, &f) == FRAME_OK) {
        ASSERT(f.bytes >= FRAME_HEAD_BYTES && f.bytes <= input.len);
        ASSERT(f.body.len + FRAME_HEAD_BYTES == f.bytes);
        ASSERT(frame_type_name(f.type) != NULL);
        struct buf again = BUF_EMPTY;
        ASSERT(frame_put(&again, (enum frame_type)f.type, f.body));
        struct frame g;
        ASSERT(frame_parse(buf_span(&again), &g) == FRAME_OK);
        ASSERT(g.type == f.type && span_eq(g.body, f.body));
        buf_deinit(&again);
        input = span_skip(input, f.bytes);
    }
    return 0;
}
