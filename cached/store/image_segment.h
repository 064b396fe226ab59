/* image_segment.h - a segment as an image lists it, and whether the memory file
 * still has what it had.
 *
 * Segments are read, and not looked at where they are mapped: a page costs more
 * the first time that it is touched there than its share of a read, and who has
 * just started has touched none. */
#pragma once
#include "cached/store/segments.h"

#define IMAGE_HEAD_BYTES 72 /* before the segments */

/* As it stands in an image. */
struct image_segment {
    struct item_base base;
    uint32_t number;
    uint32_t end;
    uint64_t large;
    uint64_t checksum;
};

/* Of a segment's number, its base, and its bytes up to its end, which are at
 * `memory`. */
uint64_t image_segment_checksum(const struct image_segment *is, const char *memory);

/* The same of what the file has. Then the segment's bytes stand in `room`, which
 * is as large as the store's segments; of one that is larger as many as go in.
 * False if they cannot be read. Any number of threads, each with a room of its own. */
bool image_segment_read(const struct segments *s, const struct image_segment *is, char *room,
                        uint64_t *checksum);
