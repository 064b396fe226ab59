#include "cached/service_time.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"

#define COUNTERS_MAX 2

const uint64_t service_bounds_us[SERVICE_BUCKETS - 1] = {
    1,    2,     5,     10,    20,     50,     100,    200,     500,     1000,    2000,
    5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000,
};

struct class
{
    const char *name;
    unsigned counters[COUNTERS_MAX]; /* 0, which is no other class's, ends them */
};

static const struct class classes[SERVICE_CLASS_COUNT] = {
#define X(id, name, ...) {name, __VA_ARGS__},
    SERVICE_CLASSES(X)
#undef X
};

const char *
service_class_name(enum service_class which)
{
    return classes[which].name;
}

/* Random, so that clients whose requests repeat in some rhythm are not measured
 * always at the same place of it: 1 to 2 * SERVICE_EVERY - 1, evenly. */
static uint32_t
next_distance(struct service_times *l)
{
    return 1 + (uint32_t)(random_next(&l->random) % (2 * SERVICE_EVERY - 1));
}

void
service_init(struct service_times *l, uint64_t seed)
{
    *l = (struct service_times){.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    l->distance = next_distance(l);
}

static uint64_t
done_so_far(const struct class *class, const struct metric_block *metrics)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < COUNTERS_MAX && (i == 0 || class->counters[i] != 0); i++) {
        done += atomic_load_explicit(&metrics->values[class->counters[i]], memory_order_relaxed);
    }
    return done;
}

void
service_open(struct service_times *l, const struct metric_block *metrics)
{
    l->open = true;
    l->distance = next_distance(l);
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        l->before[i] = done_so_far(&classes[i], metrics);
    }
}

static unsigned
bucket_of(uint64_t took_us)
{
    unsigned bucket = 0;
    while (bucket < SERVICE_BUCKETS - 1 && took_us > service_bounds_us[bucket]) {
        bucket++;
    }
    return bucket;
}

void
service_close(struct service_times *l, const struct metric_block *metrics, uint64_t begun_us)
{
    uint64_t now_us = clock_mono_us();
    uint64_t took_us = now_us > begun_us ? now_us - begun_us : 0;
    unsigned bucket = bucket_of(took_us);
    l->open = false;
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        uint64_t stands_for = (done_so_far(&classes[i], metrics) - l->before[i]) * SERVICE_EVERY;
        if (stands_for > 0) {
            metric_bump(&l->counts[i][bucket], stands_for);
            metric_bump(&l->sum_us[i], stands_for * took_us);
        }
    }
}

/* --- reading ----------------------------------------------------------------- */

void
service_add(const struct service_times *l, enum service_class class, struct service_histogram *to)
{
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++) {
        to->counts[i] += atomic_load_explicit(&l->counts[class][i], memory_order_relaxed);
    }
    to->sum_us += atomic_load_explicit(&l->sum_us[class], memory_order_relaxed);
}

uint64_t
service_count(const struct service_histogram *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++) {
        count += h->counts[i];
    }
    return count;
}

uint64_t
service_quantile_us(const struct service_histogram *h, unsigned permille)
{
    uint64_t count = service_count(h), seen = 0;
    uint64_t wanted = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
    if (count == 0) {
        return 0;
    }
    unsigned i = 0;
    while (i < SERVICE_BUCKETS - 2 && (seen += h->counts[i]) < wanted) {
        i++;
    }
    return service_bounds_us[i];
}
