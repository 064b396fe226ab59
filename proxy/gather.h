/* gather.h - does it pay to wait a moment before the next turn? Pure.
 *
 * A proxy whose clients ask one after another wakes up for each of them, and sends each
 * request and each reply by a call of its own. If it lets some microseconds pass, what
 * comes meanwhile is read in one turn and goes to a node in one send; then replies come
 * together, too, and their clients ask together. Under load that takes less time than
 * it gives, so whoever waits is answered sooner.
 *
 * While few clients have something on their way, or turns do not follow closely, nothing
 * would come meanwhile: then nobody waits. One per worker; its thread only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define GATHER_CLIENTS 4   /* fewer at a time are told at once */
#define GATHER_SPAN_US 100 /* from turn to turn; more says that there is little to do */

struct gather {
    unsigned crowd;   /* eight times the moving average of clients that were active */
    uint64_t turn_us; /* when the last turn began */
};

/* A turn that began at `now_us` ends, and so many clients had to do with it or still
 * wait for an answer. Shall the next begin a little later? */
static inline bool
gather_pays(struct gather *g, unsigned clients, uint64_t now_us)
{
    uint64_t span_us = now_us - g->turn_us;
    g->turn_us = now_us;
    g->crowd += clients - g->crowd / 8;
    return g->crowd >= 8 * GATHER_CLIENTS && span_us < GATHER_SPAN_US;
}
