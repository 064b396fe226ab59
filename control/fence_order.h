/* fence_order.h - an operator's order that proxies below an epoch be refused
 * (mfctl fence), as it lies in config/cluster:
 *
 *     "fence": {"min_epoch": EPOCH, "incarnation": of which, "by": ..., "reason": ...}
 *
 * It holds for the incarnation that it was given in. Pure. */
#pragma once
#include "control/inventory.h"

struct fence_order {
    uint64_t min_epoch; /* 0: there is none for this incarnation */
    const char *by, *reason;
};

/* The strings are the inventory's. */
struct fence_order fence_order_read(const struct inventory *inv);

/* What config/cluster becomes by such an order; NULL if a word is not UTF-8. */
json_t *fence_order_put(const struct inventory *inv, const struct fence_order *order);

#define FENCE_ORDER_ERROR_MAX 256
/* The next table's min_epoch, which only rises. True if it does; `why` (so many bytes)
 * then says by whom, or else what cannot be followed, or "". */
bool fence_order_plan(const struct inventory *inv, const struct table *current, struct table *draft,
                      char *why);
