/* promoter.h - promotion.h for all workers of the process together: what they look
 * at is put together under a lock, which each takes for one read in 64; which keys
 * are promoted each learns when it has changed.
 *
 * One for each pool of a placement that wants it. Threads: any may call all. */
#pragma once
#include "proxy/promotion.h"

struct promoter;

struct promoter *promoter_create(unsigned percent, unsigned owners);
void promoter_destroy(struct promoter **pr);

/* A read of this key was looked at; and time has passed. */
struct promotion_changes promoter_note(struct promoter *pr, const struct lookup_key *key,
                                       unsigned owner, uint64_t now_us);
struct promotion_changes promoter_step(struct promoter *pr, uint64_t now_us);

/* The keys that are promoted, as one thread knows them. Zeroed at first. */
struct promoted {
    uint32_t version;
    unsigned count;
    struct {
        uint64_t hash;
        uint8_t bytes;
        char text[KEY_MAX_BYTES];
    } keys[PROMOTION_KEYS_MAX];
};

/* Brings `known` up to date. Costs one load if it is. */
void promoter_learn(struct promoter *pr, struct promoted *known);

bool promoted_has(const struct promoted *known, const struct lookup_key *key);
