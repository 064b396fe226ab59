#include "cached/announce.h"
#include "cached/worker.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/push/follow.h"

#include <stdio.h>
#include <stdlib.h>

#define HUNG_MS 3000 /* an idle worker turns ten times a second */

struct heartbeat {
    uint64_t turns;   /* of the worker when it was last seen to move */
    uint64_t seen_ms; /* when that was */
};

struct announce {
    struct follower *follower;
    struct node *node;
    struct heartbeat *heartbeats; /* one a worker; the follower's thread only */
    char advertise[ADDR_TEXT_MAX];
};

/* A node routes nothing: it holds a table as soon as each worker refuses the proxies
 * that are too far behind by it. */
static bool
on_table(void *arg, struct table *table, char *why)
{
    struct announce *a = arg;
    fencing_take_table(a->node, table);
    return true;
}

void
announce_applied(struct node *node, uint64_t epoch)
{
    follower_ack(node->announce->follower, epoch);
}

/* A worker that hangs must cost us the lease: a node that accepts connections
 * and does not answer is worse than one that is gone. */
static bool
is_healthy(void *arg)
{
    struct announce *a = arg;
    uint64_t now_ms = clock_mono_ms();
    bool healthy = true;
    for (unsigned i = 0; i < a->node->worker_count; i++) {
        struct heartbeat *beat = &a->heartbeats[i];
        uint64_t turns = worker_turns(a->node->workers[i]);
        if (turns != beat->turns || beat->seen_ms == 0) {
            *beat = (struct heartbeat){turns, now_ms};
        }
        healthy = healthy && now_ms - beat->seen_ms < HUNG_MS;
    }
    return healthy;
}

bool
announce_start(struct node *node)
{
    struct announce *a = mem_zalloc(sizeof(*a));
    a->node = node;
    a->heartbeats = mem_zalloc(node->worker_count * sizeof(a->heartbeats[0]));
    node->announce = a;
    const struct node_options *o = &node->options;
    addr_advertise(listener_addr(node->listeners[0]), o->advertise, a->advertise);
    struct follower_options options = {
        .control = &o->control,
        .identity = {.role = FOLLOWER_NODE,
                     .id = o->node_name,
                     .zone = o->zone,
                     .boot_id = node->boot_id,
                     .pool = o->pool,
                     .advertise = a->advertise,
                     .weight = o->weight,
                     .memory_bytes = o->memory_bytes},
        .adopt = on_table,
        .healthy = is_healthy,
        .arg = a,
    };
    char *error;
    a->follower = follower_create(&options, &error);
    if (a->follower == NULL) {
        fprintf(stderr, "mfcached: %s\n", error);
        free(error);
        return false;
    }
    follower_start(a->follower);
    return true;
}

void
announce_stop(struct node *node)
{
    struct announce *a = node->announce;
    if (a == NULL) {
        return;
    }
    if (a->follower != NULL) {
        follower_destroy(&a->follower, false);
    }
    free(a->heartbeats);
    free(a);
    node->announce = NULL;
}

const struct metric_set *
announce_metrics(const struct node *node)
{
    return node->announce != NULL ? follower_metrics(node->announce->follower) : NULL;
}
