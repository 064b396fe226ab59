/* follow_link.h - when to connect to which mfcontrol, and when to give one up.
 *
 *     WAITING --due--> CONNECTING --connected--> UP --silent too long--> WAITING
 *        ^                 |                      |
 *        +---- lost, after a wait with full jitter +
 *
 * A state machine without sockets and without a clock of its own. The next try
 * is always at the next peer of the list; the first one is drawn, so that a
 * fleet spreads over its mfcontrols. One owner. */
#pragma once
#include "common/core/backoff.h"

#include <stdbool.h>
#include <stdint.h>

#define LINK_WAIT_MIN_MS   100
#define LINK_WAIT_FIRST_MS 500 /* ceiling of the first wait */
#define LINK_WAIT_MAX_MS   10000
#define LINK_CONNECT_MS    3000
#define LINK_SILENT_MS     15000 /* three beats */
#define LINK_SUSPECT_MS    6000  /* a beat is overdue */

enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_UP };

struct follow_link {
    enum link_state state;
    unsigned peer;       /* the one that is tried or used */
    unsigned peer_count; /* may change; the owner keeps the list */
    uint64_t due_ms;     /* WAITING: connect then; else: give up then */
    struct backoff backoff;
};

enum link_action { LINK_NOTHING, LINK_CONNECT, LINK_DROP };

/* `peer_count` > 0. The first connect is due at once. */
void follow_link_init(struct follow_link *l, unsigned peer_count, uint64_t seed, uint64_t now_ms);

/* What is to be done now. After LINK_CONNECT the owner connects to `peer`; after
 * LINK_DROP it closes what it has. */
enum link_action follow_link_step(struct follow_link *l, uint64_t now_ms);

void follow_link_connected(struct follow_link *l, uint64_t now_ms);
/* A beat came: the peer is a live mfcontrol. */
void follow_link_heard(struct follow_link *l, uint64_t now_ms);
/* Part of a frame came. No beat can overtake a large table, and when all of a
 * fleet fetch one at once it may take longer than beats may stay away. */
void follow_link_receiving(struct follow_link *l, uint64_t now_ms);
/* The connection or the attempt failed. */
void follow_link_lost(struct follow_link *l, uint64_t now_ms);

/* There is something to hear that has not come: a wait is over at once, and a peer
 * whose beat is overdue is given up. */
void follow_link_hurry(struct follow_link *l, uint64_t now_ms);

/* Until follow_link_step() will have something to do. */
uint64_t follow_link_wait_ms(const struct follow_link *l, uint64_t now_ms);
