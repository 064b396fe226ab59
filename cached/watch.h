/* watch.h - the `watch` command: a log of what the node does, to connections
 * that asked for it.
 *
 *     exec -- watch_fetched() .. --> the worker's event ring --+
 *     exec -- watch_stored() ... --> another worker's ring ----+--> watcher's outbox -> send
 *                                                       every WATCH_TICK_MS
 *
 * While nobody watches a stream, an event of it costs one relaxed load. While
 * somebody does, the worker writes it to its ring and goes on, whoever reads.
 * A watcher is a state of its connection: its own worker takes what is new from
 * all rings and formats it. One that does not read has at most CONN_OUTPUT_MAX
 * and one step's lines held for it; what is overwritten meanwhile is counted and
 * told in its log as "skipped=N".
 *
 * Thread: the connection's worker. */
#pragma once
#include "cached/conn.h"

#define WATCH_TICK_MS  10
#define WATCHERS_LIMIT 20 /* as memcached */

/* Makes the connection a watcher of these streams (1 << enum watch_stream),
 * which begins with "OK". False if there are WATCHERS_LIMIT. */
bool watch_begin(struct conn *c, uint32_t streams);
/* Puts what is new into the outbox, as far as that has room. */
void watch_step(struct conn *c);
/* The connection closes; one that watches nothing is allowed. */
void watch_end(struct conn *c);

/* While somebody watches them, each interval's hottest keys are told, of all
 * workers (hotkeys_watch.h). The first worker, now and then. */
void watch_hotkeys(struct worker *w);

/* The worker begins: its evictions will be told. */
void watch_init_worker(struct worker *w);
void watch_deinit_worker(struct worker *w);

/* --- what happens ------------------------------------------------------------ */
static inline bool
watch_wanted(const struct conn *c, enum watch_stream stream)
{
    const struct watch_hub *hub = &c->worker->node->watch;
    return (atomic_load_explicit(&hub->streams, memory_order_relaxed) & 1u << stream) != 0;
}

/* These write the event, wanted or not. */
void watch_put_fetch(struct conn *c, struct span key, const struct store_view *view, bool found);
void watch_put_lookup(struct conn *c, struct span key);
void watch_put_store(struct conn *c, struct span key, const struct store_write *write,
                     enum store_outcome outcome, uint64_t value_bytes, uint64_t now_ms);
void watch_put_delete(struct conn *c, struct span key, const char *command);
void watch_put_opened(struct conn *c);
void watch_put_closed(struct conn *c, enum conn_end why);

/* A key was asked for; `view` is what store_get() has filled in. */
static inline void
watch_fetched(struct conn *c, struct span key, const struct store_view *view, bool found)
{
    if (watch_wanted(c, WATCH_FETCHERS)) {
        watch_put_fetch(c, key, view, found);
    }
}

/* A value will be stored. memcached looks the key up first and logs that as a
 * fetch, so we do. */
static inline void
watch_storing(struct conn *c, struct span key)
{
    if (watch_wanted(c, WATCH_FETCHERS)) {
        watch_put_lookup(c, key);
    }
}

/* A value was stored or refused. */
static inline void
watch_stored(struct conn *c, struct span key, const struct store_write *write,
             enum store_outcome outcome, uint64_t value_bytes)
{
    if (watch_wanted(c, WATCH_MUTATIONS)) {
        watch_put_store(c, key, write, outcome, value_bytes, c->worker->now_ms);
    }
}

/* A key was deleted. `command`: static text. */
static inline void
watch_deleted(struct conn *c, struct span key, const char *command)
{
    if (watch_wanted(c, WATCH_DELETIONS)) {
        watch_put_delete(c, key, command);
    }
}

static inline void
watch_opened(struct conn *c)
{
    if (watch_wanted(c, WATCH_CONNEVENTS)) {
        watch_put_opened(c);
    }
}

static inline void
watch_closed(struct conn *c, enum conn_end why)
{
    if (watch_wanted(c, WATCH_CONNEVENTS)) {
        watch_put_closed(c, why);
    }
}
