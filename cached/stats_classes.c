/* stats_classes.c - `stats items` and `stats slabs`: items by size.
 *
 * There are no slab classes here and no LRU segments. A class is a band of sizes,
 * numbered as memcached numbers its slab classes (store.h), and its rows have
 * memcached's names, so that panels, memcached-tool and scripts find them. What
 * there is of it here is told; what there is not is 0. */
#include "cached/stats.h"

#include <inttypes.h>

#define PAGE_BYTES (1u << 20) /* memcached's; here a unit to count memory in */

/* `age` is that of the item which nobody has asked for longest, among so many at
 * the beginning of the table, where hashing has put any items. */
#define AGE_ITEMS 1024
#define AGE_STEP  256 /* looked at before the store's lock is let go */

/* One class, since the last `stats reset`. */
struct class
{
    struct store_band band;
    uint64_t get_hits; /* about: one request in HOTKEYS_EVERY is looked at */
    uint64_t age_ms;
};

/* clang-format off */
/*    name                     value */
#define ITEM_ROWS(X)                                                         \
    X("number",                c->band.items)                                \
    X("number_hot",            0)                                            \
    X("number_warm",           0)                                            \
    X("number_cold",           c->band.items)                                \
    X("age_hot",               0)                                            \
    X("age_warm",              0)                                            \
    X("age",                   c->age_ms / 1000)                             \
    X("mem_requested",         c->band.item_bytes)                           \
    X("evicted",               c->band.evictions)                            \
    X("evicted_nonzero",       c->band.evicted_mortal)                       \
    X("evicted_time",          c->band.evicted_idle_ms / 1000)               \
    X("outofmemory",           c->band.refused)                              \
    X("tailrepairs",           0)                                            \
    X("reclaimed",             c->band.reclaimed)                            \
    X("expired_unfetched",     c->band.expired_unfetched)                    \
    X("evicted_unfetched",     c->band.evicted_unfetched)                    \
    X("evicted_active",        0)                                            \
    X("crawler_reclaimed",     c->band.swept)                                \
    X("crawler_items_checked", 0)                                            \
    X("lrutail_reflocked",     0)                                            \
    X("moves_to_cold",         0)                                            \
    X("moves_to_warm",         0)                                            \
    X("moves_within_lru",      0)                                            \
    X("direct_reclaims",       0)                                            \
    X("hits_to_hot",           0)                                            \
    X("hits_to_warm",          0)                                            \
    X("hits_to_cold",          c->get_hits)                                  \
    X("hits_to_temp",          0)

#define SLAB_ROWS(X)                                                         \
    X("chunk_size",            c->band.limit_bytes)                          \
    X("chunks_per_page",       PAGE_BYTES / c->band.limit_bytes)             \
    X("total_pages",           (c->band.item_bytes + PAGE_BYTES - 1) / PAGE_BYTES) \
    X("total_chunks",          c->band.items)                                \
    X("used_chunks",           c->band.items)                                \
    X("free_chunks",           0)                                            \
    X("free_chunks_end",       0)                                            \
    X("mem_requested",         c->band.item_bytes)                           \
    X("get_hits",              c->get_hits)                                  \
    X("cmd_set",               c->band.stored + c->band.cas_badval)          \
    X("delete_hits",           c->band.deletes)                              \
    X("incr_hits",             c->band.increments)                           \
    X("decr_hits",             c->band.decrements)                           \
    X("cas_hits",              c->band.cas_hits)                             \
    X("cas_badval",            c->band.cas_badval)                           \
    X("touch_hits",            c->band.touches)
/* clang-format on */

/* What there is has no baseline. */
static void
subtract(struct store_band *band, const struct store_band *baseline)
{
    struct store_band now = *band;
#define X(field) band->field -= baseline->field;
    STORE_BAND_COUNTS(X)
#undef X
    band->items = now.items;
    band->item_bytes = now.item_bytes;
    band->evicted_idle_ms = band->evictions > 0 ? now.evicted_idle_ms : 0;
}

static uint64_t
hits_of(struct node *node, unsigned class)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i < node->worker_count; i++) {
        hits += atomic_load_explicit(&node->workers[i]->class_hits[class], memory_order_relaxed);
    }
    return hits;
}

/* Fills in all classes. used[i]: it has or had items. */
static void
gather(struct node *node, struct class classes[STORE_BANDS], bool used[STORE_BANDS])
{
    struct store_band bands[STORE_BANDS];
    store_bands(node->store, bands);
    pthread_mutex_lock(&node->registry_lock);
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        const struct class_baseline *baseline = &node->class_baseline[i];
        used[i] = bands[i].items > 0 || bands[i].stored > 0;
        subtract(&bands[i], &baseline->band);
        classes[i] = (struct class){bands[i], hits_of(node, i) - baseline->get_hits, 0};
    }
    pthread_mutex_unlock(&node->registry_lock);
}

void
stats_reset_classes(struct node *node)
{
    struct store_band bands[STORE_BANDS];
    store_bands(node->store, bands);
    pthread_mutex_lock(&node->registry_lock);
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        node->class_baseline[i] = (struct class_baseline){bands[i], hits_of(node, i)};
    }
    pthread_mutex_unlock(&node->registry_lock);
}

/* --- age --------------------------------------------------------------------- */

struct ages {
    struct class *classes;
    uint64_t now_ms;
    unsigned left;
};

static void
note_age(void *arg, const struct store_view *view)
{
    struct ages *ages = arg;
    struct class *class = &ages->classes[store_band_of(view->key.len, view->value.len)];
    uint64_t age_ms = ages->now_ms > view->accessed_ms ? ages->now_ms - view->accessed_ms : 0;
    class->age_ms = age_ms > class->age_ms ? age_ms : class->age_ms;
    ages->left -= ages->left > 0;
}

static void
find_ages(struct worker *w, struct class classes[STORE_BANDS])
{
    struct ages ages = {classes, w->now_ms, AGE_ITEMS};
    uint64_t cursor = 0;
    while (ages.left > 0 && store_walk(w->store, &cursor, AGE_STEP, w->now_ms, note_age, &ages)) {
    }
}

/* --- printing ---------------------------------------------------------------- */

void
stats_put_items(struct worker *w, struct buf *out)
{
    struct class classes[STORE_BANDS];
    bool used[STORE_BANDS];
    gather(w->node, classes, used);
    find_ages(w, classes);
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        const struct class *c = &classes[i];
        if (!used[i]) {
            continue;
        }
#define X(name, value)                                                                             \
    buf_printf(out, "STAT items:%u:%s %" PRIu64 "\r\n", i, name, (uint64_t)(value));
        ITEM_ROWS(X)
#undef X
    }
}

void
stats_put_slabs(struct node *node, struct buf *out)
{
    struct class classes[STORE_BANDS];
    bool used[STORE_BANDS];
    unsigned active = 0;
    gather(node, classes, used);
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        const struct class *c = &classes[i];
        if (!used[i]) {
            continue;
        }
        active++;
#define X(name, value) buf_printf(out, "STAT %u:%s %" PRIu64 "\r\n", i, name, (uint64_t)(value));
        SLAB_ROWS(X)
#undef X
    }
    buf_printf(out, "STAT active_slabs %u\r\nSTAT total_malloced %" PRIu64 "\r\n", active,
               store_info(node->store).memory_bytes);
}
