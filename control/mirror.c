#include "control/mirror.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/statefile.h"
#include "control/document.h"
#include "control/etcd/etcd_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define STATE_KIND "table"

struct mirror {
    struct mirror_options options;
    const struct mirror_events *events;
    void *arg;
    struct metric_block *metrics;
    struct watch *watch; /* NULL until mirror_follow() */
    struct inventory inventory;
    bool dirty;           /* the inventory changed since changed() was last called */
    int64_t judged_head;  /* mod_revision of the head that was looked at last */
    struct table *served; /* NULL: none yet */
    char heard_incarnation[64];
    uint64_t heard_epoch; /* the newest that a follower of that incarnation uses */
};

/* --- last-known-good ------------------------------------------------------- */

static void
load_state(struct mirror *m)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    switch (statefile_read(m->options.state_file, STATE_KIND, TABLE_BYTES_MAX, &text)) {
    case STATEFILE_OK:
        m->served = table_parse(buf_span(&text), error);
        if (m->served == NULL) {
            metric_add(m->metrics, METRIC_ID_STATE_ERRORS, 1);
            log_error("state_table_bad", "file=%s reason=%s", LOG_STR(m->options.state_file),
                      LOG_STR(error));
        } else if (strcmp(m->served->cluster, m->options.cluster) != 0) {
            log_error("state_table_foreign", "file=%s cluster=%s", LOG_STR(m->options.state_file),
                      LOG_STR(m->served->cluster));
            table_unref(&m->served);
        }
        break;
    case STATEFILE_ABSENT: break;
    case STATEFILE_DAMAGED:
    case STATEFILE_FAILED:
        metric_add(m->metrics, METRIC_ID_STATE_ERRORS, 1);
        log_error("state_unreadable", "file=%s reason=%s", LOG_STR(m->options.state_file),
                  LOG_STR(strerror(errno)));
        break;
    }
    buf_deinit(&text);
}

struct save {
    struct offload_job job; /* first */
    struct mirror *mirror;
    struct table *table; /* a reference */
    bool saved;
    int error;
};

static void
save(struct offload_job *job)
{
    struct save *s = (struct save *)job;
    s->saved = statefile_write(s->mirror->options.state_file, STATE_KIND,
                               buf_span(&s->table->document)) == STATEFILE_OK;
    s->error = errno;
}

static void
on_saved(struct offload_job *job, bool worked)
{
    struct save *s = (struct save *)job;
    if (worked && !s->saved) {
        metric_add(s->mirror->metrics, METRIC_ID_STATE_ERRORS, 1);
        log_error("state_not_written", "file=%s reason=%s", LOG_STR(s->mirror->options.state_file),
                  LOG_STR(strerror(s->error)));
    }
    table_unref(&s->table);
    free(s);
}

static void
save_state(struct mirror *m)
{
    if (m->options.state_file == NULL) {
        return;
    }
    struct save *s = mem_zalloc(sizeof(*s));
    s->job.work = save;
    s->job.done = on_saved;
    s->mirror = m;
    s->table = table_ref(m->served);
    offload_run(m->options.saver, &s->job);
}

/* --- adoption --------------------------------------------------------------- */

static void
refuse(struct mirror *m, const char *code, const char *reason)
{
    metric_add(m->metrics, METRIC_ID_TABLES_REFUSED, 1);
    log_error("table_refused", "code=%s serving=%" PRIu64 " reason=%s", code,
              m->served != NULL ? m->served->epoch : 0, LOG_STR(reason));
}

/* Takes over the reference. */
static void
adopt(struct mirror *m, struct table *table)
{
    table_unref(&m->served);
    m->served = table;
    metric_add(m->metrics, METRIC_ID_TABLES_ADOPTED, 1);
    metric_set_value(m->metrics, METRIC_ID_EPOCH, table->epoch);
    log_info("table_adopted", "epoch=%" PRIu64 " by=%s reason=%s sha=%.12s", table->epoch,
             LOG_STR(table->by != NULL ? table->by : ""),
             LOG_STR(table->reason != NULL ? table->reason : ""), table->sha);
    /* Followers first: they have disks of their own. */
    m->events->adopted(m->arg, table);
    save_state(m);
}

