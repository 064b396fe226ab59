#include "control/fence_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *
word(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

struct fence_order
fence_order_read(const struct inventory *inv)
{
    const struct inventory_item *config = inventory_single(inv, KEY_CLUSTER);
    const char *incarnation = inventory_incarnation(inv);
    const json_t *fence = config != NULL ? json_object_get(config->json, "fence") : NULL;
    json_int_t min_epoch = json_integer_value(json_object_get(fence, "min_epoch"));
    if (min_epoch <= 0 || incarnation == NULL ||
        strcmp(word(fence, "incarnation"), incarnation) != 0) {
        return (struct fence_order){0, "", ""};
    }
    return (struct fence_order){(uint64_t)min_epoch, word(fence, "by"), word(fence, "reason")};
}

json_t *
fence_order_put(const struct inventory *inv, const struct fence_order *order)
{
    const struct inventory_item *before = inventory_single(inv, KEY_CLUSTER);
    json_t *fence =
        json_pack("{s:I s:s s:s s:s}", "min_epoch", (json_int_t)order->min_epoch, "incarnation",
                  inventory_incarnation(inv), "by", order->by, "reason", order->reason);
    if (fence == NULL) {
        return NULL;
    }
    json_t *json = before != NULL ? json_deep_copy(before->json) : json_object();
    json_object_set_new(json, "fence", fence);
    return json;
}

/* Orders are given for a table that there was. */
bool
fence_order_plan(const struct inventory *inv, const struct table *current, struct table *draft,
                 char *why)
{
    struct fence_order order = fence_order_read(inv);
    draft->min_epoch = current != NULL ? current->min_epoch : 0;
    why[0] = '\0';
    if (order.min_epoch <= draft->min_epoch) {
        return false;
    }
    if (current == NULL || order.min_epoch > current->epoch) {
        snprintf(why, FENCE_ORDER_ERROR_MAX, "min_epoch %" PRIu64 " is above the table's epoch",
                 order.min_epoch);
        return false;
    }
    draft->min_epoch = order.min_epoch;
    snprintf(why, FENCE_ORDER_ERROR_MAX, "min_epoch %" PRIu64 " by %s: %s", order.min_epoch,
             order.by, order.reason);
    return true;
}
