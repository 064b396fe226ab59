#include "t/soak/soakchoice.h"
#include "common/core/backoff.h"

/* One of so many times. */
static bool
one_in(uint64_t *rng, unsigned n)
{
    return random_next(rng) % n == 0;
}

static uint64_t
between(uint64_t *rng, uint64_t from, uint64_t to)
{
    return from + random_next(rng) % (to - from + 1);
}

/* --- sizes ------------------------------------------------------------------------- */

/* 2^from to 2^to, each power as likely as the other. */
static uint64_t
power(uint64_t *rng, unsigned from, unsigned to)
{
    uint64_t floor = 1ull << between(rng, from, to - 1);
    return between(rng, floor, 2 * floor);
}

enum { PHASES = 6 };

uint32_t
soak_choose_bytes(struct soak_board *board, uint64_t *rng)
{
    uint64_t max = soak_board_plan(board)->value_max;
    uint64_t bytes = 0;
    switch (soak_board_phase(board, PHASES)) {
    case 0: bytes = between(rng, 32, 200); break;
    case 1: bytes = power(rng, 5, 19); break;
    case 2: bytes = between(rng, 900, 1100); break;
    case 3: bytes = one_in(rng, 8) ? between(rng, 100000, max) : between(rng, 100, 2000); break;
    case 4: bytes = power(rng, 6, 14); break;
    case 5: bytes = between(rng, 3000, 70000); break;
    }
    bytes = bytes < max ? bytes : max;
    return (uint32_t)(bytes > SOAK_PIECE_MIN ? bytes : SOAK_PIECE_MIN);
}

static uint32_t
piece_bytes(struct soak_board *board, uint32_t id, uint64_t *rng)
{
    switch (soak_class(id)) {
    case SOAK_BLOB: return one_in(rng, 30) ? 0 : soak_choose_bytes(board, rng);
    case SOAK_SMALL: return (uint32_t)between(rng, 0, SOAK_SMALL_MAX);
    case SOAK_NUMBER: break;
    }
    return 0;
}

static int64_t
choose_ttl(uint64_t *rng)
{
    switch (random_next(rng) % 32) {
    case 0: return -1;
    case 1: return 1;
    case 2: return 2;
    case 3: return (int64_t)between(rng, 3, 20);
    case 4: return 100000;
    default: return 0;
    }
}

/* --- what to do ----------------------------------------------------------------------- */

static enum soak_effect
choose_effect(uint32_t id, uint64_t *rng)
{
    bool number = soak_class(id) == SOAK_NUMBER;
    uint64_t dice = random_next(rng) % 100;
    if (dice < 40) {
        return EFFECT_READ;
    }
    if (dice < 64) {
        return EFFECT_SET;
    }
    if (dice < 68) {
        return EFFECT_ADD;
    }
    if (dice < 72) {
        return EFFECT_REPLACE;
    }
    if (dice < 86) {
        return number          ? dice % 2 == 0 ? EFFECT_INCR : EFFECT_DECR
               : dice % 2 == 0 ? EFFECT_APPEND
                               : EFFECT_PREPEND;
    }
    if (dice < 91) {
        return EFFECT_DELETE;
    }
    if (dice < 96) {
        return EFFECT_TOUCH;
    }
    return dice % 2 == 0 || number ? EFFECT_MARK_STALE : EFFECT_DROP_VALUE;
}

/* append and prepend are for blobs that stay within bounds. */
static enum soak_effect
possible_effect(struct soak_board *board, const struct soak_key_state *key,
                const struct soak_call *call)
{
    const struct soak_deed *d = &call->deed;
    if (d->effect != EFFECT_APPEND && d->effect != EFFECT_PREPEND) {
        return d->effect;
    }
    bool fits = key->pieces < SOAK_PIECES_MAX &&
                key->bytes + d->piece.bytes <= soak_board_plan(board)->value_max;
    return soak_class(d->id) == SOAK_BLOB && d->piece.bytes > 0 && fits ? d->effect : EFFECT_READ;
}

static void
note_value(struct soak_key_state *key, const struct soak_deed *d)
{
    unsigned pieces = d->piece.bytes > 0;
    bool joins = d->effect == EFFECT_APPEND || d->effect == EFFECT_PREPEND;
    if (joins) {
        key->pieces++;
        key->bytes += d->piece.bytes;
    } else if (d->effect == EFFECT_SET && !d->compare) {
        key->pieces = pieces;
        key->bytes = d->piece.bytes;
    } else if (d->effect <= EFFECT_REPLACE && d->effect != EFFECT_READ) {
        key->pieces = pieces > key->pieces ? pieces : key->pieces;
        key->bytes = d->piece.bytes > key->bytes ? d->piece.bytes : key->bytes;
    }
}

