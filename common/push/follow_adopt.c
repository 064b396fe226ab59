#include "common/push/follow_adopt.h"
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/push/follow_metric.h"

#include <inttypes.h>
#include <stdio.h>

void
follow_adopt_load_state(struct follow_adopt *a)
{
    switch (follow_state_load(a->state, &a->known)) {
    case STATE_LOADED:
    case STATE_NONE: break;
    case STATE_DAMAGED: metric_add(a->counts, METRIC_ID_STATE_ERRORS, 1); break;
    }
}

void
follow_adopt_deinit(struct follow_adopt *a)
{
    follow_state_destroy(&a->state);
    table_unref(&a->known);
    table_unref(&a->adopted);
    table_unref(&a->held);
    table_unref(&a->pending);
}

static void
replace(struct table **slot, struct table *table)
{
    struct table *old = *slot;
    *slot = table_ref(table);
    table_unref(&old);
}

struct adopt_result
follow_adopt_refuse(struct follow_adopt *a, uint64_t epoch, const char *code, const char *reason)
{
    struct adopt_result result = {.taken = false, .epoch = epoch, .code = code};
    snprintf(result.reason, sizeof(result.reason), "%s", reason);
    metric_add(a->counts, METRIC_ID_REJECTED, 1);
    log_warn("table_refused", "code=%s epoch=%" PRIu64 " used=%" PRIu64 " reason=%s", code, epoch,
             a->adopted != NULL ? a->adopted->epoch : 0, LOG_STR(reason));
    return result;
}

/* A full disk costs the next restart, not this table. */
static void
save(struct follow_adopt *a, const struct table *table)
{
    a->unsaved = a->state != NULL && !follow_state_save(a->state, table);
    if (a->unsaved) {
        metric_add(a->counts, METRIC_ID_STATE_ERRORS, 1);
    }
}

static void
take(struct follow_adopt *a, struct table *table, const char *source)
{
    bool news = a->known == NULL || strcmp(a->known->sha, table->sha) != 0;
    replace(&a->adopted, table);
    replace(&a->known, table);
    metric_add(a->counts, METRIC_ID_ADOPTED, 1);
    metric_set_value(a->counts, METRIC_ID_EPOCH, table->epoch);
    log_info("table_adopted", "source=%s epoch=%" PRIu64 " incarnation=%s pools=%u sha=%.12s",
             source, table->epoch, LOG_STR(table->incarnation), table->pool_count, table->sha);
    if (news || a->unsaved) {
        save(a, table);
    }
    table_unref(&a->pending);
}

/* The program takes it, or has a reason not to. */
static struct adopt_result
try_adopt(struct follow_adopt *a, struct table *table, const char *source)
{
    char why[TABLE_ERROR_MAX] = "";
    if (!a->adopt(a->arg, table, why)) {
        replace(&a->pending, table);
        a->pending_source = source;
        return follow_adopt_refuse(a, table->epoch, "adopt", why);
    }
    take(a, table, source);
    return (struct adopt_result){.taken = true, .epoch = table->epoch};
}

bool
follow_adopt_retry(struct follow_adopt *a)
{
    char why[TABLE_ERROR_MAX] = "";
    if (!a->adopt(a->arg, a->pending, why)) {
        return false;
    }
    take(a, a->pending, a->pending_source);
    return true;
}

/* The very table that we know. What could not be done with it before is tried
 * again. */
static struct adopt_result
take_same(struct follow_adopt *a, struct table *table, const char *source)
{
    if (a->adopted == NULL || strcmp(a->adopted->sha, table->sha) != 0) {
        return try_adopt(a, table, source);
    }
    if (a->unsaved) {
        save(a, table);
    }
    return (struct adopt_result){.taken = true, .epoch = table->epoch};
}

struct adopt_result
follow_adopt_table(struct follow_adopt *a, struct table *table, const char *source)
{
    enum table_verdict verdict =
        a->published ? table_judge_published(a->known, table) : table_judge(a->known, table);
    switch (verdict) {
    case TABLE_ADOPT: return try_adopt(a, table, source);
    case TABLE_SAME: return take_same(a, table, source);
    case TABLE_OLDER:
    case TABLE_CONFLICT:
    case TABLE_SHRINK:
    case TABLE_RING_CHANGE:
    case TABLE_MOVE_SKIP:
    case TABLE_OTHER_CLUSTER:
        return follow_adopt_refuse(a, table->epoch, table_verdict_name(verdict),
                                   table_verdict_why(verdict));
    }
    UNREACHABLE();
}

struct adopt_result
follow_adopt_document(struct follow_adopt *a, struct span document, const char *source)
{
    char why[TABLE_ERROR_MAX];
    struct table *table = table_parse(document, why);
    if (table == NULL) {
        return follow_adopt_refuse(a, 0, "parse", why);
    }
    struct adopt_result result = follow_adopt_table(a, table, source);
    table_unref(&table);
    return result;
}

bool
follow_adopt_acked(struct follow_adopt *a, uint64_t epoch)
{
    if (a->adopted == NULL || a->adopted->epoch != epoch || a->held == a->adopted) {
        return false;
    }
    replace(&a->held, a->adopted);
    return true;
}
