/* Sets whose values are whole in the input, without the general parser and in groups. */
#include "cached/ingest.h"
#include "cached/watch.h"
#include "common/proto/request_plain.h"

/* What somebody wants to hear of takes the way of all values. */
static bool
is_observed(const struct conn *c)
{
    return watch_wanted(c, WATCH_FETCHERS) || watch_wanted(c, WATCH_MUTATIONS) ||
           atomic_load_explicit(&c->worker->node->detail.enabled, memory_order_relaxed);
}

static void
note_stores(struct worker *w, const struct store_key *keys, const struct store_put *puts,
            unsigned count)
{
    if (w->hotkeys_distance > count) { /* none of them is looked at */
        w->hotkeys_distance -= count;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        worker_note_store(w, &keys[i], puts[i].value.len);
    }
}

/* Returns how many were stored. */
static inline unsigned
answer_sets(struct conn *c, const struct store_put *puts, unsigned count)
{
    unsigned stored = 0;
    for (unsigned i = 0; i < count; i++) {
        if (__builtin_expect(puts[i].outcome == STORE_OK, 1)) {
            outbox_put(&c->out, "STORED\r\n", 8);
            stored++;
        } else {
            conn_put_error(c, ingest_refusal(puts[i].outcome));
        }
    }
    return stored;
}

size_t
ingest_plain_sets(struct conn *c, struct span input, uint64_t *requests)
{
    struct worker *w = c->worker;
    struct plain_set sets[STORE_SIGHTS];
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS;
    unsigned n = is_observed(c) ? 0 : request_plain_sets(input, sets, max);
    size_t done = 0;
    for (unsigned i = 0; i < n; i++) {
        keys[i] = store_key(sets[i].key);
        puts[i].value = sets[i].value;
        puts[i].flags = sets[i].flags;
        puts[i].expiry_ms = node_expiry_ms(w->node, sets[i].exptime, w->now_ms);
        puts[i].binary_key = false;
        done += sets[i].bytes;
    }
    if (n > 0) {
        store_put(w->store, keys, puts, n, w->now_ms);
        note_stores(w, keys, puts, n);
        metric_add(w->metrics, METRIC_ID_NODE_SETS, answer_sets(c, puts, n));
        *requests -= n;
    }
    return done;
}
