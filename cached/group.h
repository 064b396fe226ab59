/* group.h - what gets and mgs have in common that are served in groups: all keys
 * of a group are looked up together, and short values copied out within the same
 * epoch, so that nothing is held. Replies are written where they are sent from. */
#pragma once
#include "cached/pen.h"
#include "cached/watch.h"
#include "common/core/copy.h"
#include "common/core/num.h"

/* What somebody wants to hear of takes the way of single requests. */
static inline bool
group_is_observed(const struct conn *c)
{
    return watch_wanted(c, WATCH_FETCHERS) ||
           atomic_load_explicit(&c->worker->node->detail.enabled, memory_order_relaxed);
}

static inline void
group_count_gets(struct worker *w, unsigned keys, unsigned hits)
{
    _Atomic uint64_t *values = w->metrics->values; /* not to be loaded for each */
    metric_bump(&values[METRIC_ID_NODE_GETS], keys);
    metric_bump(&values[METRIC_ID_NODE_GET_HITS], hits);
    metric_bump(&values[METRIC_ID_NODE_GET_MISSES], keys - hits);
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

static inline char *
group_put_number(char *p, uint64_t n)
{
    *p++ = ' ';
    return p + num_format_u64(n, p);
}

static inline bool
group_copies(size_t value_bytes)
{
    return value_bytes <= OUTBOX_COPY_MAX - STORE_TRAILER_BYTES;
}

/* The room that such a value needs in the outbox. */
static inline size_t
group_copied(size_t value_bytes)
{
    return group_copies(value_bytes) ? value_bytes + STORE_TRAILER_BYTES : 0;
}

/* Puts the value and its CRLF, for which there is room. */
static inline __attribute__((always_inline)) void
group_put_value(struct conn *c, struct pen *pen, const struct store_sight *sight)
{
    struct span value = sight->value;
    if (__builtin_expect(!group_copies(value.len), 0)) {
        pen_refer(c, pen, sight);
        return;
    }
    char *p = copy_bytes(pen->at, value.ptr, value.len);
    memcpy(p, "\r\n", STORE_TRAILER_BYTES);
    pen->at = p + STORE_TRAILER_BYTES;
}
