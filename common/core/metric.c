#include "common/core/metric.h"
#include "common/core/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct block_node {
    struct metric_block block;
    struct block_node *next;
};

struct metric_set {
    const char *prefix;
    const struct metric_desc *descs;
    unsigned count;
    pthread_mutex_t lock; /* covers blocks; never taken to count */
    struct block_node *blocks;
};

struct metric_set *
metric_set_create(const char *prefix, const struct metric_desc *descs, unsigned count)
{
    struct metric_set *set = mem_zalloc(sizeof(*set));
    set->prefix = prefix;
    set->descs = descs;
    set->count = count;
    pthread_mutex_init(&set->lock, NULL);
    return set;
}

void
metric_set_destroy(struct metric_set **set)
{
    if (*set == NULL) {
        return;
    }
    struct block_node *node = (*set)->blocks;
    while (node != NULL) {
        struct block_node *next = node->next;
        free(node->block.values);
        free(node);
        node = next;
    }
    pthread_mutex_destroy(&(*set)->lock);
    free(*set);
    *set = NULL;
}

struct metric_block *
metric_set_block(struct metric_set *set)
{
    struct block_node *node = mem_zalloc(sizeof(*node));
    node->block.values = mem_zalloc_lines(set->count * sizeof(node->block.values[0]));
    node->block.count = set->count;
    pthread_mutex_lock(&set->lock);
    node->next = set->blocks;
    set->blocks = node;
    pthread_mutex_unlock(&set->lock);
    return &node->block;
}

uint64_t
metric_sum(const struct metric_set *set, unsigned id)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&set->lock;
    uint64_t sum = 0;
    pthread_mutex_lock(lock);
    for (struct block_node *node = set->blocks; node != NULL; node = node->next) {
        sum += atomic_load_explicit(&node->block.values[id], memory_order_relaxed);
    }
    pthread_mutex_unlock(lock);
    /* One thread may count up and another down what a gauge counts; read between
     * the two it would be below 0. */
    return set->descs[id].kind == METRIC_GAUGE && (int64_t)sum < 0 ? 0 : sum;
}

void
metric_render_prometheus(const struct metric_set *set, const char *labels, struct buf *out)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct metric_desc *d = &set->descs[i];
        buf_printf(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n%s_%s%s %" PRIu64 "\n", set->prefix,
                   d->name, d->help, set->prefix, d->name,
                   d->kind == METRIC_COUNTER ? "counter" : "gauge", set->prefix, d->name, labels,
                   metric_sum(set, i));
    }
}

void
metric_each(const struct metric_set *set,
            void (*row)(void *arg, const struct metric_desc *desc, uint64_t value), void *arg)
{
    for (unsigned i = 0; i < set->count; i++) {
        row(arg, &set->descs[i], metric_sum(set, i));
    }
}

void
metric_put_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            buf_append(out, "\\", 1);
        }
        if (*c == '\n') {
            buf_append_span(out, SPAN_LIT("\\n"));
        } else {
            buf_append(out, c, 1);
        }
    }
    buf_append(out, "\"", 1);
}
