/* histogram.h - how long things took, in buckets.
 *
 * Cells are what one thread counts into, with plain additions; a histogram is what a
 * reader has summed from one or several of them, and need not be of one moment.
 *
 * Threads: histogram_note() only by the cells' owner; histogram_sum() from any. */
#pragma once
#include "common/core/buf.h"
#include "common/core/metric.h"

/* Upper ends in microseconds: 1, 2, 5, 10 .. 5 s; the last bucket has no end. */
#define HISTOGRAM_BUCKETS 22
extern const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1];

struct histogram_cells {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t sum_us;
};

/* `n` that took so long each. */
void histogram_note(struct histogram_cells *cells, uint64_t took_us, uint64_t n);

/* Adds what the cells have to `to`. */
void histogram_sum(const struct histogram_cells *cells, struct histogram *to);
/* Takes away what was there at an earlier moment. */
void histogram_subtract(struct histogram *h, const struct histogram *earlier);

/* How many there are, and the bound below which `permille` of them are; the last
 * bound if some of these were longer still. 0 if there are none. */
uint64_t histogram_count(const struct histogram *h);
uint64_t histogram_quantile_us(const struct histogram *h, unsigned permille);

/* The lines of `stats`: NAME:count, NAME:mean_us, NAME:p50_us .. NAME:p999_us. */
void histogram_put_stats(const struct histogram *h, const char *name, struct buf *out);

/* Prometheus' lines of one series, in seconds. `labels` is like pool="a" and not
 * empty; HELP and TYPE are the caller's. */
void histogram_put_prometheus(const struct histogram *h, const char *metric, const char *labels,
                              struct buf *out);
