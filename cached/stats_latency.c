/* stats_latency.c - service times as `stats latency` and for /metrics. */
#include "cached/stats.h"

#define METRIC "memfleet_node_service_seconds"

static struct histogram
sum_of(struct node *node, enum service_class class)
{
    struct histogram sum = {{0}, 0};
    for (unsigned i = 0; i < node->worker_count; i++) {
        histogram_sum(&node->workers[i]->service_times.cells[class], &sum);
    }
    return sum;
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

void
stats_put_latency(struct node *node, struct buf *out)
{
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        pthread_mutex_lock(&node->registry_lock);
        struct histogram h = sum_of(node, (enum service_class)i);
        histogram_subtract(&h, &node->service_baseline[i]);
        pthread_mutex_unlock(&node->registry_lock);
        histogram_put_stats(&h, service_class_name((enum service_class)i), out);
    }
}

void
stats_put_service_seconds(struct node *node, struct buf *out)
{
    buf_printf(out,
               "# HELP " METRIC " From input to answer; one turn in %u stands for all.\n"
               "# TYPE " METRIC " histogram\n",
               SERVICE_EVERY);
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        struct histogram h = sum_of(node, (enum service_class)i);
        char labels[64];
        snprintf(labels, sizeof(labels), "command=\"%s\"",
                 service_class_name((enum service_class)i));
        histogram_put_prometheus(&h, METRIC, labels, out);
    }
}
