/* soakchoice.h - which command comes next on a key that one writer owns. */
#pragma once
#include "t/soak/soakcall.h"

/* What a writer knows of one of its keys, and what it has sent. */
struct soak_key_state {
    struct soak_state state; /* as far as answers have come */
    struct soak_bound bound; /* as published */
    unsigned pieces;         /* of the value, at most, when all that was sent is done */
    uint64_t bytes;          /* likewise */
    unsigned touches;        /* on their way: the expiry is not known */
    unsigned silent;         /* sent without a reply since the value was last certain */
};

/* Makes up a command for key `id`. The sizes of values come from the phase. */
void soak_choose(struct soak_board *board, struct soak_key_state *key, uint32_t id, uint64_t *rng,
                 struct soak_call *call);

/* How long a value is in this phase, SOAK_PIECE_MIN to plan.value_max. */
uint32_t soak_choose_bytes(struct soak_board *board, uint64_t *rng);
