/* follow_push.h - the push stream's client: one connection to one of several
 * mfcontrols, kept up for ever. Says HELLO, hands tables and beats up, sends ACK,
 * NACK and REPORT, and for a node remembers its lease from one mfcontrol to the
 * next. When to connect and to give up is follow_link.h's. Follower's thread. */
#pragma once
#include "common/core/metric.h"
#include "common/push/follow.h"

#define PUSH_REPORT_MS  2000
#define PUSH_GOODBYE_MS 150 /* for mfcontrol to read our BYE */

struct follow_push;
struct loop;

/* What a beat says. */
struct push_beat {
    uint64_t epoch; /* 0: mfcontrol knows no table */
    const char *incarnation, *sha;
    bool live;       /* mfcontrol sees etcd */
    uint64_t lag_ms; /* since it last did */
};

struct follow_push_owner {
    const struct follower_identity *identity;
    struct metric_block *metrics; /* FOLLOW_METRICS */
    /* The table that every worker uses; NULL: none yet. HELLO and REPORT say it. */
    const struct table *(*held)(void *arg);
    /* A table has come; answer with follow_push_ack(), _nack(), now or later. */
    void (*table)(void *arg, struct span document);
    void (*beat)(void *arg, const struct push_beat *beat);
    bool (*healthy)(void *arg);
    void (*report)(void *arg, json_t *report);
    /* Around a name lookup, which blocks for as long as DNS likes. False from
     * either: the follower is being destroyed, do nothing more. */
    bool (*lookup_begins)(void *arg);
    bool (*lookup_ended)(void *arg);
    /* mfcontrol has hung up on our BYE, or there is no use in waiting for that. */
    void (*goodbye_done)(void *arg);
    void *arg;
};

/* Is every entry HOST:PORT? False and *error, the caller's to free. */
bool follow_push_check(const struct option_strings *control, char **error);

/* `control` (checked) and `owner` outlive it. */
struct follow_push *follow_push_create(struct loop *loop, const struct option_strings *control,
                                       const struct follow_push_owner *owner);
void follow_push_destroy(struct follow_push **p);

/* Nothing happens while there is no connection: HELLO will say it. */
void follow_push_ack(struct follow_push *p, const struct table *table);
/* `epoch` 0: not known. */
void follow_push_nack(struct follow_push *p, uint64_t epoch, const char *code, const char *reason);

/* See follower_hurry(). */
void follow_push_hurry(struct follow_push *p);

/* Sends BYE and calls goodbye_done() once, within PUSH_GOODBYE_MS. Nothing is
 * sent or taken after it. */
void follow_push_goodbye(struct follow_push *p, bool for_good);
