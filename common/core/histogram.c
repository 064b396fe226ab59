#include "common/core/histogram.h"

#include <inttypes.h>

#define US_PER_S 1e6

const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1] = {
    1,    2,     5,     10,    20,     50,     100,    200,     500,     1000,    2000,
    5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000,
};

#define OCTAVES 23

/* The bucket of the smallest time above 1, 2, 4, 8 ... No octave has more than one bound
 * within it, so a time's bucket is this one or the next. */
static const uint8_t bucket_above[OCTAVES] = {1,  2,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                              11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20};

static unsigned
bucket_of(uint64_t took_us)
{
    if (took_us <= 1) {
        return 0;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(took_us - 1);
    if (octave >= OCTAVES) {
        return HISTOGRAM_BUCKETS - 1;
    }
    unsigned bucket = bucket_above[octave];
    return bucket + (took_us > histogram_bounds_us[bucket]);
}

void
histogram_note(struct histogram_cells *cells, uint64_t took_us, uint64_t n)
{
    metric_bump(&cells->counts[bucket_of(took_us)], n);
    metric_bump(&cells->sum_us, took_us * n);
}

void
histogram_sum(const struct histogram_cells *cells, struct histogram *to)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        to->counts[i] += atomic_load_explicit(&cells->counts[i], memory_order_relaxed);
    }
    to->sum_us += atomic_load_explicit(&cells->sum_us, memory_order_relaxed);
}

void
histogram_subtract(struct histogram *h, const struct histogram *earlier)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->counts[i] -= earlier->counts[i];
    }
    h->sum_us -= earlier->sum_us;
}

uint64_t
histogram_count(const struct histogram *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += h->counts[i];
    }
    return count;
}

uint64_t
histogram_quantile_us(const struct histogram *h, unsigned permille)
{
    uint64_t count = histogram_count(h), seen = 0;
    uint64_t wanted = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
    if (count == 0) {
        return 0;
    }
    unsigned i = 0;
    while (i < HISTOGRAM_BUCKETS - 2 && (seen += h->counts[i]) < wanted) {
        i++;
    }
    return histogram_bounds_us[i];
}

void
histogram_put_stats(const struct histogram *h, const char *name, struct buf *out)
{
    static const struct {
        const char *name;
        unsigned permille;
    } quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}};
    uint64_t count = histogram_count(h);
    buf_printf(out, "STAT %s:count %" PRIu64 "\r\nSTAT %s:mean_us %" PRIu64 "\r\n", name, count,
               name, count > 0 ? h->sum_us / count : 0);
    for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        buf_printf(out, "STAT %s:%s_us %" PRIu64 "\r\n", name, quantiles[i].name,
                   histogram_quantile_us(h, quantiles[i].permille));
    }
}

void
histogram_put_prometheus(const struct histogram *h, const char *metric, const char *labels,
                         struct buf *out)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        below += h->counts[i];
        buf_printf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", metric, labels,
                   (double)histogram_bounds_us[i] / US_PER_S, below);
    }
    below += h->counts[HISTOGRAM_BUCKETS - 1];
    buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", metric, labels, below);
    buf_printf(out, "%s_sum{%s} %.6f\n", metric, labels, (double)h->sum_us / US_PER_S);
    buf_printf(out, "%s_count{%s} %" PRIu64 "\n", metric, labels, below);
}
