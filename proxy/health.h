/* health.h - is a node worth sending to? Pure: events and the time go in, a
 * change of state comes out; backend.c and prober.c carry it out.
 *
 * A connect that fails says DOWN at once. Timeouts say DOWN after three in a
 * row, or when more than half of at least 20 requests of one second timed out
 * (three in a row alone never come about while some requests are answered). A
 * DOWN node gets no requests, only probes: 100 ms after it went down, then
 * twice as long each time up to 5 s, each wait varied by 30 % so that workers
 * and proxies do not probe in step. Two answered probes say that it can be
 * reached; once it has had what it missed (rejoin.h) it is UP.
 *
 * Each worker judges by its own connection. One owner, no lock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_TIMEOUTS_IN_A_ROW 3
#define HEALTH_WINDOW_REQUESTS   20
#define HEALTH_WINDOW_US         1000000
#define HEALTH_PROBE_FIRST_MS    100
#define HEALTH_PROBE_CAP_MS      5000
#define HEALTH_PROBE_SUCCESSES   2

enum health_state { HEALTH_UP, HEALTH_DOWN, HEALTH_REJOINING };

/* clang-format off */
/*    id               name in logs */
#define HEALTH_EVENTS(X)                                                                           \
    X(ANSWERED,        "answered")       /* a request, in time */                                  \
    X(TIMED_OUT,       "timeouts")       /* a request */                                           \
    X(CONNECT_FAILED,  "connect_failed") /* refused, reset, or not connected in time */            \
    X(INHERITED,       "inherited")      /* the process before this one had it as DOWN */          \
    X(PROBE_ANSWERED,  "probe_answered")                                                           \
    X(PROBE_FAILED,    "probe_failed")                                                             \
    X(CAUGHT_UP,       "caught_up")      /* it has had all that it missed */
/* clang-format on */
enum health_event {
#define X(id, name) HEALTH_##id,
    HEALTH_EVENTS(X)
#undef X
};
const char *health_event_name(enum health_event event);

enum health_change { HEALTH_SAME, HEALTH_WENT_DOWN, HEALTH_REACHED, HEALTH_WENT_UP };

struct health {
    enum health_state state;
    unsigned timeouts_in_a_row;
    unsigned window_requests; /* answered or timed out since window_began_us */
    unsigned window_timeouts;
    uint64_t window_began_us;
    unsigned probe_successes;
    uint64_t probe_wait_ms;
    uint64_t probe_due_us; /* of a DOWN node */
    uint64_t rng;
};

/* UP. `seed` is any number but 0; different owners pass different ones. */
void health_init(struct health *h, uint64_t seed);

enum health_change health_note(struct health *h, enum health_event event, uint64_t now_us);

/* HEALTH_ANSWERED, so many times at this moment. */
void health_answered(struct health *h, unsigned requests, uint64_t now_us);

/* May a request be sent? `down` of the pool's `nodes` look DOWN from here. When
 * that is more than half, the fault is rather ours or the network's than all of
 * theirs: everybody is sent to again, with a shorter timeout. */
static inline bool
health_fails_open(unsigned down, unsigned nodes)
{
    return down * 2 > nodes;
}

static inline bool
health_admits(const struct health *h, unsigned down, unsigned nodes)
{
    return h->state == HEALTH_UP || health_fails_open(down, nodes);
}
