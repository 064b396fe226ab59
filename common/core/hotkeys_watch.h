/* hotkeys_watch.h - `watch hotkeys`: the first keys of one interval after the
 * other, and the lines of a watcher's log.
 *
 * Whoever owns the sketches of all workers calls hotkeys_watch_is_due() now and
 * then, and hotkeys_watch_next() when it says so: what the interval has counted is
 * told and the next one begins. While nobody watches there is no interval, and a
 * worker counts nothing for it. Node and proxy both have it.
 *
 * Thread: the caller's, always the same; the lines are pure. */
#pragma once
#include "common/core/hotkeys.h"

#define HOTKEYS_WATCH_MS  5000
#define HOTKEYS_WATCH_TOP 10

struct hotkeys_watch {
    uint64_t since_ms; /* when the interval began; 0: there is none */
};

/* `rank` counts from 1. */
typedef void hotkeys_ranked_fn(void *arg, enum hotkeys_order order, unsigned rank,
                               const struct hotkey *key);

bool hotkeys_watch_is_due(const struct hotkeys_watch *watch, bool wanted, uint64_t now_ms);

/* Tells `fn` the first HOTKEYS_WATCH_TOP of the interval that ends, by each of the
 * first `orders` orders, and begins the next, or none if it is not wanted. */
void hotkeys_watch_next(struct hotkeys_watch *watch, struct hotkeys *const *sketches,
                        unsigned count, unsigned orders, bool wanted, uint64_t now_ms,
                        hotkeys_ranked_fn *fn, void *arg);

/* --- the log -------------------------------------------------------------------- */

/* These write at most `room` bytes and return how many, without the line's end;
 * room that suffices is the caller's to give. */

/* "ts=... gid=... type=", with which each line begins. */
size_t watch_head(uint64_t wall_ms, uint64_t gid, char *out, size_t room);

/* "hotkey order=... rank=... key=... count=... error=..."; `key`: URI encoded. */
size_t watch_hotkey(const char *order, unsigned rank, const char *key, uint64_t count,
                    uint64_t error, char *out, size_t room);

/* "skipped=...", the lines that a watcher was too slow for. */
size_t watch_skipped(uint64_t lines, char *out, size_t room);
