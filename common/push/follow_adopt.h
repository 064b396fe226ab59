/* follow_adopt.h - what becomes of a table that has come.
 *
 *     bytes -> parse -> judge against `known` -> adopt() -> last-known-good on disk
 *
 * Whatever fails on the way: nothing changes but counters and a log line. No
 * sockets, no clock; follower's thread, or the main thread before it starts. */
#pragma once
#include "common/core/metric.h"
#include "common/fleet/table.h"
#include "common/push/follow_state.h"

struct follow_adopt {
    /* As in struct follower_options. */
    bool (*adopt)(void *arg, struct table *table, char *why);
    void *arg;
    struct metric_block *counts; /* FOLLOW_METRICS */
    bool published;              /* tables come from mfcontrol, which judged each step */
    struct follow_state *state;  /* NULL: none; owned */

    /* Each NULL if there is none yet. */
    struct table *known;   /* the newest good one; what comes is judged against it, so that no
                              older epoch follows, after a restart neither */
    struct table *adopted; /* the last that adopt() took */
    struct table *held;    /* every worker uses it */
    struct table *pending; /* the last that adopt() refused, if nothing came since */
    const char *pending_source;
    bool unsaved; /* `known` is not on disk though it should be */
};

struct adopt_result {
    bool taken;                   /* this table is the one in use now */
    uint64_t epoch;               /* of the table; 0 if it could not be parsed */
    const char *code;             /* if not taken: a word, as in a NACK */
    char reason[TABLE_ERROR_MAX]; /* if not taken: a sentence */
};

/* Loads what the state folder holds into `known`; adopts nothing. */
void follow_adopt_load_state(struct follow_adopt *a);
void follow_adopt_deinit(struct follow_adopt *a);

/* `source` is for the log. */
struct adopt_result follow_adopt_document(struct follow_adopt *a, struct span document,
                                          const char *source);
struct adopt_result follow_adopt_table(struct follow_adopt *a, struct table *table,
                                       const char *source);

/* Offers the pending table once more: what the program could not do then, e.g.
 * look a name up, it may be able to do now. True if that went well; nothing is
 * logged or counted if not. Only with a pending table. */
bool follow_adopt_retry(struct follow_adopt *a);

/* Logs and counts a table that did not even get here. */
struct adopt_result follow_adopt_refuse(struct follow_adopt *a, uint64_t epoch, const char *code,
                                        const char *reason);

/* Every worker uses the table of this epoch. True if that is news. */
bool follow_adopt_acked(struct follow_adopt *a, uint64_t epoch);
