/* memory_report.h - what the node's memory is used for. All but the spare
 * together are what -m bounds (`memory_used`). Any thread. */
#pragma once
#include "common/core/buf.h"

struct node;

/* clang-format off */
/*    id           name           sentence */
#define MEMORY_PURPOSES(X)                                                                   \
    X(ITEMS,       "items",       "live items")                                              \
    X(DEAD,        "dead",        "items that are gone or not yet there, and rounding")      \
    X(TABLE,       "table",       "the hash table")                                          \
    X(CONNECTIONS, "connections", "connections, without buffers")                            \
    X(BUFFERS,     "buffers",     "unfinished commands, and replies that clients do not take") \
    X(SPARE,       "spare",       "free, and not given back to the system")
/* clang-format on */

enum memory_purpose {
#define X(id, name, sentence) MEMORY_##id,
    MEMORY_PURPOSES(X)
#undef X
        MEMORY_PURPOSE_COUNT
};

void memory_report_stats(const struct node *node, struct buf *out);
void memory_report_metrics(const struct node *node, struct buf *out);
