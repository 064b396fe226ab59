/* stats_classes.c - `stats items`, `stats slabs`, and the exporter's metrics of
 * slabs: items by size.
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
    X("total_pages",           pages_of(c))                                  \
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

static uint64_t
pages_of(const struct class *c)
{
    return (c->band.item_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

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

enum since { SINCE_START, SINCE_RESET };

/* Fills in all classes. used[i]: it has or had items. */
static void
gather(struct node *node, enum since since, struct class classes[STORE_BANDS],
       bool used[STORE_BANDS])
{
    static const struct class_baseline nothing;
    struct store_band bands[STORE_BANDS];
    /* Counted under the lock: else a reset could come between the counters and
     * what is to be subtracted, and be the larger. */
    pthread_mutex_lock(&node->registry_lock);
    store_bands(node->store, bands);
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        const struct class_baseline *baseline =
            since == SINCE_RESET ? &node->class_baseline[i] : &nothing;
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
    pthread_mutex_lock(&node->registry_lock);
    store_bands(node->store, bands);
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
    gather(w->node, SINCE_RESET, classes, used);
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
    gather(node, SINCE_RESET, classes, used);
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

/* --- for Prometheus ---------------------------------------------------------- */

/* clang-format off */
/*    name                             kind       value                 sentence */
#define METRIC_ROWS(X)                                                                             \
    X("current_items",                 "gauge",   c->band.items,        "Items of this size.")     \
    X("cold_items",                    "gauge",   c->band.items,        "The same.")               \
    X("mem_requested_bytes",           "gauge",   c->band.item_bytes,   "Memory that they take.")  \
    X("chunk_size_bytes",              "gauge",   c->band.limit_bytes,  "The largest of them.")    \
    X("chunks_per_page",               "gauge",   PAGE_BYTES / c->band.limit_bytes, "As memcached's.") \
    X("current_pages",                 "gauge",   pages_of(c),          "Megabytes of memory.")    \
    X("current_chunks",                "gauge",   c->band.items,        "Items.")                  \
    X("chunks_used",                   "gauge",   c->band.items,        "Items.")                  \
    X("chunks_free",                   "gauge",   0,                    "Nothing is set aside.")   \
    X("chunks_free_end",               "gauge",   0,                    "Nothing is set aside.")   \
    X("items_evicted_total",           "counter", c->band.evictions,    "Live items removed for room.") \
    X("items_evicted_nonzero_total",   "counter", c->band.evicted_mortal, "Those that would have expired.") \
    X("items_evicted_unfetched_total", "counter", c->band.evicted_unfetched, "Those never read.") \
    X("items_evicted_time_seconds",    "gauge",   c->band.evicted_idle_ms / 1000, "How long nobody had asked for the last of them.") \
    X("items_expired_unfetched_total", "counter", c->band.expired_unfetched, "Expired items never read.") \
    X("items_reclaimed_total",         "counter", c->band.reclaimed,    "Dead items whose room was needed.") \
    X("items_crawler_reclaimed_total", "counter", c->band.swept,        "Dead items that the sweep removed.") \
    X("items_outofmemory_total",       "counter", c->band.refused,      "Stores that found no memory.")

/*    command   status    value */
#define COMMAND_ROWS(X)                             \
    X("get",    "hit",    c->get_hits)              \
    X("set",    "hit",    c->band.stored - c->band.cas_hits) \
    X("delete", "hit",    c->band.deletes)          \
    X("incr",   "hit",    c->band.increments)       \
    X("decr",   "hit",    c->band.decrements)       \
    X("touch",  "hit",    c->band.touches)          \
    X("cas",    "hit",    c->band.cas_hits)         \
    X("cas",    "badval", c->band.cas_badval)
/* clang-format on */

static void
put_class_commands(const struct class classes[STORE_BANDS], const bool used[STORE_BANDS],
                   struct buf *out)
{
    buf_printf(out, "# HELP memcached_slab_commands_total Commands by size and outcome.\n"
                    "# TYPE memcached_slab_commands_total counter\n");
    for (unsigned i = 0; i < STORE_BANDS; i++) {
        const struct class *c = &classes[i];
        if (!used[i]) {
            continue;
        }
#define X(command, status, value)                                                                  \
    buf_printf(out,                                                                                \
               "memcached_slab_commands_total{slab=\"%u\",command=\"%s\",status=\"%s\"} %" PRIu64  \
               "\n",                                                                               \
               i, command, status, (uint64_t)(value));
        COMMAND_ROWS(X)
#undef X
    }
}

static const struct {
    const char *name, *kind, *help;
} metric_rows[] = {
#define X(name, kind, value, help) {name, kind, help},
    METRIC_ROWS(X)
#undef X
};

#define METRIC_ROW_COUNT (sizeof(metric_rows) / sizeof(metric_rows[0]))

static uint64_t
metric_value(const struct class *c, size_t row)
{
    const uint64_t values[] = {
#define X(name, kind, value, help) value,
        METRIC_ROWS(X)
#undef X
    };
    return values[row];
}

void
stats_put_class_metrics(struct node *node, struct buf *out)
{
    struct class classes[STORE_BANDS];
    bool used[STORE_BANDS];
    gather(node, SINCE_START, classes, used);
    for (size_t row = 0; row < METRIC_ROW_COUNT; row++) {
        const char *name = metric_rows[row].name;
        buf_printf(out, "# HELP memcached_slab_%s %s\n# TYPE memcached_slab_%s %s\n", name,
                   metric_rows[row].help, name, metric_rows[row].kind);
        for (unsigned i = 0; i < STORE_BANDS; i++) {
            if (used[i]) {
                buf_printf(out, "memcached_slab_%s{slab=\"%u\"} %" PRIu64 "\n", name, i,
                           metric_value(&classes[i], row));
            }
        }
    }
    put_class_commands(classes, used, out);
}
