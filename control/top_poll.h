/* top_poll.h - asks servers for their statistics, round after round.
 *
 *     begin -> each is asked -> all have answered, or TOP_PATIENCE_MS are over -> done()
 *       ^                                                                          |
 *       +------------------------------- the interval -----------------------------+
 *
 * A server that does not answer is GONE, with a reason, and is connected to again in
 * the next round. Its name is looked up again then, which may take a moment.
 *
 * Loop's thread only. */
#pragma once
#include "common/net/loop.h"
#include "control/top_sample.h"

#define TOP_PATIENCE_MS 2000
#define TOP_SERVERS_MAX 1000

enum top_state { TOP_CONNECTING, TOP_UP, TOP_GONE };

struct stream;
struct top_poll;

struct top_server {
    char *name; /* as it is shown */
    char *pool; /* "" if it is not known */
    char *addr;
    enum top_state state;
    char reason[TOP_TEXT_MAX * 2]; /* of GONE */
    struct top_sample before, now; /* the last two; at_us 0: there is none */
    struct top_rates rates;        /* valid while UP and `before` is there */

    struct top_poll *poll; /* the rest is the poll's own */
    struct stream *stream;
    bool asked;
};

struct top_fleet {
    struct top_server **servers;
    unsigned count;
};

/* `done` is called at the end of each round. */
struct top_poll *top_poll_create(struct loop *loop, void (*done)(void *arg), void *arg);
void top_poll_destroy(struct top_poll **poll);

/* Before the start. False if there are TOP_SERVERS_MAX. Copies. */
bool top_poll_add(struct top_poll *p, const char *name, const char *pool, const char *addr);

/* Begins the first round. */
void top_poll_start(struct top_poll *p);

/* From the beginning of a round to that of the next; the next is moved. */
void top_poll_interval(struct top_poll *p, uint64_t ms);

const struct top_fleet *top_poll_fleet(const struct top_poll *p);

static inline bool
top_has_rates(const struct top_server *s)
{
    return s->state == TOP_UP && s->before.at_us != 0 && s->rates.seconds > 0;
}
