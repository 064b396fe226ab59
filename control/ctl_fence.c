/* mfctl fence - shuts proxies out that go by an old table: nodes refuse whoever goes
 * by an epoch below `min_epoch`.
 *
 * In etcd that is an order, which the leader follows with its next table; with --table
 * the next table is made of a file. It never falls within an incarnation, because
 * nodes would not let it. */
#include "control/ctl.h"
#include "control/ctl_table.h"
#include "control/fence_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define FENCE_OPTIONS(X)                                                                           \
    X(0, "min-epoch", NUMBER, min_epoch, "EPOCH", "",                                              \
      "refuse who goes by an older one; all others should have acknowledged it (the table's own if not given)") \
    X(0, "table",     STRING, table,     "FILE",  NULL,                                            \
      "print the table that follows this one, instead of ordering it in etcd")                     \
    X(0, "by",        STRING, by,        "NAME",  NULL, "who gives the order (user@host if not given)") \
    X(0, "reason",    STRING, reason,    "TEXT",  NULL, "why")
/* clang-format on */

struct fence_options {
    FENCE_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct fence_options
static const struct option_row rows[] = {FENCE_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .usage = "[OPTION]...",
    .summary = "Nodes then refuse proxies that go by an older table, until they get a newer one.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

/* What the order is, if it is none that goes backwards. */
static enum ctl_exit
read_order(const struct ctl *ctl, const struct fence_options *o, const struct table *t,
           uint64_t ordered, struct fence_order *out)
{
    uint64_t least = t->min_epoch > ordered ? t->min_epoch : ordered;
    uint64_t wanted = o->min_epoch != OPTION_NOT_GIVEN ? o->min_epoch : t->epoch;
    if (wanted > t->epoch) {
        ctl_complain(ctl,
                     "expected --min-epoch of at most %" PRIu64
                     ", the table's epoch: nobody goes by a later one yet",
                     t->epoch);
        return CTL_NO;
    }
    if (wanted < least) {
        ctl_complain(ctl,
                     "min_epoch is %" PRIu64 " and cannot go back to %" PRIu64
                     ": nodes go on refusing who goes by less",
                     least, wanted);
        return CTL_NO;
    }
    out->min_epoch = wanted;
    out->by = o->by;
    out->reason = o->reason != NULL ? o->reason : "";
    return CTL_OK;
}

/* --- a table in a file --------------------------------------------------------------- */

/* The whole document as it is, members that this build does not know included. */
static bool
put_next(const struct ctl *ctl, const struct table *t, const struct fence_order *order)
{
    struct span text = buf_span(&t->document);
    char error[TABLE_ERROR_MAX];
    json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
    json_object_set_new(json, "epoch", json_integer((json_int_t)(t->epoch + 1)));
    json_object_set_new(json, "min_epoch", json_integer((json_int_t)order->min_epoch));
    bool words = json_object_set_new(json, "by", json_string(order->by)) == 0 &&
                 json_object_set_new(json, "reason", json_string(order->reason)) == 0;
    char *next = words ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    struct table *checked = next != NULL ? table_parse(span_cstr(next), error) : NULL;
    if (next == NULL) {
        ctl_complain(ctl, "expected every argument in UTF-8");
    } else if (checked == NULL) {
        ctl_complain(ctl, "%s", error);
    } else {
        puts(next);
    }
    bool done = checked != NULL;
    table_unref(&checked);
    free(next);
    return done;
}

static enum ctl_exit
fence_file(struct ctl *ctl, const struct fence_options *o)
{
    struct fence_order order = {0};
    struct table *t = ctl_table_from_file(ctl, o->table);
    enum ctl_exit status = t == NULL ? CTL_NO : read_order(ctl, o, t, 0, &order);
    if (status == CTL_OK && !put_next(ctl, t, &order)) {
        status = CTL_NO;
    }
    table_unref(&t);
    return status;
}

/* --- the cluster's ------------------------------------------------------------------- */

static void
tell(struct ctl *ctl, uint64_t min_epoch, bool is_new)
{
    if (ctl->options.json) {
        ctl_print_json(
            json_pack("{s:I s:b}", "min_epoch", (json_int_t)min_epoch, "ordered", is_new));
        return;
    }
    printf("min_epoch of cluster %s is %s %" PRIu64 "\n", ctl->options.cluster,
           is_new ? "ordered to be" : "already", min_epoch);
    if (is_new) {
        ctl_print_refusals(ctl);
    }
}

static enum ctl_exit
fence_cluster(struct ctl *ctl, const struct fence_options *o, const struct inventory *inv)
{
    struct fence_order order = {0};
    struct table *t = NULL;
    enum ctl_exit status = ctl_load_table(ctl, inv, &t);
    if (status == CTL_OK) {
        status = read_order(ctl, o, t, fence_order_read(inv).min_epoch, &order);
    }
    if (status == CTL_OK && order.min_epoch > t->min_epoch) {
        status = ctl_write(ctl, inv, key_make(KEY_CLUSTER, SPAN_LIT("")),
                           inventory_single(inv, KEY_CLUSTER), fence_order_put(inv, &order));
    }
    if (status == CTL_OK) {
        tell(ctl, order.min_epoch, order.min_epoch > t->min_epoch);
    }
    table_unref(&t);
    return status;
}

enum ctl_exit
ctl_fence(struct ctl *ctl, int argc, char **argv)
{
    struct fence_options o;
    struct ctl_arguments none;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, &table, argc, argv, &o, 0, &none);
    if (status != CTL_OK) {
        return status;
    }
    o.by = o.by != NULL ? o.by : ctl_whoami();
    if (o.table != NULL) {
        status = fence_file(ctl, &o);
    } else if (!ctl_connect(ctl)) {
        status = CTL_USAGE;
    } else {
        status = ctl_load(ctl, &inv);
        if (status == CTL_OK) {
            status = fence_cluster(ctl, &o, &inv);
            inventory_deinit(&inv);
        }
    }
    options_deinit(&table, &o);
    return status;
}
