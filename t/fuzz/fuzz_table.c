/* Whatever bytes come as a table: no crash, no leak, and what is taken can be
 * built again and judged. */
#include "common/core/assert.h"
#include "common/fleet/table_build.h"
#include "t/fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[TABLE_ERROR_MAX];
    memset(error, 'x', sizeof(error));
    struct table *table = table_parse(span_make(data, size), error);
    if (table == NULL) {
        ASSERT(memchr(error, '\0', sizeof(error)) != NULL);
        return 0;
    }
    ASSERT(table_judge(table, table) == TABLE_SAME);
    ASSERT(table->default_pool < table->pool_count);
    for (unsigned i = 0; i < table->pool_count; i++) {
        unsigned owner = table_pool_owner(&table->pools[i], span_make(data, size));
        ASSERT(owner < table->pools[i].node_count);
    }
    struct buf again = BUF_EMPTY;
    ASSERT(table_build(table, &again, error));
    buf_deinit(&again);
    table_unref(&table);
    return 0;
}
