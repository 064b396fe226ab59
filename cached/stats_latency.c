/* stats_latency.c - service times as `stats latency` and for /metrics. */
#include "cached/stats.h"

#include <inttypes.h>

#define US_PER_S 1e6

static struct service_histogram
sum_of(struct node *node, enum service_class class)
{
    struct service_histogram sum = {{0}, 0};
    for (unsigned i = 0; i < node->worker_count; i++) {
        service_add(&node->workers[i]->service_times, class, &sum);
    }
    return sum;
}

static void
subtract(struct service_histogram *h, const struct service_histogram *baseline)
{
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++) {
        h->counts[i] -= baseline->counts[i];
    }
    h->sum_us -= baseline->sum_us;
}

void
stats_reset_latency(struct node *node)
{
    pthread_mutex_lock(&node->registry_lock);
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        node->service_baseline[i] = sum_of(node, (enum service_class)i);
    }
    pthread_mutex_unlock(&node->registry_lock);
}

static void
put_class(struct buf *out, const char *name, const struct service_histogram *h)
{
    static const struct {
        const char *name;
        unsigned permille;
    } quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}};
    uint64_t count = service_count(h);
    buf_printf(out, "STAT %s:count %" PRIu64 "\r\nSTAT %s:mean_us %" PRIu64 "\r\n", name, count,
               name, count > 0 ? h->sum_us / count : 0);
    for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        buf_printf(out, "STAT %s:%s_us %" PRIu64 "\r\n", name, quantiles[i].name,
                   service_quantile_us(h, quantiles[i].permille));
    }
}

void
stats_put_latency(struct node *node, struct buf *out)
{
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        pthread_mutex_lock(&node->registry_lock);
        struct service_histogram h = sum_of(node, (enum service_class)i);
        subtract(&h, &node->service_baseline[i]);
        pthread_mutex_unlock(&node->registry_lock);
        put_class(out, service_class_name((enum service_class)i), &h);
    }
}

/* --- for Prometheus ---------------------------------------------------------- */

#define METRIC "memfleet_node_service_seconds"

static void
put_histogram(struct buf *out, const char *name, const struct service_histogram *h)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < SERVICE_BUCKETS - 1; i++) {
        below += h->counts[i];
        buf_printf(out, METRIC "_bucket{command=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
                   (double)service_bounds_us[i] / US_PER_S, below);
    }
    below += h->counts[SERVICE_BUCKETS - 1];
    buf_printf(out, METRIC "_bucket{command=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, below);
    buf_printf(out, METRIC "_sum{command=\"%s\"} %.6f\n", name, (double)h->sum_us / US_PER_S);
    buf_printf(out, METRIC "_count{command=\"%s\"} %" PRIu64 "\n", name, below);
}

void
stats_put_service_seconds(struct node *node, struct buf *out)
{
    buf_printf(out,
               "# HELP " METRIC " From input to answer; one turn in %u stands for all.\n"
               "# TYPE " METRIC " histogram\n",
               SERVICE_EVERY);
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        struct service_histogram h = sum_of(node, (enum service_class)i);
        put_histogram(out, service_class_name((enum service_class)i), &h);
    }
}
