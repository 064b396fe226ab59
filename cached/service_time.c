#include "cached/service_time.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"

#define COUNTERS_MAX 2

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

void
service_close(struct service_times *l, const struct metric_block *metrics, uint64_t begun_us)
{
    uint64_t now_us = clock_mono_us();
    uint64_t took_us = now_us > begun_us ? now_us - begun_us : 0;
    l->open = false;
    for (unsigned i = 0; i < SERVICE_CLASS_COUNT; i++) {
        uint64_t stands_for = (done_so_far(&classes[i], metrics) - l->before[i]) * SERVICE_EVERY;
        if (stands_for > 0) {
            histogram_note(&l->cells[i], took_us, stands_for);
        }
    }
}
