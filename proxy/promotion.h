/* promotion.h - which keys of a pool are hot just now, so that they are worth
 * copies: nobody has listed them, the reads say so. Pure.
 *
 * Some of the reads are looked at and noted, each with its key's owner. A window
 * takes a second; at its end each key that was noted is judged by its share of
 * what was noted of its owner:
 *
 *     over `percent` in 3 windows one after another        -> promoted
 *     under half of it in 5 windows one after another      -> demoted
 *
 * What lies between changes nothing, so a key at the mark does not flap. A window
 * in which an owner was hardly asked says nothing for a promotion. Within a window
 * keys are counted by the space-saving rule (common/core/hotkeys.h); what a key
 * inherited does not count.
 *
 * Fixed memory; at most PROMOTION_KEYS_MAX keys are promoted at a time. The caller
 * locks. Times are monotonic microseconds. */
#pragma once
#include "common/proto/request.h"
#include "proxy/lookup_key.h"

#define PROMOTION_WINDOW_US   1000000
#define PROMOTION_WINDOWS     3
#define PROMOTION_WINDOWS_OUT 5
#define PROMOTION_NOTED_MIN   16 /* reads that were noted of an owner */
#define PROMOTION_CANDIDATES  32
#define PROMOTION_KEYS_MAX    16

struct promotion_key {
    uint64_t hash;
    uint32_t noted;     /* in this window */
    uint32_t inherited; /* of them, at most */
    unsigned owner;
    uint8_t over, under; /* windows one after another */
    bool promoted;
    uint8_t key_bytes; /* 0: free */
    char key[KEY_MAX_BYTES];
};

struct promotion {
    unsigned percent;
    unsigned owners;
    uint32_t *noted; /* of each owner, in this window */
    uint64_t window_ends_us;
    unsigned promoted; /* keys */
    struct promotion_key keys[PROMOTION_CANDIDATES];
};

/* `owners`: nodes of the pool; `percent` from 1 to 100. */
void promotion_init(struct promotion *p, unsigned percent, unsigned owners);
void promotion_deinit(struct promotion *p);

/* How many keys were promoted and demoted. */
struct promotion_changes {
    unsigned promoted, demoted;
};

/* Judges the windows that have ended. To be called at least as often as they do,
 * and before what belongs to the next is noted. */
struct promotion_changes promotion_step(struct promotion *p, uint64_t now_us);

/* A read of this key was looked at. */
void promotion_note(struct promotion *p, const struct lookup_key *key, unsigned owner);

/* What a window says of a key: `noted` of it for certain, `of_owner` of all keys
 * of its owner. Changes k->over, under and promoted; `room`: one more may be
 * promoted. */
void promotion_judge(struct promotion_key *k, unsigned percent, uint32_t noted, uint32_t of_owner,
                     bool room);
