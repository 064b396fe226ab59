/* mfctl status, mfctl nodes - what etcd and the table say about the fleet. */
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "control/ctl.h"
#include "control/planner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- where a node stands ---------------------------------------------------------- */

/* clang-format off */
#define STANDINGS(X)                                                                               \
    X(SERVING, "registered")   /* in the table, its lease is alive */                              \
    X(LEAVING, "leaving")      /* in the table, said goodbye */                                    \
    X(LOST,    "lost")         /* in the table, no registration */                                 \
    X(MUTE,    "admitted")     /* in the table by an operator's order: does not register */        \
    X(WAITING, "waiting")      /* registered or admitted, not in the table */
/* clang-format on */
enum standing {
#define X(id, name) STANDING_##id,
    STANDINGS(X)
#undef X
        STANDING_COUNT,
};
static const char *const standing_names[] = {
#define X(id, name) name,
    STANDINGS(X)
#undef X
};

static enum standing
standing_of(const struct inventory *inv, const struct table_node *node)
{
    struct span id = span_cstr(node->id);
    const struct inventory_item *intent = inventory_find(inv, KEY_INTENT, id);
    if (inventory_find(inv, KEY_NODE, id) != NULL) {
        return STANDING_SERVING;
    }
    if (inventory_find(inv, KEY_LEAVING, id) != NULL) {
        return STANDING_LEAVING;
    }
    return intent != NULL && intent->registration != NULL ? STANDING_MUTE : STANDING_LOST;
}

