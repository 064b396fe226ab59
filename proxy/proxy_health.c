/* proxy_health.c - what this process knows of its nodes' health, for the process that
 * takes over: so that its first requests do not find out once more what is DOWN.
 *
 * A node is told as DOWN when at least half of the workers have it so. What the gutter
 * may still have of it goes along, since it has to be deleted there, too. */
#include "common/core/clock.h"
#include "common/core/log.h"
#include "proxy/health_heir.h"
#include "proxy/proxy.h"

#include <stdlib.h>

#define SEND_WAIT_MS  1000 /* what does not go over in this time is found out again */
#define LINES_A_BURST 10

/* --- the old process --------------------------------------------------------------- */

/* False if nobody will read it. */
static bool
send_whole(struct proxy *proxy, struct span message, uint64_t until_ms)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        switch (successor_give_health(proxy->successor, message)) {
        case HANDOVER_SENT: return true;
        case HANDOVER_LOST: return false;
        case HANDOVER_LATER: break;
        }
        if (now >= until_ms) {
            return false;
        }
        successor_await_room(proxy->successor, (unsigned)(until_ms - now));
    }
}

static bool
bequeath(struct proxy *proxy, const struct place_node *node, uint64_t until_ms)
{
    uint64_t now_us = clock_mono_us(), gutter_us = atomic_load(&node->stats->gutter_until_us);
    struct health_heir said = {
        .down = atomic_load(&node->stats->down) * 2 >= proxy->worker_count,
        .gutter_ms = gutter_us > now_us ? (gutter_us - now_us) / 1000 + 1 : 0,
    };
    if (!said.down && said.gutter_ms == 0) {
        return true;
    }
    struct buf message = BUF_EMPTY;
    char *owner = journal_owner(node->node->id, node->node->addr);
    said.owner = span_cstr(owner);
    bool done = health_heir_put(&message, &said) && send_whole(proxy, buf_span(&message), until_ms);
    free(owner);
    buf_deinit(&message);
    return done;
}

void
proxy_bequeath_health(struct proxy *proxy)
{
    uint64_t until_ms = clock_mono_ms() + SEND_WAIT_MS;
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        if (!bequeath(proxy, &p->nodes[i], until_ms)) {
            break;
        }
    }
    placement_unref(&p);
}

/* --- the new process ----------------------------------------------------------------- */

static void
inherit(struct proxy *proxy, const struct place_node *node, const struct health_heir *said)
{
    if (said->gutter_ms > 0) {
        atomic_store(&node->stats->gutter_until_us, clock_mono_us() + said->gutter_ms * 1000);
    }
    for (unsigned i = 0; said->down && i < proxy->worker_count; i++) {
        worker_tell_down(proxy->workers[i], node->stats);
    }
}

/* A node that is not in the table is no concern of ours. */
void
proxy_inherit_health(struct proxy *proxy, struct span message)
{
    struct health_heir said;
    if (!health_heir_parse(message, &said)) {
        LOG_LIMITED(LINES_A_BURST, LOG_WARN, "health_unreadable",
                    "effect=\"a node's health is found out anew\"");
        return;
    }
    struct placement *p = proxy_placement(proxy);
    const struct place_node *node = proxy_node_of(p, said.owner);
    if (node != NULL) {
        inherit(proxy, node, &said);
    }
    placement_unref(&p);
}
