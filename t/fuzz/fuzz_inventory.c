/* Whatever etcd holds under the cluster's prefix: no crash, no leak, and what is
 * planned from it, if a table can be built of it at all, may follow. The input is
 * lines "key value"; table/part/ values are packed here, so that inputs are
 * readable. */
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/fleet/table_build.h"
#include "control/deflate.h"
#include "control/document.h"
#include "control/planner.h"
#include "t/fuzz/fuzz.h"

#define LATE_MS 1000000

static void
put_line(struct inventory *inv, struct span line, int64_t revision)
{
    const char *blank = memchr(line.ptr, ' ', line.len);
    struct buf packed = BUF_EMPTY;
    if (blank == NULL) {
        inventory_delete(inv, line);
        return;
    }
    struct inventory_kv kv = {.key = span_make(line.ptr, (size_t)(blank - line.ptr)),
                              .value = span_skip(line, (size_t)(blank - line.ptr) + 1),
                              .create_revision = revision,
                              .mod_revision = revision};
    struct span name;
    if (key_classify(kv.key, &name) == KEY_PART) {
        ASSERT(deflate_span(kv.value, &packed));
        kv.value = buf_span(&packed);
    }
    inventory_put(inv, &kv, (uint64_t)revision);
    buf_deinit(&packed);
}

static void
put_lines(struct inventory *inv, struct span text)
{
    for (int64_t revision = 1; text.len > 0; revision++) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t n = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        put_line(inv, span_make(text.ptr, n), revision);
        text = span_skip(text, newline != NULL ? n + 1 : n);
    }
}

/* What is in use, if the input says so. */
static struct table *
joined(const struct inventory *inv)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    struct table *table = NULL;
    if (document_join(inv, &text, error) == DOCUMENT_JOINED) {
        table = table_parse(buf_span(&text), error);
    }
    buf_deinit(&text);
    return table;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inventory inv;
    struct plan plan;
    struct buf text = BUF_EMPTY;
    struct document document;
    char error[TABLE_ERROR_MAX];
    log_set_level(LOG_ERROR);
    inventory_init(&inv);
    put_lines(&inv, span_make(data, size));
    struct table *current = joined(&inv);
    enum plan_outcome outcome = plan_make(&inv, current, "c", "fuzz", LATE_MS, &plan);
    if (outcome == PLAN_PUBLISH && table_build(&plan.draft, &text, error)) {
        struct table *next = table_parse(buf_span(&text), error);
        ASSERT(next != NULL);
        ASSERT(current == NULL || table_judge(current, next) == TABLE_ADOPT ||
               strcmp(current->cluster, "c") != 0);
        ASSERT(document_split(buf_span(&text), &document, error));
        document_deinit(&document);
        table_unref(&next);
    }
    plan_deinit(&plan);
    table_unref(&current);
    buf_deinit(&text);
    inventory_deinit(&inv);
    return 0;
}
