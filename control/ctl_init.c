/* mfctl init - the cluster's identity. */
#include "common/core/mem.h"
#include "control/ctl.h"
#include "control/document.h"
#include "control/etcd/txn.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define INIT_OPTIONS(X)                                                                            \
    X(0, "by",     STRING, by,     "NAME", NULL, "who gives the order (user@host if not given)")   \
    X(0, "reason", STRING, reason, "TEXT", NULL, "why")
/* clang-format on */

struct init_options {
    INIT_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct init_options
static const struct option_row rows[] = {INIT_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .usage = "[OPTION]...",
    .summary = "Makes a cluster in an etcd that has none of that name.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static char *
compose_meta(const char *uuid, const char *incarnation, const char *by, const char *reason)
{
    json_t *json = json_pack("{s:i s:s s:s s:s s:s}", "schema", DOCUMENT_SCHEMA, "uuid", uuid,
                             "incarnation", incarnation, "by", by, "reason", reason);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

/* The first write of a cluster: only if there is nothing. */
static enum ctl_exit
create(struct ctl *ctl, const char *text)
{
    struct span key = span_cstr(key_path(KEY_META));
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_if_absent(txn, key);
    etcd_txn_put(txn, ETCD_THEN, key, span_cstr(text), 0);
    const struct etcd_reply *reply = etcd_sync_commit(ctl->etcd, txn);
    etcd_txn_destroy(&txn);
    if (reply->outcome == ETCD_OK && reply->succeeded) {
        return CTL_OK;
    }
    if (reply->outcome == ETCD_OK || reply->outcome == ETCD_AMBIGUOUS) {
        reply = etcd_sync_get(ctl->etcd, key);
        if (reply->outcome == ETCD_OK && reply->kv_count == 1) {
            if (span_eq_cstr(reply->kvs[0].value, text)) {
                return CTL_OK; /* the answer was lost, the write was not */
            }
            ctl_complain(ctl, "cluster '%s' exists already: %.*s", ctl->options.cluster,
                         SPAN_FMT(reply->kvs[0].value));
            return CTL_NO;
        }
    }
    enum ctl_exit status = ctl_check(ctl, reply);
    return status != CTL_OK ? status : CTL_UNAVAILABLE;
}

enum ctl_exit
ctl_init(struct ctl *ctl, int argc, char **argv)
{
    struct init_options o;
    struct ctl_arguments none;
    enum ctl_exit status = ctl_parse(ctl, &table, argc, argv, &o, 0, &none);
    if (status != CTL_OK) {
        return status;
    }
    char *uuid = ctl_random_id(), *incarnation = ctl_random_id();
    char *by = o.by != NULL ? mem_strdup(o.by) : ctl_whoami();
    char *text = compose_meta(uuid, incarnation, by, o.reason != NULL ? o.reason : "");
    if (text == NULL) {
        ctl_complain(ctl, "expected --by and --reason in UTF-8");
        status = CTL_USAGE;
    } else {
        status = create(ctl, text);
    }
    if (status == CTL_OK && ctl->options.json) {
        ctl_print_json(json_loads(text, 0, NULL));
    } else if (status == CTL_OK) {
        printf("cluster %s is made, incarnation %s\n", ctl->options.cluster, incarnation);
    }
    free(text);
    free(by);
    free(incarnation);
    free(uuid);
    options_deinit(&table, &o);
    return status;
}
