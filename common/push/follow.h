/* follow.h - a program's own follower of the routing table.
 *
 * Three sources, one behaviour: a fixed table (--servers), a file that is
 * watched (--table), or the push stream of an mfcontrol (--control). A follower
 * has a thread and loop of its own, so that parsing a large table, building
 * rings, resolving names and writing the last-known-good never delay a request.
 *
 *   bytes -> limits -> parse and validate -> judge against the table in use
 *         -> adopt() callback -> last-known-good on disk -> ... -> follower_ack()
 *
 * Whatever fails on the way: the old table stays, a log line and a metric say
 * why, and mfcontrol gets a NACK. With a state folder the last good table is
 * kept there and used at the next start if the source is away.
 *
 * Threads: create, start and destroy from the main thread; callbacks run on the
 * follower's thread; follower_ack(),
 * follower_hurry() and the getters from any thread. */
#pragma once
#include "common/core/metric.h"
#include "common/core/option.h"
#include "common/fleet/table.h"
#include "common/net/addr.h"

#include <jansson.h>

struct follower;

enum follower_role { FOLLOWER_PROXY, FOLLOWER_NODE };

/* Who we are, for HELLO. All strings outlive the follower. A proxy needs no
 * more than role and id. */
struct follower_identity {
    enum follower_role role;
    const char *id;
    const char *zone;
    const char *boot_id;       /* new with every start of empty memory */
    const char *pool;          /* node: the pool it offers itself to */
    const char *advertise;     /* node: the address that proxies shall use */
    const char *ring_name;     /* node: or NULL */
    uint64_t weight;           /* node */
    uint64_t memory_bytes;     /* node */
    uint64_t generation;       /* node: of its data */
};

struct follower_options {
    /* Exactly one of the three: */
    struct table *fixed;              /* the reference is taken over */
    const char *table_file;
    const struct option_strings *control; /* HOST:PORT list */

    const char *state_dir; /* NULL: no last-known-good */
    /* The document that the process before us used, or empty: with mfcontrols the
     * table to begin with, unless the last-known-good is newer. Read by
     * follower_create() only. */
    struct span inherited;
    struct follower_identity identity;

    /* Try to adopt. The table is good and may follow the one in use; the callee
     * takes its own reference. False refuses it with a sentence in `why`
     * (TABLE_ERROR_MAX bytes), e.g. a malformed address; it is offered again
     * after 0.5 to 30 s, until it is adopted or another comes. */
    bool (*adopt)(void *arg, struct table *table, char *why);
    /* Node: is every worker alive? Asked before each renewal. May be NULL. */
    bool (*healthy)(void *arg);
    /* Adds members to the REPORT object. May be NULL. */
    void (*report)(void *arg, json_t *report);
    void *arg;
};

#define FOLLOW_METRICS(X)                                                                          \
    X(EPOCH, "table_epoch", GAUGE, "Epoch of the table in use; 0 without one.")                    \
    X(ADOPTED, "tables_adopted_total", COUNTER, "Tables taken into use.")                          \
    X(REJECTED, "tables_rejected_total", COUNTER, "Tables refused; the log says why.")             \
    X(CONNECTED, "control_connected", GAUGE, "1 while a push stream to an mfcontrol is up.")       \
    X(RECONNECTS, "control_reconnects_total", COUNTER, "Push streams begun.")                      \
    X(BEATS, "control_beats_total", COUNTER, "Beats heard from mfcontrol.")                        \
    X(STATE_ERRORS, "state_errors_total", COUNTER,                                                 \
      "Times the last-known-good could not be written or was damaged.")

/* NULL and a line in *error (the caller's to free) if the options make no
 * sense, or a table file is bad at the first start with no last-known-good. */
struct follower *follower_create(const struct follower_options *options, char **error);

/* Brings the first table if one is at hand (fixed, file, last-known-good) before
 * it returns, calling adopt() on the caller's thread, then starts its own. */
void follower_start(struct follower *f);

/* Says goodbye to mfcontrol if connected (a BYE frame, `for_good` or coming
 * back), stops the thread and frees. Waits 200 ms at most, or until a callback
 * that runs has returned; until then *f is as it was, for the callback to use. */
void follower_destroy(struct follower **f, bool for_good);

/* Every worker uses this epoch and nothing of an older one is in flight. */
void follower_ack(struct follower *f, uint64_t epoch);

/* Something says that there is a newer table: a stream that is down is tried again at
 * once, one that has been silent for longer than a beat is given up for another. Any
 * thread. */
void follower_hurry(struct follower *f);

/* For stats and /metrics. Age in ms since the table in use was confirmed as the
 * newest by its source (a beat or a file check); 0 for a fixed one. */
uint64_t follower_table_age_ms(const struct follower *f);
const struct metric_set *follower_metrics(const struct follower *f);
/* "fixed", "file", "push" or "state" (last-known-good, source not heard yet). */
const char *follower_source(const struct follower *f);
