/* deflate.h - zlib streams of a bounded size: tables are small once packed,
 * and what comes out of a packed value must not be without limit. Pure. */
#pragma once
#include "common/core/buf.h"

/* Both append to `out`. False, and `out` as it was, if memory is out, or (when
 * inflating) the data is damaged, has a tail, or would give more than
 * `max_bytes`. */
bool deflate_span(struct span in, struct buf *out);
bool inflate_span(struct span in, size_t max_bytes, struct buf *out);
