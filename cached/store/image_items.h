/* image_items.h - the half of loading an image that goes through the memory:
 * are the segments as they were, and which items live in them?
 *
 *     segment -> checksum -> item, item, item...  -> findings, by shard
 *     shard   -> its findings of all threads      -> its part of the table
 *
 * First the threads share the segments, then the shards. So each part of the
 * table has one thread that fills it, with no lock, while it is in that
 * processor's cache. Findings are kept for one round of segments only.
 *
 * Nothing is looked at where it is mapped but what is there for the second time
 * or unfinished: touching all of the mapping for the first time costs ten times
 * as much as reading it all. So each page is mapped when it is first used. */
#pragma once
#include "cached/store/engine.h"
#include "cached/store/image_segment.h"

/* Enters what lives in these segments into a store that is empty but for having
 * adopted them, and accounts for it. False if one is not as it was. About
 * `items` are expected. */
bool image_items_load(struct store *st, const struct image_segment *segments, uint64_t count,
                      uint64_t items);
