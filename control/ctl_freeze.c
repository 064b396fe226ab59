/* mfctl freeze, mfctl thaw - the stop button. */
#include "common/core/mem.h"
#include "control/ctl.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define FREEZE_OPTIONS(X)                                                                          \
    X(0, "by",     STRING, by,     "NAME", NULL, "who gives the order (user@host if not given)")   \
    X(0, "reason", STRING, reason, "TEXT", NULL, "why")
/* clang-format on */

struct freeze_options {
    FREEZE_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct freeze_options
static const struct option_row rows[] = {FREEZE_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .usage = "[OPTION]...",
    .summary = "While frozen, no node joins, moves or leaves and no setting changes; what was\n"
               "ordered or registered meanwhile follows when it thaws.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static enum ctl_exit
set_frozen(struct ctl *ctl, int argc, char **argv, bool frozen)
{
    struct freeze_options o;
    struct ctl_arguments none;
    struct inventory inv;
    enum ctl_exit status = ctl_parse(ctl, &table, argc, argv, &o, 0, &none);
    if (status != CTL_OK) {
        return status;
    }
    status = ctl_load(ctl, &inv);
    if (status == CTL_OK) {
        const struct inventory_item *before = inventory_single(&inv, KEY_CLUSTER);
        json_t *json = before != NULL ? json_deep_copy(before->json) : json_object();
        char *by = o.by != NULL ? mem_strdup(o.by) : ctl_whoami();
        json_object_set_new(json, "frozen", json_boolean(frozen));
        json_object_set_new(json, "by", json_string(by));
        json_object_set_new(json, "reason", json_string(o.reason != NULL ? o.reason : ""));
        free(by);
        status =
            ctl_write(ctl, &inv, key_make(KEY_CLUSTER, SPAN_LIT("")), before, json_incref(json));
        if (status == CTL_OK && ctl->options.json) {
            ctl_print_json(json_incref(json));
        }
        json_decref(json);
        inventory_deinit(&inv);
    }
    if (status == CTL_OK && !ctl->options.json) {
        printf("cluster %s is %s\n", ctl->options.cluster, frozen ? "frozen" : "not frozen");
    }
    options_deinit(&table, &o);
    return status;
}

enum ctl_exit
ctl_freeze(struct ctl *ctl, int argc, char **argv)
{
    return set_frozen(ctl, argc, argv, true);
}

enum ctl_exit
ctl_thaw(struct ctl *ctl, int argc, char **argv)
{
    return set_frozen(ctl, argc, argv, false);
}