/* A comparison with the CAS value that was last seen, mostly the right one. */
static void
choose_comparison(struct soak_board *board, const struct soak_key_state *key, uint64_t *rng,
                  struct soak_deed *d)
{
    bool may = d->effect == EFFECT_SET || d->effect == EFFECT_DELETE || d->effect == EFFECT_INCR ||
               d->effect == EFFECT_DECR;
    const struct soak_state *s = &key->state;
    if (may && soak_board_plan(board)->cas && s->count > 0 && s->may[0].cas != 0 &&
        one_in(rng, 3)) {
        d->compare = true;
        d->compare_cas = s->may[0].cas + one_in(rng, 4);
    }
}

/* --- how to say it ------------------------------------------------------------------------ */

static void
say_text(struct soak_call *call, uint64_t *rng)
{
    struct soak_deed *d = &call->deed;
    call->dialect = d->effect == EFFECT_READ ? SAY_GET : SAY_TEXT;
    call->first = call->last = true;
    call->ask_cas = d->effect == EFFECT_READ && one_in(rng, 2);
    d->touch = d->effect == EFFECT_TOUCH || (d->effect == EFFECT_READ && one_in(rng, 8));
    /* delete and incr compare in meta only */
    d->compare = d->compare && d->effect == EFFECT_SET;
}

static void
say_meta(struct soak_board *board, struct soak_call *call, uint64_t *rng)
{
    struct soak_deed *d = &call->deed;
    bool read = d->effect == EFFECT_READ;
    bool count = d->effect == EFFECT_INCR || d->effect == EFFECT_DECR;
    bool number = soak_class(d->id) == SOAK_NUMBER;
    uint64_t bits = random_next(rng);
    call->dialect = SAY_META;
    call->opaque = (uint32_t)(bits >> 32);
    call->base64 = bits & 1;
    call->ask_cas = (bits & 2) != 0 && (read || count || d->effect <= EFFECT_PREPEND) &&
                    soak_board_plan(board)->cas;
    call->ask_value = (bits & 4) != 0 && (read || count);
    call->ask_flags = (bits & 8) != 0 && read;
    call->ask_ttl = (bits & 16) != 0 && read;
    call->ask_size = (bits & 32) != 0 && read;
    call->ask_key = (bits & 64) != 0 && (read || d->effect <= EFFECT_PREPEND);
    call->quiet = (bits & 128) != 0 && d->effect != EFFECT_DROP_VALUE;
    d->touch = (bits >> 8) % 8 == 0 &&
               (read || count || d->effect == EFFECT_MARK_STALE || d->effect == EFFECT_DROP_VALUE);
    d->touch_last = d->touch && read && (bits >> 16) % 2 == 0;
    d->vivify = (bits >> 12) % 8 == 0 && (count || (read && !number)) && !d->touch;
}

static bool
meta_only(enum soak_effect effect)
{
    return effect == EFFECT_MARK_STALE || effect == EFFECT_DROP_VALUE;
}

/* Without a reply, but not too often between two looks at the value, or too
 * much would be possible. */
static void
choose_silence(struct soak_key_state *key, uint64_t *rng, struct soak_call *call)
{
    const struct soak_deed *d = &call->deed;
    bool plain = (d->effect == EFFECT_SET || d->effect == EFFECT_DELETE) && !d->compare;
    if (call->dialect == SAY_TEXT && one_in(rng, 6) && (plain || key->silent < 1)) {
        call->silent = true;
        key->silent++;
    } else if (plain || call->dialect == SAY_GET) {
        key->silent = 0;
    }
}

void
soak_choose(struct soak_board *board, struct soak_key_state *key, uint32_t id, uint64_t *rng,
            struct soak_call *call)
{
    *call = (struct soak_call){.deed = {.id = id, .ttl_s = choose_ttl(rng)}};
    struct soak_deed *d = &call->deed;
    d->piece = (struct soak_piece){.bytes = piece_bytes(board, id, rng)};
    d->effect = choose_effect(id, rng);
    d->effect = possible_effect(board, key, call);
    d->piece.seq = soak_board_next_seq(board, id);
    d->delta = soak_wild(id) && one_in(rng, 4) ? random_next(rng) : between(rng, 0, 9);
    choose_comparison(board, key, rng, d);
    if (meta_only(d->effect) || (d->effect != EFFECT_TOUCH && one_in(rng, 2))) {
        say_meta(board, call, rng);
    } else {
        say_text(call, rng);
    }
    choose_silence(key, rng, call);
    note_value(key, d);
}