static bool
is_in_table(const struct table *table, const char *id)
{
    for (unsigned p = 0; table != NULL && p < table->pool_count; p++) {
        for (unsigned n = 0; n < table->pools[p].node_count; n++) {
            if (strcmp(table->pools[p].nodes[n].id, id) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* --- nodes ------------------------------------------------------------------------ */

typedef void node_fn(void *arg, const char *pool, const char *id, const char *addr,
                     const char *zone, enum standing standing);

static void
each_waiting(const struct inventory *inv, const struct table *table, enum key_family family,
             node_fn *fn, void *arg)
{
    for (unsigned i = 0; i < inventory_count(inv, family); i++) {
        const struct registration *r = inventory_at(inv, family, i)->registration;
        if (r != NULL && !is_in_table(table, r->id)) {
            fn(arg, r->pool, r->id, r->addr, r->zone, STANDING_WAITING);
        }
    }
}

/* `table` may be NULL. */
static void
each_node(const struct inventory *inv, const struct table *table, node_fn *fn, void *arg)
{
    for (unsigned p = 0; table != NULL && p < table->pool_count; p++) {
        const struct table_pool *pool = &table->pools[p];
        for (unsigned n = 0; n < pool->node_count; n++) {
            const struct table_node *node = &pool->nodes[n];
            fn(arg, pool->name, node->id, node->addr, node->zone, standing_of(inv, node));
        }
    }
    each_waiting(inv, table, KEY_NODE, fn, arg);
    each_waiting(inv, table, KEY_INTENT, fn, arg);
}

static void
print_node(void *arg, const char *pool, const char *id, const char *addr, const char *zone,
           enum standing standing)
{
    printf("%-16s %-24s %-28s %-10s %s\n", pool, id, addr, standing_names[standing], zone);
}

static void
add_node(void *arg, const char *pool, const char *id, const char *addr, const char *zone,
         enum standing standing)
{
    json_array_append_new(arg, json_pack("{s:s s:s s:s s:s s:s}", "pool", pool, "id", id, "addr",
                                         addr, "zone", zone, "standing", standing_names[standing]));
}

enum ctl_exit
ctl_nodes(struct ctl *ctl, int argc, char **argv)
{
    struct inventory inv;
    enum ctl_exit status = ctl_look(ctl, argc, argv, &inv);
    if (status != CTL_OK) {
        return status;
    }
    struct table *table = ctl_load_table_if_any(ctl, &inv); /* without, some may wait for one */
    if (ctl->options.json) {
        json_t *array = json_array();
        each_node(&inv, table, add_node, array);
        ctl_print_json(array);
    } else {
        printf("%-16s %-24s %-28s %-10s %s\n", "POOL", "NODE", "ADDRESS", "STANDING", "ZONE");
        each_node(&inv, table, print_node, NULL);
    }
    table_unref(&table);
    inventory_deinit(&inv);
    return CTL_OK;
}

/* --- status ------------------------------------------------------------------------- */

struct counts {
    unsigned of[STANDING_COUNT];
};

static void
count_node(void *arg, const char *pool, const char *id, const char *addr, const char *zone,
           enum standing standing)
{
    ((struct counts *)arg)->of[standing]++;
}

/* Asks every endpoint; returns a row for each. */
static json_t *
ask_endpoints(struct ctl *ctl, bool *healthy)
{
    json_t *array = json_array();
    const struct etcd *client = etcd_sync_client(ctl->etcd);
    for (size_t i = 0; i < etcd_endpoint_count(client); i++) {
        const struct etcd_reply *reply = etcd_sync_status_of(ctl->etcd, i);
        bool good = reply->outcome == ETCD_OK && reply->status->has_leader;
        json_t *row = json_pack("{s:s s:b}", "url", etcd_endpoint_url(client, i), "healthy", good);
        if (reply->outcome == ETCD_OK) {
            json_object_set_new(row, "version", json_string(reply->status->version));
            json_object_set_new(row, "db_bytes", json_integer(reply->status->db_bytes));
            json_object_set_new(row, "leads", json_boolean(reply->status->is_leader));
        } else {
            json_object_set_new(row, "error", json_string(reply->error));
        }
        json_array_append_new(array, row);
        *healthy &= good;
    }
    return array;
}

static json_t *
count_nodes(const struct inventory *inv, const struct table *table)
{
    struct counts counts = {{0}};
    json_t *json = json_object();
    each_node(inv, table, count_node, &counts);
    for (unsigned i = 0; i < STANDING_COUNT; i++) {
        json_object_set_new(json, standing_names[i], json_integer(counts.of[i]));
    }
    return json;
}

static json_t *
describe_table(const struct table *table)
{
    if (table == NULL) {
        return json_null();
    }
    json_t *pools = json_object();
    for (unsigned i = 0; i < table->pool_count; i++) {
        json_object_set_new(pools, table->pools[i].name, json_integer(table->pools[i].node_count));
    }
    return json_pack("{s:I s:I s:s s:s s:s s:o}", "epoch", (json_int_t)table->epoch, "min_epoch",
                     (json_int_t)table->min_epoch, "sha", table->sha, "by",
                     table->by != NULL ? table->by : "", "reason",
                     table->reason != NULL ? table->reason : "", "pools", pools);
}

/* Pools that were ordered and are in no table yet, and from how many nodes on they will be. */
static json_t *
list_pools_to_come(const struct inventory *inv, const struct table *table)
{
    json_t *pools = json_object();
    for (unsigned i = 0; i < inventory_count(inv, KEY_POOL); i++) {
        const struct inventory_item *item = inventory_at(inv, KEY_POOL, i);
        if (table == NULL || table_pool_find(table, span_cstr(item->name)) == NULL) {
            json_object_set_new(pools, item->name, json_integer((json_int_t)item->pool->min_nodes));
        }
    }
    return pools;
}

static json_t *
list_servers(const struct inventory *inv)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < inventory_count(inv, KEY_SERVER); i++) {
        const struct inventory_item *item = inventory_at(inv, KEY_SERVER, i);
        json_array_append_new(array, json_pack("{s:s s:O?}", "id", item->name, "addr",
                                               json_object_get(item->json, "addr")));
    }
    return array;
}

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static json_int_t
number_of(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static void
print_endpoints(const json_t *endpoints)
{
    size_t i;
    json_t *row;
    json_array_foreach (endpoints, i, row) {
        const char *error = text_of(row, "error");
        printf("etcd         %s  %s", text_of(row, "url"),
               json_is_true(json_object_get(row, "healthy")) ? "healthy" : "NOT HEALTHY");
        if (error[0] != '\0') {
            printf(": %s\n", error);
        } else {
            printf(", %s, %" JSON_INTEGER_FORMAT " KB%s\n", text_of(row, "version"),
                   number_of(row, "db_bytes") / 1024,
                   json_is_true(json_object_get(row, "leads")) ? ", leads" : "");
        }
    }
}

static void
print_pool(const char *before, const char *name, json_int_t nodes, const char *behind)
{
    printf("pool         %s: %s%" JSON_INTEGER_FORMAT " node%s%s\n", name, before, nodes,
           nodes == 1 ? "" : "s", behind);
}

static void
print_status(const json_t *json)
{
    const json_t *leader = json_object_get(json, "leader");
    const json_t *table = json_object_get(json, "table");
    const json_t *nodes = json_object_get(json, "nodes");
    size_t i;
    json_t *row;
    const char *name;
    printf("cluster      %s, incarnation %s\n", text_of(json, "cluster"),
           text_of(json, "incarnation"));
    print_endpoints(json_object_get(json, "etcd"));
    if (json_is_object(leader)) {
        printf("leader       %s at %s\n", text_of(leader, "id"), text_of(leader, "address"));
    } else {
        printf("leader       NONE: no mfcontrol is running, or none sees etcd\n");
    }
    json_array_foreach (json_object_get(json, "mfcontrols"), i, row) {
        printf("mfcontrol    %s at %s\n", text_of(row, "id"), text_of(row, "addr"));
    }
    if (json_is_object(table)) {
        printf("table        epoch %" JSON_INTEGER_FORMAT ", sha %.12s: %s\n",
               number_of(table, "epoch"), text_of(table, "sha"), text_of(table, "reason"));
    } else {
        printf("table        none yet\n");
    }
    if (number_of(table, "min_epoch") > 0) {
        printf("min_epoch    %" JSON_INTEGER_FORMAT "\n", number_of(table, "min_epoch"));
    }
    json_object_foreach (json_object_get(table, "pools"), name, row) {
        print_pool("", name, json_integer_value(row), "");
    }
    json_object_foreach (json_object_get(json, "pools_to_come"), name, row) {
        print_pool("not served yet, from ", name, json_integer_value(row), " on");
    }
    printf("nodes       ");
    json_object_foreach ((json_t *)nodes, name, row) {
        if (json_integer_value(row) > 0) {
            printf(" %" JSON_INTEGER_FORMAT " %s", json_integer_value(row), name);
        }
    }
    printf("\n");
    if (text_of(json, "not_followed")[0] != '\0') {
        printf("not followed %s\n", text_of(json, "not_followed"));
    }
}

/* Plans as the leader does; what it cannot follow, "" if nothing. The caller's to free. */
static char *
refusals_of(const struct ctl *ctl, const struct inventory *inv, const struct table *table)
{
    struct plan plan;
    plan_make(inv, table, ctl->options.cluster, "mfctl", clock_mono_ms(), &plan);
    char *refusals = mem_strdup(plan.refusals);
    plan_deinit(&plan);
    return refusals;
}

void
ctl_print_refusals(struct ctl *ctl)
{
    struct inventory inv;
    if (ctl_load(ctl, &inv) != CTL_OK) {
        return;
    }
    struct table *table = ctl_load_table_if_any(ctl, &inv);
    char *refusals = refusals_of(ctl, &inv, table);
    if (refusals[0] != '\0') {
        printf("not followed %s\n", refusals);
    }
    free(refusals);
    table_unref(&table);
    inventory_deinit(&inv);
}

enum ctl_exit
ctl_status(struct ctl *ctl, int argc, char **argv)
{
    struct inventory inv;
    bool healthy = true;
    enum ctl_exit status = ctl_look(ctl, argc, argv, &inv);
    if (status != CTL_OK) {
        return status;
    }
    struct table *table = ctl_load_table_if_any(ctl, &inv);
    const struct inventory_item *leader = inventory_single(&inv, KEY_LEADER);
    json_t *json =
        json_pack("{s:s s:s s:o s:O? s:o s:o s:o}", "cluster", ctl->options.cluster, "incarnation",
                  inventory_incarnation(&inv), "etcd", ask_endpoints(ctl, &healthy), "leader",
                  leader != NULL ? leader->json : NULL, "mfcontrols", list_servers(&inv), "table",
                  describe_table(table), "nodes", count_nodes(&inv, table));
    json_object_set_new(json, "pools_to_come", list_pools_to_come(&inv, table));
    char *refusals = refusals_of(ctl, &inv, table);
    json_object_set_new(json, "not_followed", json_string(refusals));
    free(refusals);
    if (ctl->options.json) {
        ctl_print_json(json);
    } else {
        print_status(json);
        json_decref(json);
    }
    table_unref(&table);
    inventory_deinit(&inv);
    return healthy && leader != NULL ? CTL_OK : CTL_NO;
}
