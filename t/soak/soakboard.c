#include "t/soak/soakboard.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STRIPES    64
#define FLUSHES    64 /* windows remembered; a command is never on its way that long */
#define WRONGS_MAX 20

struct key_row {
    _Atomic uint32_t sent_seq;
    struct soak_bound bound;
    uint32_t cas_seq;
    uint64_t cas;
};

struct window {
    uint64_t lo_us, hi_us;
};

struct soak_board {
    struct soak_plan plan;
    uint64_t began_us;
    atomic_bool ending;
    atomic_uint wrongs;
    _Atomic uint64_t counts[SOAK_COUNTS];
    atomic_int connections;

    struct key_row *keys;
    pthread_mutex_t stripes[STRIPES];

    pthread_mutex_t weather_lock; /* all below */
    struct window flushes[FLUSHES];
    unsigned flush_count;
    unsigned flushes_open;
    bool paused;
    uint64_t pause_end_us;
};

struct soak_board *
soak_board_create(const struct soak_plan *plan)
{
    struct soak_board *b = mem_zalloc(sizeof(*b));
    b->plan = *plan;
    b->began_us = clock_mono_us();
    size_t keys = (size_t)plan->writers * plan->keys;
    b->keys = mem_zalloc(keys * sizeof(b->keys[0]));
    for (size_t i = 0; i < keys; i++) {
        b->keys[i].bound.expiry_hi_us = SOAK_NEVER;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&b->stripes[i], NULL);
    }
    pthread_mutex_init(&b->weather_lock, NULL);
    return b;
}

void
soak_board_destroy(struct soak_board **board)
{
    struct soak_board *b = *board;
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&b->stripes[i]);
    }
    pthread_mutex_destroy(&b->weather_lock);
    free(b->keys);
    free(b);
    *board = NULL;
}

const struct soak_plan *
soak_board_plan(const struct soak_board *b)
{
    return &b->plan;
}

/* --- the run ------------------------------------------------------------------- */

void
soak_board_end(struct soak_board *b)
{
    atomic_store(&b->ending, true);
}

bool
soak_board_ending(const struct soak_board *b)
{
    return atomic_load(&b->ending);
}

void
soak_board_wrong(struct soak_board *b, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    unsigned before = atomic_fetch_add(&b->wrongs, 1);
    if (before < WRONGS_MAX) {
        fprintf(stderr, "wrong after %" PRIu64 " ms: %s\n", (clock_mono_us() - b->began_us) / 1000,
                text);
    }
    if (before + 1 >= WRONGS_MAX) {
        soak_board_end(b);
    }
}

unsigned
soak_board_wrongs(const struct soak_board *b)
{
    return atomic_load(&b->wrongs);
}

void
soak_board_count(struct soak_board *b, enum soak_count what, uint64_t n)
{
    atomic_fetch_add_explicit(&b->counts[what], n, memory_order_relaxed);
}

uint64_t
soak_board_counted(const struct soak_board *b, enum soak_count what)
{
    return atomic_load(&b->counts[what]);
}

void
soak_board_connected(struct soak_board *b, int change)
{
    atomic_fetch_add(&b->connections, change);
}

int
soak_board_connections(const struct soak_board *b)
{
    return atomic_load(&b->connections);
}

unsigned
soak_board_phase(const struct soak_board *b, unsigned phases)
{
    return (unsigned)((clock_mono_us() - b->began_us) / b->plan.phase_us % phases);
}

/* --- keys ------------------------------------------------------------------------ */

static pthread_mutex_t *
stripe_of(struct soak_board *b, uint32_t id)
{
    return &b->stripes[id % STRIPES];
}

uint32_t
soak_board_next_seq(struct soak_board *b, uint32_t id)
{
    return atomic_fetch_add(&b->keys[id].sent_seq, 1) + 1;
}

uint32_t
soak_board_sent_seq(struct soak_board *b, uint32_t id)
{
    return atomic_load(&b->keys[id].sent_seq);
}

void
soak_board_publish(struct soak_board *b, uint32_t id, const struct soak_bound *bound)
{
    pthread_mutex_lock(stripe_of(b, id));
    b->keys[id].bound = *bound;
    pthread_mutex_unlock(stripe_of(b, id));
}

struct soak_bound
soak_board_bound(struct soak_board *b, uint32_t id)
{
    pthread_mutex_lock(stripe_of(b, id));
    struct soak_bound bound = b->keys[id].bound;
    pthread_mutex_unlock(stripe_of(b, id));
    return bound;
}

bool
soak_board_cas_seen(struct soak_board *b, uint32_t id, uint32_t seq, uint64_t cas)
{
    struct key_row *row = &b->keys[id];
    pthread_mutex_lock(stripe_of(b, id));
    bool right = row->cas == 0 || (cas == row->cas  ? seq == row->cas_seq
                                   : cas > row->cas ? seq >= row->cas_seq
                                                    : seq <= row->cas_seq);
    if (cas > row->cas) {
        row->cas = cas;
        row->cas_seq = seq;
    }
    pthread_mutex_unlock(stripe_of(b, id));
    return right;
}

/* --- flushes and pauses ------------------------------------------------------------- */

void
soak_board_flush_begins(struct soak_board *b)
{
    pthread_mutex_lock(&b->weather_lock);
    b->flushes_open++;
    pthread_mutex_unlock(&b->weather_lock);
}

void
soak_board_flush_ends(struct soak_board *b, uint64_t lo_us, uint64_t hi_us)
{
    pthread_mutex_lock(&b->weather_lock);
    ASSERT(b->flushes_open > 0);
    b->flushes_open--;
    b->flushes[b->flush_count++ % FLUSHES] = (struct window){lo_us, hi_us};
    pthread_mutex_unlock(&b->weather_lock);
    soak_board_count(b, COUNT_FLUSHES, 1);
}

void
soak_board_pause(struct soak_board *b, bool paused)
{
    pthread_mutex_lock(&b->weather_lock);
    b->paused = paused;
    b->pause_end_us = paused ? b->pause_end_us : clock_mono_us();
    pthread_mutex_unlock(&b->weather_lock);
}

struct soak_weather
soak_board_weather(struct soak_board *b, uint64_t sent_us)
{
    struct soak_weather w = {.slack_us = b->plan.slack_us};
    pthread_mutex_lock(&b->weather_lock);
    for (unsigned i = 0; i < FLUSHES; i++) {
        const struct window *f = &b->flushes[i];
        if (f->hi_us < sent_us && f->lo_us > w.flushed_lo_us) {
            w.flushed_lo_us = f->lo_us;
        }
        if (f->hi_us > w.flushed_hi_us) {
            w.flushed_hi_us = f->hi_us;
        }
    }
    if (b->flushes_open > 0) {
        w.flushed_hi_us = SOAK_NEVER;
    }
    if (b->paused || sent_us < b->pause_end_us + b->plan.slack_us) {
        w.slack_us = SOAK_NEVER;
    }
    pthread_mutex_unlock(&b->weather_lock);
    return w;
}
