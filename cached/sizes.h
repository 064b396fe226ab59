/* sizes.h - `stats sizes`: how many items there are of each size, to 32 bytes up
 * to a megabyte and to a megabyte above. One owner. */
#pragma once
#include "common/core/buf.h"

struct sizes;

/* NULL if the system has no memory. */
struct sizes *sizes_create(void);
void sizes_destroy(struct sizes **s);

void sizes_count(struct sizes *s, uint64_t bytes);

/* "STAT <bytes> <items>" for each size that there is, rounded up. */
void sizes_put(const struct sizes *s, struct buf *out);
