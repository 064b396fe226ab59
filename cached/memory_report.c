#include "cached/memory_report.h"
#include "cached/conn_memory.h"
#include "cached/node.h"

#include <inttypes.h>

static const char *const names[] = {
#define X(id, name, sentence) name,
    MEMORY_PURPOSES(X)
#undef X
};

static uint64_t
minus(uint64_t all, uint64_t part)
{
    return all > part ? all - part : 0; /* the parts are read one after the other */
}

static void
measure(const struct node *node, uint64_t bytes[MEMORY_PURPOSE_COUNT])
{
    struct store_info info = store_info(node->store);
    uint64_t counted = node->options.items_memory_only ? 0 : info.others_bytes;
    uint64_t log = minus(info.memory_bytes, info.table_bytes + counted);
    bytes[MEMORY_ITEMS] = metric_sum(store_metrics(node->store), METRIC_ID_STORE_ITEM_BYTES);
    bytes[MEMORY_DEAD] = minus(log, bytes[MEMORY_ITEMS]);
    bytes[MEMORY_TABLE] = info.table_bytes;
    bytes[MEMORY_CONNECTIONS] = atomic_load(&node->connection_count) * conn_memory_each();
    bytes[MEMORY_BUFFERS] = minus(info.others_bytes, bytes[MEMORY_CONNECTIONS]);
    bytes[MEMORY_SPARE] = info.spare_bytes;
}

void
memory_report_stats(const struct node *node, struct buf *out)
{
    uint64_t bytes[MEMORY_PURPOSE_COUNT];
    measure(node, bytes);
    for (unsigned i = 0; i < MEMORY_PURPOSE_COUNT; i++) {
        buf_printf(out, "STAT memory_%s %" PRIu64 "\r\n", names[i], bytes[i]);
    }
}

void
memory_report_metrics(const struct node *node, struct buf *out)
{
    uint64_t bytes[MEMORY_PURPOSE_COUNT];
    measure(node, bytes);
    buf_printf(out, "# HELP memfleet_memory_bytes Memory by what it is used for.\n"
                    "# TYPE memfleet_memory_bytes gauge\n");
    for (unsigned i = 0; i < MEMORY_PURPOSE_COUNT; i++) {
        buf_printf(out, "memfleet_memory_bytes{purpose=\"%s\"} %" PRIu64 "\n", names[i], bytes[i]);
    }
}
