#include "proxy/health.h"
#include "common/core/backoff.h"

void
health_init(struct health *h, uint64_t seed)
{
    *h = (struct health){.state = HEALTH_UP, .rng = seed};
}

const char *
health_event_name(enum health_event event)
{
    static const char *const names[] = {
#define X(id, name) name,
        HEALTH_EVENTS(X)
#undef X
    };
    return names[event];
}

/* `ms` give or take 30 %, from `now_us`. */
static uint64_t
jittered(struct health *h, uint64_t ms, uint64_t now_us)
{
    uint64_t us = ms * 1000;
    return now_us + us - us * 3 / 10 + random_next(&h->rng) % (us * 6 / 10);
}

static void
forget_requests(struct health *h)
{
    h->timeouts_in_a_row = 0;
    h->window_requests = 0;
    h->window_timeouts = 0;
}

/* From UP, or from REJOINING, which to everybody else is as DOWN. */
static enum health_change
go_down(struct health *h, uint64_t now_us)
{
    bool was_up = h->state == HEALTH_UP;
    h->state = HEALTH_DOWN;
    h->probe_successes = 0;
    h->probe_wait_ms = HEALTH_PROBE_FIRST_MS;
    h->probe_due_us = jittered(h, h->probe_wait_ms, now_us);
    return was_up ? HEALTH_WENT_DOWN : HEALTH_SAME;
}

static enum health_change
go_up(struct health *h)
{
    h->state = HEALTH_UP;
    forget_requests(h);
    return HEALTH_WENT_UP;
}

static void
open_window(struct health *h, uint64_t now_us)
{
    if (now_us - h->window_began_us >= HEALTH_WINDOW_US) {
        h->window_began_us = now_us;
        h->window_requests = 0;
        h->window_timeouts = 0;
    }
}

void
health_answered(struct health *h, unsigned requests, uint64_t now_us)
{
    open_window(h, now_us);
    h->window_requests += requests;
    h->timeouts_in_a_row = 0;
}

static void
count_timeout(struct health *h, uint64_t now_us)
{
    open_window(h, now_us);
    h->window_requests++;
    h->window_timeouts++;
    h->timeouts_in_a_row++;
}

static bool
too_many_timeouts(const struct health *h)
{
    return h->timeouts_in_a_row >= HEALTH_TIMEOUTS_IN_A_ROW ||
           (h->window_requests >= HEALTH_WINDOW_REQUESTS &&
            h->window_timeouts * 2 > h->window_requests);
}

static enum health_change
probe_failed(struct health *h, uint64_t now_us)
{
    h->probe_successes = 0;
    h->probe_wait_ms *= 2;
    if (h->probe_wait_ms > HEALTH_PROBE_CAP_MS) {
        h->probe_wait_ms = HEALTH_PROBE_CAP_MS;
    }
    h->probe_due_us = jittered(h, h->probe_wait_ms, now_us);
    return HEALTH_SAME;
}

static enum health_change
probe_answered(struct health *h, uint64_t now_us)
{
    if (++h->probe_successes >= HEALTH_PROBE_SUCCESSES) {
        h->state = HEALTH_REJOINING;
        return HEALTH_REACHED;
    }
    h->probe_wait_ms = HEALTH_PROBE_FIRST_MS;
    h->probe_due_us = jittered(h, h->probe_wait_ms, now_us);
    return HEALTH_SAME;
}

enum health_change
health_note(struct health *h, enum health_event event, uint64_t now_us)
{
    bool up = h->state == HEALTH_UP, down = h->state == HEALTH_DOWN;
    bool rejoining = h->state == HEALTH_REJOINING;
    switch (event) {
    case HEALTH_ANSWERED: health_answered(h, 1, now_us); return HEALTH_SAME;
    case HEALTH_TIMED_OUT:
        count_timeout(h, now_us);
        return rejoining || (up && too_many_timeouts(h)) ? go_down(h, now_us) : HEALTH_SAME;
    case HEALTH_INHERITED:
    case HEALTH_CONNECT_FAILED: return down ? HEALTH_SAME : go_down(h, now_us);
    case HEALTH_PROBE_ANSWERED: return down ? probe_answered(h, now_us) : HEALTH_SAME;
    case HEALTH_PROBE_FAILED: return down ? probe_failed(h, now_us) : HEALTH_SAME;
    case HEALTH_CAUGHT_UP: return rejoining ? go_up(h) : HEALTH_SAME;
    }
    return HEALTH_SAME;
}
