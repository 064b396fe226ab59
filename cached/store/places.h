/* places.h - which of the numbered places of equal size are free, and which of
 * those still have memory behind them. Pure.
 *
 *     |1 1 1 . 1 1 . . 1 . . . . . . . . . . . . . . . . . 4 4 4 4 2 2 3 3 3|
 *      single places are taken lowest first        runs highest first
 *
 * What is taken alone and what is taken in runs grow towards each other, so
 * that scattered single places do not cut up the room that runs need. A free
 * place is warm while its memory is resident; warm ones are taken first, and so
 * are runs of them.
 *
 * Place 0 is never given out: it stands for none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct places {
    uint64_t *busy; /* a bit for each place */
    uint64_t *warm; /* free, and resident */
    uint64_t *some; /* a bit for each word of `busy` that is not 0 */
    uint32_t words;
    uint32_t busy_below; /* all words below are busy */
    uint32_t cold_below; /* no word below has a warm place */
    uint32_t cold_from;  /* nor any from here on */
};

/* `count`: a multiple of 64. The bits come from the allocator, zeroed, so that
 * those of places never used cost nothing. */
void places_init(struct places *p, uint32_t count);
void places_deinit(struct places *p);

/* The lowest warm place, else the lowest free one; 0 if there is none. It is
 * busy from now on; *warm says what it was. */
uint32_t places_take(struct places *p, bool *warm);

/* This one; it is busy from now on. False if it was already, or is warm. */
bool places_take_this(struct places *p, uint32_t place);

/* The first of the highest `n` warm places in a row, else of the highest free ones, or 0.
 * They are busy from now on, and the warm ones still marked as that, for places_cool(). */
uint32_t places_take_run(struct places *p, uint32_t n);

/* True if the place was warm; then it no longer is. */
bool places_cool(struct places *p, uint32_t place);

/* Busy no more. Without `warm` the mark of a run's warm place stays as it is. */
void places_give(struct places *p, uint32_t place, bool warm);

/* The first busy place behind `place`, or 0 if there is none. */
uint32_t places_next_busy(const struct places *p, uint32_t place);

/* The first of up to `most` warm places in a row, as high as there are, or 0.
 * They stay free, and are no longer warm. */
uint32_t places_chill(struct places *p, uint32_t most, uint32_t *n);
