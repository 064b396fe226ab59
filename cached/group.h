/* group.h - what gets and mgs have in common that are served in groups: all keys
 * of a group are looked up together, and short values copied out within the same
 * epoch, so that nothing is held. Replies are written where they are sent from. */
#pragma once
#include "cached/conn.h"
#include "cached/watch.h"
#include "common/core/num.h"

/* What somebody wants to hear of takes the way of single requests. */
static inline bool
group_is_observed(const struct conn *c)
{
    return watch_wanted(c, WATCH_FETCHERS) ||
           atomic_load_explicit(&c->worker->node->detail.enabled, memory_order_relaxed);
}

/* May nothing more be executed before something was sent? */
static inline bool
group_must_pause(const struct conn *c)
{
    return conn_blocked(c) || c->out.out_of_memory;
}

static inline void
group_count_gets(struct worker *w, unsigned keys, unsigned hits)
{
    metric_add(w->metrics, METRIC_ID_NODE_GETS, keys);
    metric_add(w->metrics, METRIC_ID_NODE_GET_HITS, hits);
    metric_add(w->metrics, METRIC_ID_NODE_GET_MISSES, keys - hits);
}

/* These keys were asked for and answered. */
static inline void
group_note(struct worker *w, const struct store_key *keys, const struct store_sight *sights,
           unsigned count, unsigned hits)
{
    group_count_gets(w, count, hits);
    if (w->hotkeys_distance > count) { /* none of them is looked at */
        w->hotkeys_distance -= count;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        worker_note_key(w, &keys[i], sights[i].item != NULL ? sights[i].value.len : 0);
    }
}

/* --- writing ------------------------------------------------------------------ */

/* memcpy() for keys: most have 16 bytes and more, and need no call. */
static inline char *
group_put_key(char *p, struct span key)
{
    if (key.len < 16) {
        memcpy(p, key.ptr, key.len);
        return p + key.len;
    }
    for (size_t i = 0; i + 16 < key.len; i += 16) {
        memcpy(p + i, key.ptr + i, 16);
    }
    memcpy(p + key.len - 16, key.ptr + key.len - 16, 16);
    return p + key.len;
}

static inline char *
group_put_number(char *p, uint64_t n)
{
    *p++ = ' ';
    return p + num_format_u64(n, p);
}

static inline bool
group_copies(const struct store_sight *sight)
{
    return sight->value.len + STORE_TRAILER_BYTES <= OUTBOX_COPY_MAX;
}

/* Room for a line of up to so many bytes and the value behind it, or NULL: then
 * the outbox says so. */
static inline char *
group_room(struct conn *c, size_t line_max, const struct store_sight *sight)
{
    size_t value_bytes = group_copies(sight) ? sight->value.len + STORE_TRAILER_BYTES : 0;
    return outbox_room(&c->out, line_max + value_bytes);
}

/* Puts the line that stands from `line` to `p`, and the value. */
static inline void
group_put_value(struct conn *c, const char *line, char *p, const struct store_sight *sight)
{
    size_t bytes = sight->value.len;
    if (group_copies(sight)) {
        memcpy(p, sight->value.ptr, bytes);
        memcpy(p + bytes, "\r\n", STORE_TRAILER_BYTES);
        outbox_wrote(&c->out, (size_t)(p + bytes + STORE_TRAILER_BYTES - line));
        return;
    }
    struct store_thread *th = c->worker->store;
    outbox_wrote(&c->out, (size_t)(p - line));
    outbox_refer(&c->out, th, store_keep(th, sight), sight->value);
}
