/* soakboard.h - what all threads of a soak know of each other.
 *
 * Writers publish for each of their keys the oldest write that may still be
 * seen, readers compare. The administrator publishes flushes and pauses. Any
 * thread; short locks by key inside. */
#pragma once
#include "t/soak/soakmodel.h"

#include <stdatomic.h>

struct soak_board;

struct soak_plan {
    uint64_t seed;
    unsigned writers;
    unsigned keys;        /* of each writer */
    unsigned filler_keys; /* of all fillers together, behind the writers' */
    unsigned depth;       /* commands on their way per connection */
    uint64_t value_max;
    uint64_t slack_us;
    uint64_t phase_us; /* so long one distribution of sizes is used */
    bool cas;          /* the server keeps CAS values */
    bool roomy;        /* everything fits: nothing may vanish */
};

struct soak_board *soak_board_create(const struct soak_plan *plan);
void soak_board_destroy(struct soak_board **board);

const struct soak_plan *soak_board_plan(const struct soak_board *b);

/* --- the run ------------------------------------------------------------------- */
void soak_board_end(struct soak_board *b);
bool soak_board_ending(const struct soak_board *b);

/* Something that must not be: printed with the time, counted; after 20 the soak
 * ends. */
void soak_board_wrong(struct soak_board *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
unsigned soak_board_wrongs(const struct soak_board *b);

enum soak_count {
    COUNT_COMMANDS,
    COUNT_HITS,
    COUNT_MISSES,
    COUNT_STORED,
    COUNT_REFUSED,
    COUNT_VANISHED,
    COUNT_FLUSHES,
    COUNT_PAUSES,
    COUNT_RECONNECTS,
    COUNT_TROUBLES,
    SOAK_COUNTS,
};
void soak_board_count(struct soak_board *b, enum soak_count what, uint64_t n);
uint64_t soak_board_counted(const struct soak_board *b, enum soak_count what);

/* Connections that are open, for the bound of memory. */
void soak_board_connected(struct soak_board *b, int change);
int soak_board_connections(const struct soak_board *b);

/* Which of `phases` distributions of sizes is used now. */
unsigned soak_board_phase(const struct soak_board *b, unsigned phases);

/* --- keys ------------------------------------------------------------------------ */
/* What a reader may see of a key from the moment of this call on. */
struct soak_bound {
    uint32_t floor;        /* no older write */
    uint64_t stored_hi_us; /* of `floor`, if that is a value */
    uint64_t expiry_hi_us; /* of `floor`; SOAK_NEVER: none, or not known */
};

/* The number of the key's next command. It is published before it is sent, so
 * that nobody sees a write of which he does not know. */
uint32_t soak_board_next_seq(struct soak_board *b, uint32_t id);
uint32_t soak_board_sent_seq(struct soak_board *b, uint32_t id);

void soak_board_publish(struct soak_board *b, uint32_t id, const struct soak_bound *bound);
struct soak_bound soak_board_bound(struct soak_board *b, uint32_t id);

/* Somebody saw this write of the key with this CAS value. False if that
 * contradicts what was seen before: of two writes the later one has the larger
 * CAS value. */
bool soak_board_cas_seen(struct soak_board *b, uint32_t id, uint32_t seq, uint64_t cas);

/* --- flushes and pauses ------------------------------------------------------------- */
/* A flush was or will be sent and takes effect at some time that is not known
 * yet; then: between lo and hi. */
void soak_board_flush_begins(struct soak_board *b);
void soak_board_flush_ends(struct soak_board *b, uint64_t lo_us, uint64_t hi_us);

/* The server stands still from now on, or goes on: what it takes for the time
 * may be long ago. */
void soak_board_pause(struct soak_board *b, bool paused);

/* For a command that was sent at this time and whose answer has come. */
struct soak_weather soak_board_weather(struct soak_board *b, uint64_t sent_us);