static void
judge(struct mirror *m, struct table *next)
{
    if (strcmp(next->cluster, m->options.cluster) != 0) {
        refuse(m, table_verdict_name(TABLE_OTHER_CLUSTER), table_verdict_why(TABLE_OTHER_CLUSTER));
        table_unref(&next);
        return;
    }
    enum table_verdict verdict = table_judge_published(m->served, next);
    switch (verdict) {
    case TABLE_ADOPT:
        adopt(m, next);
        m->events->changed(m->arg);
        return;
    case TABLE_SAME: break;
    case TABLE_OLDER:
    case TABLE_CONFLICT:
    case TABLE_SHRINK:
    case TABLE_RING_CHANGE:
    case TABLE_MOVE_SKIP:
    case TABLE_OTHER_CLUSTER:
        refuse(m, table_verdict_name(verdict), table_verdict_why(verdict));
        break;
    }
    table_unref(&next);
}

struct parse {
    struct offload_job job; /* first */
    struct mirror *mirror;
    struct buf text;
    struct table *table;
    char error[TABLE_ERROR_MAX];
};

static void
parse(struct offload_job *job)
{
    struct parse *p = (struct parse *)job;
    p->table = table_parse(buf_span(&p->text), p->error);
}

static void
on_parsed(struct offload_job *job, bool worked)
{
    struct parse *p = (struct parse *)job;
    if (worked && p->table == NULL) {
        refuse(p->mirror, "parse", p->error);
    } else if (worked) {
        judge(p->mirror, p->table);
        p->table = NULL;
    }
    table_unref(&p->table);
    buf_deinit(&p->text);
    free(p);
}

/* Takes over what `text` holds. */
static void
begin_parse(struct mirror *m, struct buf *text)
{
    struct parse *p = mem_zalloc(sizeof(*p));
    p->job.work = parse;
    p->job.done = on_parsed;
    p->mirror = m;
    p->text = *text;
    *text = BUF_EMPTY;
    offload_run(m->options.parser, &p->job);
}

/* The sha that etcd's head names; NULL if there is none. */
static const char *
head_sha(const struct mirror *m)
{
    const struct inventory_item *head = inventory_single(&m->inventory, KEY_HEAD);
    return head != NULL ? json_string_value(json_object_get(head->json, "sha256")) : NULL;
}

/* Looks at the table in etcd if its head is another than last time. */
static void
look_at_head(struct mirror *m)
{
    const struct inventory_item *head = inventory_single(&m->inventory, KEY_HEAD);
    if (head == NULL || head->mod_revision == m->judged_head) {
        return;
    }
    m->judged_head = head->mod_revision;
    const char *sha = head_sha(m);
    if (m->served != NULL && sha != NULL && strcmp(sha, m->served->sha) == 0) {
        return;
    }
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    switch (document_join(&m->inventory, &text, error)) {
    case DOCUMENT_NONE: break;
    case DOCUMENT_INCOMPLETE: refuse(m, "incomplete", error); break;
    case DOCUMENT_DAMAGED: refuse(m, "damaged", error); break;
    case DOCUMENT_JOINED: begin_parse(m, &text); break;
    }
    buf_deinit(&text);
}

/* --- the watch's side --------------------------------------------------------- */

static struct inventory_kv
inventory_kv_of(const struct etcd_kv *kv)
{
    return (struct inventory_kv){kv->key, kv->value, kv->create_revision, kv->mod_revision,
                                 kv->lease};
}

static void
on_snapshot(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    struct mirror *m = arg;
    uint64_t now_ms = clock_mono_ms();
    inventory_begin(&m->inventory);
    for (size_t i = 0; i < count; i++) {
        struct inventory_kv kv = inventory_kv_of(&kvs[i]);
        inventory_put(&m->inventory, &kv, now_ms);
    }
    inventory_end(&m->inventory);
    m->judged_head = 0; /* what was refused is looked at again */
    m->dirty = true;
}

