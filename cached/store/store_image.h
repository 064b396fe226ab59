/* store_image.h - what must be known beside a memory file to have its items
 * again after the process has ended.
 *
 *     memory file   |own page|segment 1|segment 2|   hole   |segment 4| ...
 *     image         head: format, geometry, generation, clocks of CAS values
 *                   for each segment, oldest first: number, end, checksum
 *
 * The table is not in it. Loading goes through the items of each segment and
 * enters them anew: that takes no longer than to examine a table that a file
 * brings, needs no trust in one, and lets the secret of the hashes, the number
 * of shards and of threads change from start to start.
 *
 * Nothing in the image or the file is believed: numbers are compared with what
 * there is, a segment must have its checksum, and an item must end where the
 * next begins. What is of another layout, another size of segments, or damaged
 * anywhere, is refused as a whole.
 *
 * Both use as many threads as the store was made for and the system has. */
#pragma once
#include "cached/store/store.h"
#include "common/core/buf.h"

/* Appends the image of a store on a memory file. No thread may be inside a call
 * or keep references or reservations, and only store_destroy() may follow. False:
 * no memory. */
bool store_image_save(struct store *st, uint64_t now_ms, struct buf *out);

/* Fills a store that was just made, on the memory file that belongs to the
 * image. NULL, or why the image is refused: then the store is to be destroyed
 * and the file cleared. */
const char *store_image_load(struct store *st, struct span image);
