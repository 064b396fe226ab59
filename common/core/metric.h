/* metric.h - counters and gauges from one table.
 *
 * A room writes its metrics as rows
 *
 *     #define PROXY_METRICS(X)                                   \
 *         X(REQUESTS, "requests_total", COUNTER, "Requests read from clients.")
 *
 * and gets the enum (METRIC_ENUM), the descriptions (METRIC_DESC), `stats`,
 * and Prometheus text from them. Values live in blocks: one per thread, each
 * with a single writer, so counting costs one plain addition; a reader sums
 * the blocks. Gauges sum too, so each thread counts what it owns.
 *
 * Threads: metric_add/metric_set only by the block's owner; everything else
 * from any thread. */
#pragma once
#include "common/core/buf.h"

#include <stdatomic.h>
#include <stdint.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_desc {
    const char *name; /* without the prefix; counters end in _total */
    enum metric_kind kind;
    const char *help; /* one sentence */
};

#define METRIC_ENUM(id, name, kind, help) METRIC_ID_##id,
#define METRIC_DESC(id, name, kind, help) {name, METRIC_##kind, help},

struct metric_block {
    _Atomic uint64_t *values;
    unsigned count;
};

/* A table of descriptions and the blocks that hold its values. */
struct metric_set;

/* `prefix` and `descs` must outlive the set. Prometheus names are
 * <prefix>_<name>. */
struct metric_set *metric_set_create(const char *prefix, const struct metric_desc *descs,
                                     unsigned count);
void metric_set_destroy(struct metric_set **set);

/* A new block of zeros for the calling thread; owned by the set. */
struct metric_block *metric_set_block(struct metric_set *set);

/* Adds to a number that only the caller writes, and anybody may read. */
static inline void
metric_bump(_Atomic uint64_t *number, uint64_t n)
{
    uint64_t v = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, v + n, memory_order_relaxed);
}

static inline void
metric_add(struct metric_block *b, unsigned id, uint64_t n)
{
    metric_bump(&b->values[id], n);
}

static inline void
metric_sub(struct metric_block *b, unsigned id, uint64_t n)
{
    metric_add(b, id, (uint64_t)0 - n);
}

static inline void
metric_set_value(struct metric_block *b, unsigned id, uint64_t v)
{
    atomic_store_explicit(&b->values[id], v, memory_order_relaxed);
}

/* Sum over all blocks. */
uint64_t metric_sum(const struct metric_set *set, unsigned id);

/* Appends HELP, TYPE and value of every metric in Prometheus' text format.
 * `labels` is "" or like {pool="a"}. */
void metric_render_prometheus(const struct metric_set *set, const char *labels, struct buf *out);

/* Appends name="value" with what Prometheus wants escaped in `value`; a label
 * that is not makes a scraper refuse the whole page. */
void metric_put_label(struct buf *out, const char *name, const char *value);

/* Calls `row` for each metric, for `stats`. */
void metric_each(const struct metric_set *set,
                 void (*row)(void *arg, const struct metric_desc *desc, uint64_t value), void *arg);