static void
on_event(void *arg, const struct watch_event *event)
{
    struct mirror *m = arg;
    struct inventory_kv kv = inventory_kv_of(&event->kv);
    switch (event->type) {
    case WATCH_PUT: m->dirty |= inventory_put(&m->inventory, &kv, clock_mono_ms()); break;
    case WATCH_DELETE: m->dirty |= inventory_delete(&m->inventory, kv.key); break;
    }
}

static void
on_synced(void *arg, int64_t revision)
{
    struct mirror *m = arg;
    if (!m->dirty) {
        return;
    }
    m->dirty = false;
    metric_set_value(m->metrics, METRIC_ID_MALFORMED, m->inventory.malformed);
    look_at_head(m);
    metric_set_value(m->metrics, METRIC_ID_REGRESSED, mirror_is_regressed(m));
    m->events->changed(m->arg);
}

static void
on_live(void *arg, bool live)
{
    struct mirror *m = arg;
    metric_set_value(m->metrics, METRIC_ID_VIEW_LIVE, live);
    if (live) {
        log_info("etcd_live", "revision=%" PRId64, watch_revision(m->watch));
    } else {
        log_warn("etcd_stale", "serving=%" PRIu64, m->served != NULL ? m->served->epoch : 0);
    }
    m->events->changed(m->arg);
}

/* Which table a listing holds, as far as the head says. */
static bool
head_in(const struct etcd_kv *kvs, size_t count, struct inventory *scratch,
        struct document_head *head)
{
    for (size_t i = 0; i < count; i++) {
        struct span name;
        enum key_family family = key_classify(kvs[i].key, &name);
        if (family == KEY_HEAD || family == KEY_META) {
            struct inventory_kv kv = inventory_kv_of(&kvs[i]);
            inventory_put(scratch, &kv, 0);
        }
    }
    const struct inventory_item *item = inventory_single(scratch, KEY_HEAD);
    return item != NULL && document_read_head(item->json, head);
}

/* A restored store is believed if it cannot contradict what is in use: nothing
 * is, an operator has given it a new incarnation, or its table is ahead or the
 * same. */
static bool
on_regressed(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    struct mirror *m = arg;
    struct inventory scratch;
    struct document_head head = {0};
    inventory_init(&scratch);
    bool has_head = head_in(kvs, count, &scratch, &head);
    const char *incarnation = inventory_incarnation(&scratch);
    bool believe =
        m->served == NULL ||
        (incarnation != NULL && strcmp(incarnation, m->served->incarnation) != 0) ||
        (has_head && (head.epoch > m->served->epoch || strcmp(head.sha, m->served->sha) == 0));
    LOG_LIMITED(1, LOG_ERROR, "store_regressed",
                "revision=%" PRId64 " head=%" PRIu64 " serving=%" PRIu64 " adopted=%d", revision,
                head.epoch, m->served != NULL ? m->served->epoch : 0, believe);
    inventory_deinit(&scratch);
    metric_set_value(m->metrics, METRIC_ID_REGRESSED, !believe);
    return believe;
}

/* --- outside --------------------------------------------------------------------- */

struct mirror *
mirror_create(const struct mirror_options *options, const struct mirror_events *events, void *arg,
              struct metric_block *metrics)
{
    struct mirror *m = mem_zalloc(sizeof(*m));
    m->options = *options;
    m->events = events;
    m->arg = arg;
    m->metrics = metrics;
    inventory_init(&m->inventory);
    if (options->state_file != NULL) {
        load_state(m);
    }
    if (m->served != NULL) {
        metric_set_value(metrics, METRIC_ID_EPOCH, m->served->epoch);
        log_info("state_table_loaded", "epoch=%" PRIu64 " sha=%.12s", m->served->epoch,
                 m->served->sha);
    }
    return m;
}

