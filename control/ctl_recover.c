/* mfctl recover - what an operator does when etcd was restored from a backup.
 *
 * The store is behind tables that are in use, so nobody believes it. A new
 * incarnation says that its epochs begin anew; the table is the newest that is
 * left anywhere: the last-known-good in the state folder of an mfcontrol or a
 * proxy, or, if the membership of the backup is good enough, the one in etcd. */
#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "control/ctl.h"
#include "control/ctl_table.h"
#include "control/table_txn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH_LEAP 1000 /* beyond what was published and lost */

/* clang-format off */
#define RECOVER_OPTIONS(X)                                                                         \
    X(0, "table",  STRING, table,  "FILE", NULL,                                                   \
      "the newest table that is left, e.g. STATE-DIR/table of an mfcontrol (the one in etcd if not given)") \
    X(0, "force",  BOOL,   force,  "",     NULL,                                                   \
      "followers shall take it even if it removes more than a tenth of a pool they know; it may be " \
      "another cluster's, too")                                                                    \
    X(0, "by",     STRING, by,     "NAME", NULL, "who gives the order (user@host if not given)")   \
    X(0, "reason", STRING, reason, "TEXT", NULL, "why")
/* clang-format on */

struct recover_options {
    RECOVER_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct recover_options
static const struct option_row rows[] = {RECOVER_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .usage = "[OPTION]...",
    .summary = "Followers then take the table, whatever epoch they are at.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

struct recovery {
    struct inventory inv;
    struct table *newest;
    char *incarnation;
    uint64_t epoch;
    struct document document;
};

/* The table once more, under the new incarnation and beyond every epoch that
 * anybody can know of. */
static bool
compose_document(const struct ctl *ctl, struct recovery *r, const struct recover_options *o)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    char *by = o->by != NULL ? mem_strdup(o->by) : ctl_whoami();
    char *reason = mem_printf("recovered%s%s", o->reason != NULL ? ": " : "",
                              o->reason != NULL ? o->reason : "");
    struct table draft = *r->newest;
    draft.cluster = ctl->options.cluster;
    draft.incarnation = r->incarnation;
    draft.epoch = r->epoch;
    draft.min_epoch = 0;
    draft.force = o->force;
    draft.by = by;
    draft.reason = reason;
    bool ok =
        table_build(&draft, &text, error) && document_split(buf_span(&text), &r->document, error);
    if (!ok) {
        ctl_complain(ctl, "%s", error);
    }
    free(by);
    free(reason);
    buf_deinit(&text);
    return ok;
}

static struct etcd_txn *
compose_txn(const struct recovery *r)
{
    const struct inventory_item *meta = inventory_single(&r->inv, KEY_META);
    json_t *json = json_deep_copy(meta->json);
    json_object_set_new(json, "incarnation", json_string(r->incarnation));
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    struct etcd_txn *txn = etcd_txn_create();
    table_txn_put(txn, &r->inv, &r->document, r->epoch);
    etcd_txn_put(txn, ETCD_THEN, span_cstr(key_path(KEY_META)), span_cstr(text), 0);
    free(text);
    json_decref(json);
    return txn;
}

static enum ctl_exit
write_recovery(struct ctl *ctl, const struct recovery *r)
{
    char error[DOCUMENT_ERROR_MAX];
    struct etcd_txn *txn = compose_txn(r);
    enum ctl_exit status = CTL_NO;
    if (!table_txn_fits(txn, error)) {
        ctl_complain(ctl, "%s", error);
    } else {
        const struct etcd_reply *reply = etcd_sync_commit(ctl->etcd, txn);
        status = ctl_check(ctl, reply);
        if (status == CTL_OK && !reply->succeeded) {
            ctl_complain(ctl, "the table or the cluster's identity changed meanwhile: look and "
                              "try again");
            status = CTL_NO;
        }
    }
    etcd_txn_destroy(&txn);
    return status;
}

/* A file from another cluster's folder would send all keys to that one's nodes. */
static bool
is_ours(const struct ctl *ctl, const struct table *newest, bool force)
{
    if (force || newest->cluster[0] == '\0' || strcmp(newest->cluster, ctl->options.cluster) == 0) {
        return true;
    }
    ctl_complain(ctl, "that is a table of cluster '%s': say --force if you mean it",
                 newest->cluster);
    return false;
}

static enum ctl_exit
recover(struct ctl *ctl, struct recovery *r, const struct recover_options *o)
{
    struct table *in_etcd = ctl_load_table_if_any(ctl, &r->inv);
    r->newest = o->table != NULL ? ctl_table_from_file(ctl, o->table) : in_etcd;
    if (r->newest == NULL) {
        ctl_complain(ctl, "expected a table in etcd or in --table FILE");
        table_unref(&in_etcd);
        return CTL_NO;
    }
    uint64_t other = in_etcd != NULL ? in_etcd->epoch : 0;
    r->epoch = (r->newest->epoch > other ? r->newest->epoch : other) + EPOCH_LEAP;
    r->incarnation = ctl_random_id();
    enum ctl_exit status = CTL_NO;
    if (is_ours(ctl, r->newest, o->force) && compose_document(ctl, r, o)) {
        status = write_recovery(ctl, r);
    }
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(
            json_pack("{s:s s:I}", "incarnation", r->incarnation, "epoch", (json_int_t)r->epoch));
    } else if (status == CTL_OK) {
        printf("cluster %s has incarnation %s and epoch %" PRIu64 "\n", ctl->options.cluster,
               r->incarnation, r->epoch);
    }
    if (r->newest != in_etcd) {
        table_unref(&r->newest);
    }
    table_unref(&in_etcd);
    document_deinit(&r->document);
    free(r->incarnation);
    return status;
}

enum ctl_exit
ctl_recover(struct ctl *ctl, int argc, char **argv)
{
    struct recover_options o;
    struct ctl_arguments none;
    struct recovery r = {0};
    enum ctl_exit status = ctl_parse(ctl, &table, argc, argv, &o, 0, &none);
    if (status != CTL_OK) {
        return status;
    }
    status = ctl_load(ctl, &r.inv);
    if (status == CTL_OK) {
        status = recover(ctl, &r, &o);
        inventory_deinit(&r.inv);
    }
    options_deinit(&table, &o);
    return status;
}
