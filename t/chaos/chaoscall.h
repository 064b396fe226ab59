/* chaoscall.h - a client's commands: which, written how, and what becomes of each
 * in the model. A batch goes out in one piece, ends with mn, and is answered
 * before the next. One thread. */
#pragma once
#include "t/chaos/chaosrun.h"
#include "t/soak/soakconn.h"

#define CHAOS_BATCH_MAX 24
#define CHAOS_CALL_KEYS 8
#define CHAOS_TOKENS    16
#define CHAOS_LINE_MAX  2048

enum chaos_verb {
    VERB_GET, /* and gets, of several keys */
    VERB_MG,
    VERB_SET,
    VERB_DELETE,
    VERB_APPEND,
    VERB_CAS,
    VERB_INCR,
    VERB_MS, /* set, or append */
    VERB_MD,
    VERB_MA,
    VERB_MN,
    CHAOS_VERBS,
};

struct chaos_call {
    enum chaos_verb verb;
    enum chaos_write write; /* unless it reads */
    bool silent;            /* noreply, or quiet: what is not answered went well or missed */
    bool noreply;
    bool with_cas;
    uint32_t opaque;
    uint32_t seq;
    unsigned count, at; /* keys, and how many of them are answered */
    unsigned keys[CHAOS_CALL_KEYS];
    struct chaos_view views[CHAOS_CALL_KEYS];
};

/* What gets has told, for cas. */
struct chaos_token {
    unsigned key;
    uint32_t last; /* write in the value */
    uint64_t cas;  /* 0: none */
};

struct chaos_client {
    struct chaos_run *run;
    unsigned number, proxy;
    uint32_t life; /* of the proxy's door, when it connected */
    uint64_t rng;
    uint32_t opaque;
    struct soak_conn conn;
    struct chaos_call calls[CHAOS_BATCH_MAX];
    unsigned count, first; /* calls, and which is to be answered next */
    struct chaos_token tokens[CHAOS_TOKENS];
};

static inline bool
chaos_call_reads(const struct chaos_call *call)
{
    return call->verb == VERB_GET || call->verb == VERB_MG || call->verb == VERB_MN;
}

/* Chooses and writes a batch into the connection's output. */
void chaos_batch_begin(struct chaos_client *c);

/* One call more, of a kind that is given: for the end of the run. */
void chaos_call_put(struct chaos_client *c, enum chaos_verb verb, unsigned key);

enum chaos_taken { CHAOS_TAKEN_NEED_MORE, CHAOS_TAKEN_ALL, CHAOS_TAKEN_WRONG };

/* Takes and judges what has come of the answers. WRONG: they do not belong to the
 * commands, and nothing behind can be understood. */
enum chaos_taken chaos_answers_take(struct chaos_client *c, uint64_t now_us);

/* There will be no more. */
void chaos_batch_lost(struct chaos_client *c, uint64_t now_us);
