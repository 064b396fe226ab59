/* image_items.h - the half of loading an image that goes through the memory:
 * are the segments as they were, and which items live in them?
 *
 *     segment -> checksum -> item, item, item...  -> findings, by shard
 *     shard   -> its findings of all threads      -> its part of the table
 *
 * First the threads share the segments, then the shards. So each part of the
 * table has one thread that fills it, with no lock, while it is in that
 * processor's cache. Findings are kept for one round of segments only. */
#pragma once
#include "cached/store/engine.h"

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

/* Enters what lives in these segments into a store that is empty but for having
 * adopted them, and accounts for it. False if one is not as it was. About
 * `items` are expected. */
bool image_items_load(struct store *st, const struct image_segment *segments, uint64_t count,
                      uint64_t items);