void
mirror_follow(struct mirror *m, struct etcd *client)
{
    static const struct watch_events events = {
        .snapshot = on_snapshot,
        .event = on_event,
        .synced = on_synced,
        .live = on_live,
        .regressed = on_regressed,
    };
    static const struct watch_options options = {0};
    m->watch = watch_create(client, &options, &events, m);
}

void
mirror_destroy(struct mirror **m)
{
    struct mirror *it = *m;
    if (it == NULL) {
        return;
    }
    watch_destroy(&it->watch);
    inventory_deinit(&it->inventory);
    table_unref(&it->served);
    free(it);
    *m = NULL;
}

const struct inventory *
mirror_inventory(const struct mirror *m)
{
    return &m->inventory;
}

struct table *
mirror_table(const struct mirror *m)
{
    return m->served;
}

bool
mirror_is_live(const struct mirror *m)
{
    return m->watch != NULL && watch_is_live(m->watch);
}

uint64_t
mirror_lag_ms(const struct mirror *m)
{
    return m->watch != NULL ? watch_quiet_ms(m->watch) : 0;
}

void
mirror_heard_of(struct mirror *m, const char *incarnation, uint64_t epoch)
{
    bool another = strcmp(m->heard_incarnation, incarnation) != 0;
    bool counts = m->served == NULL || strcmp(m->served->incarnation, incarnation) == 0;
    if (epoch == 0 || !counts || (!another && epoch <= m->heard_epoch)) {
        return;
    }
    snprintf(m->heard_incarnation, sizeof(m->heard_incarnation), "%s", incarnation);
    m->heard_epoch = epoch;
    metric_set_value(m->metrics, METRIC_ID_REGRESSED, mirror_is_regressed(m));
}

/* Is a newer table of this incarnation in use somewhere than `epoch`? */
static bool
heard_of_newer(const struct mirror *m, const char *incarnation, uint64_t epoch)
{
    return incarnation != NULL && strcmp(m->heard_incarnation, incarnation) == 0 &&
           m->heard_epoch > epoch;
}

/* The epoch that etcd's head has in this incarnation; 0: there is none. */
static uint64_t
head_epoch(const struct mirror *m, const char *incarnation)
{
    const struct inventory_item *item = inventory_single(&m->inventory, KEY_HEAD);
    struct document_head head;
    if (item == NULL || !document_read_head(item->json, &head) || incarnation == NULL ||
        strcmp(head.incarnation, incarnation) != 0) {
        return 0;
    }
    return head.epoch;
}

bool
mirror_is_regressed(const struct mirror *m)
{
    if (m->watch != NULL && watch_is_regressed(m->watch)) {
        return true;
    }
    const char *incarnation = inventory_incarnation(&m->inventory);
    if (incarnation == NULL) {
        return false; /* nothing was heard of etcd yet, or it is empty */
    }
    uint64_t in_etcd = head_epoch(m, incarnation);
    bool ours = m->served != NULL && strcmp(m->served->incarnation, incarnation) == 0;
    bool behind = ours && m->served->epoch > in_etcd;
    bool other = ours && m->served->epoch == in_etcd && strcmp(head_sha(m), m->served->sha) != 0;
    return behind || other || heard_of_newer(m, incarnation, in_etcd);
}

bool
mirror_base(const struct mirror *m, const struct table **base, const char **why)
{
    *why = "the view of etcd is not current";
    if (!mirror_is_live(m)) {
        return false;
    }
    *why = "etcd is behind a table that is in use: it was restored from a backup";
    if (mirror_is_regressed(m)) {
        return false;
    }
    const struct inventory_item *head = inventory_single(&m->inventory, KEY_HEAD);
    const char *incarnation = inventory_incarnation(&m->inventory);
    bool ours = m->served != NULL && incarnation != NULL &&
                strcmp(m->served->incarnation, incarnation) == 0;
    *base = ours ? m->served : NULL;
    if (head == NULL && !ours) {
        return true;
    }
    *why = "the table in etcd is not the one that is served";
    const char *sha = head_sha(m);
    return ours && sha != NULL && strcmp(sha, m->served->sha) == 0;
}
