/* planner.h - which table should come after the one in use? Pure: a function of
 * the inventory, the table and the time.
 *
 *     who offers itself            what happens
 *     ------------------------------------------------------------------------
 *     registered or admitted,      joins as active; its ring_name is what it
 *       not in the table             asks for, or its address, and stays
 *     in the table, other address  the address is replaced, placement stays
 *     registration gone            nothing: a lost lease changes no ring
 *     an intent to remove it       leaves, within the shrink budget or by force
 *     routes ordered otherwise     they are followed once all their pools are there
 *     min_epoch ordered            it is raised; it never falls
 *
 * Joins are gathered: a table that moves keys once is cheaper than three that do
 * so one after another. A pool appears first with its min_nodes. What cannot be
 * followed (an address that is another node's, a ring changed without force, a
 * pool that nobody ordered) is named in `refusals` and the rest goes on. While
 * the cluster is frozen, nothing does. */
#pragma once
#include "control/inventory.h"

#define PLAN_SETTLE_MS     300  /* after the last join */
#define PLAN_SETTLE_MAX_MS 2000 /* after the first */
#define PLAN_SHRINK_SHARE  10   /* without force a tenth of a pool may leave at once */
#define PLAN_POOLS_MAX     64   /* that one table changes: a publication is one small transaction */
#define PLAN_TEXT_MAX      TABLE_ERROR_MAX

enum plan_outcome {
    PLAN_NOTHING, /* the table says what the inventory says */
    PLAN_WAIT,    /* ask again in wait_ms */
    PLAN_PUBLISH, /* `draft` should be published */
};

struct plan {
    /* For table_build(). Its strings are the plan's and those of `current`,
     * which is kept until the plan is done with. */
    struct table draft;
    char reason[PLAN_TEXT_MAX];
    char refusals[PLAN_TEXT_MAX]; /* "" if everything can be followed */
    uint64_t wait_ms;
    char **own; /* texts that only the plan holds */
    unsigned own_count, own_room;
};

/* `current` NULL: nothing was ever published. `by` goes into the draft. */
enum plan_outcome plan_make(const struct inventory *inv, const struct table *current,
                            const char *cluster, const char *by, uint64_t now_ms,
                            struct plan *plan);
void plan_deinit(struct plan *plan);
