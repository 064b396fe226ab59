/* chaosmodel.h - what may be read through a proxy while the fleet falls apart.
 *
 * Several clients write the same keys through several proxies, and answers get
 * lost; so a key's content is not known. What is known are times: each command
 * began when it was sent and ended when it was answered, and took effect between
 * the two. Every write brings its number into the value, so a read says which
 * writes it has seen, and may be judged by their times alone:
 *
 *   a value is stale if the last write in it ended before another write or delete
 *   of the key began, and that one was over, through the proxy that is read from,
 *   before the read began.
 *
 * A miss is never wrong. The promise is of docs/failure-modes.md, and these are
 * the only exceptions, each of them stated there:
 *
 *   gutter     a value that was stored less than gutter_ttl_s ago may be read
 *   restart    a proxy that ends loses its journal: what it had promised counts no
 *              more, unless a node had taken it (and there is no gutter)
 *   another    a write through another proxy of which nobody knows whether it was
 *              done may still be done, until that proxy has delivered a delete
 *   move       a key that a new table gives to another node begins anew there; so
 *              does a hot one of which it wants the copies at other nodes
 *
 * Of writes through other proxies nothing is promised so far. With a bound
 * (chaos_model_judge_others()) a value is stale, too, if the last write in it ended
 * before another that its node has acknowledged, through any proxy, began, and
 * that was over for longer than the bound before the read began.
 *
 * append, incr and cas read what they change: their base is judged as if it had
 * been read when they were sent.
 *
 * Pure, but for one lock a key. Times are of one monotonic clock in microseconds;
 * whoever calls takes the time before he sends and after he received. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

#define CHAOS_PROXIES_MAX 4
#define CHAOS_PIECES_MAX  256
#define CHAOS_REASON_MAX  512

struct chaos_model;

/* `gutter_ttl_us`: 0 without a gutter; else with what nodes may be late. */
struct chaos_model *chaos_model_create(unsigned keys, unsigned proxies, uint64_t gutter_ttl_us);
/* Before anything else: writes through other proxies are seen after so long. */
void chaos_model_judge_others(struct chaos_model *m, uint64_t bound_us);
void chaos_model_destroy(struct chaos_model **model);

/* What was promised about a key when a command was sent. */
struct chaos_view {
    unsigned proxy;
    uint32_t life;  /* of the proxy: how often it was started */
    uint32_t moves; /* of the key */
    bool settled;   /* the proxy follows the table that moved the key last */
    uint64_t sent_us;
    uint64_t floor_us; /* the last write or delete that is over began then; 0: none */
    uint32_t floor_seq;
    uint64_t
        others_us; /* such a write through any proxy, over for the bound, began then; 0: none */
    uint32_t others_seq;
    uint32_t count_of, count; /* the highest answer of incr: to the number of that write */
};

/* To be called before the command is sent. */
struct chaos_view chaos_view(struct chaos_model *m, unsigned key, unsigned proxy, uint64_t now_us);

enum chaos_write {
    CHAOS_SET,
    CHAOS_DELETE,
    CHAOS_APPEND,
    CHAOS_CAS,
    CHAOS_INCR,
};

/* Before it is sent; returns its number, from 1. `base`: what a cas compares with,
 * the last write that was seen; else 0. */
uint32_t chaos_write_begin(struct chaos_model *m, unsigned key, enum chaos_write kind,
                           const struct chaos_view *view, uint32_t base);

enum chaos_outcome {
    CHAOS_DONE,       /* the node said so */
    CHAOS_REMEMBERED, /* a delete that was answered, whoever has it */
    CHAOS_UNKNOWN,    /* answered, or over, and it may have been done */
    CHAOS_NOT_SENT,   /* "backend down": not done, but what it replaces is old */
    CHAOS_NOT_DONE,
    CHAOS_NO_ANSWER, /* the proxy has gone */
};
void chaos_write_end(struct chaos_model *m, unsigned key, uint32_t seq, enum chaos_outcome outcome,
                     uint64_t now_us);

/* What was read: the writes in the value, the first set it and the others were
 * appended; and of a number how often it was counted up. */
struct chaos_seen {
    uint32_t seqs[CHAOS_PIECES_MAX];
    unsigned pieces;
    bool is_number;
    uint32_t count;
};

enum chaos_verdict {
    CHAOS_RIGHT,
    CHAOS_STALE,
    CHAOS_NEVER_WRITTEN, /* or written later, or refused */
    CHAOS_LOST_UPDATE,   /* what was changed was already old when the change was sent */
    CHAOS_TWICE,         /* one write was done twice */
    CHAOS_COUNTED_WRONG,
};
const char *chaos_verdict_name(enum chaos_verdict verdict);

/* Judges what a command that was sent with this view has read; `now_us`: when it
 * was answered. `reason` (CHAOS_REASON_MAX bytes) says what is wrong. */
enum chaos_verdict chaos_judge(struct chaos_model *m, unsigned key, const struct chaos_view *view,
                               const struct chaos_seen *seen, uint64_t now_us, char *reason);

/* incr was answered with this number. To be called before chaos_write_end(). */
enum chaos_verdict chaos_judge_count(struct chaos_model *m, unsigned key,
                                     const struct chaos_view *view, const struct chaos_seen *seen,
                                     uint64_t now_us, char *reason);

/* The proxy was ended: before anybody is connected to the next one. */
void chaos_proxy_ended(struct chaos_model *m, unsigned proxy);

/* A table will be written that gives the key to another node, or may. */
void chaos_key_moves(struct chaos_model *m, unsigned key);
/* ... and this proxy follows it, and has nothing on its way by an older one. */
void chaos_proxy_settled(struct chaos_model *m, unsigned proxy);
