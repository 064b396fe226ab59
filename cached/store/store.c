#include "cached/store/engine.h"
#include "common/core/mem.h"

#include <stdlib.h>
#include <sys/random.h>

/* Enough shards that writers seldom meet and a reader is seldom disturbed, few
 * enough that a small store is not all table. */
#define SHARDS_PER_THREAD 32
#define SHARDS_MIN        4
#define BYTES_PER_SHARD   (256u << 10)
#define RESERVE_SHARE     128 /* of the limit: not more of it stands empty */

static const struct metric_desc metric_descs[] = {STORE_METRICS(METRIC_DESC)};

static unsigned
shards_for(unsigned threads, uint64_t memory_bytes)
{
    unsigned n = SHARDS_MIN;
    while (n < 1u << SHARD_BITS_MAX && n < threads * SHARDS_PER_THREAD &&
           n < memory_bytes / BYTES_PER_SHARD) {
        n *= 2;
    }
    return n;
}

/* A segment for each thread, and one that is being emptied. */
static uint64_t
reserve_for(const struct store *st)
{
    uint64_t wanted = (uint64_t)st->segments.segment_bytes * (st->options.concurrency + 1);
    uint64_t most = st->options.memory_bytes / RESERVE_SHARE;
    return wanted < most ? wanted : most;
}

uint64_t store_seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void
choose_seed(void)
{
    if (getrandom(&store_seed, sizeof(store_seed), 0) != (ssize_t)sizeof(store_seed)) {
        abort(); /* cannot happen once the system is up, for so few bytes */
    }
}

struct store *
store_create(const struct store_options *options)
{
    pthread_once(&seeded, choose_seed);
    struct store *st = mem_zalloc(sizeof(*st));
    st->options = *options;
    st->shard_count = shards_for(options->concurrency, options->memory_bytes);
    st->shards = mem_zalloc_lines(st->shard_count * sizeof(struct shard));
    st->metrics = metric_set_create("memfleet_store", metric_descs, STORE_METRIC_COUNT);
    segments_init(&st->segments, options->memory_bytes, options->file);
    st->reserve_bytes = reserve_for(st);
    pthread_mutex_init(&st->flush_lock, NULL);
    for (unsigned i = 0; i < st->shard_count; i++) {
        struct shard *sh = &st->shards[i];
        assoc_init(&sh->assoc);
        sh->table_bytes = assoc_bytes(&sh->assoc);
        st->table_bytes += sh->table_bytes;
    }
    segments_charge(&st->segments, (int64_t)st->table_bytes);
    return st;
}

static void
destroy(struct store *st, void (*end_table)(struct assoc *a))
{
    for (unsigned i = 0; i < st->shard_count; i++) {
        end_table(&st->shards[i].assoc);
    }
    struct store_thread *next, *th = atomic_load(&st->threads);
    for (; th != NULL; th = next) {
        next = th->next;
        cleaner_deinit(th);
        free(th);
    }
    segments_deinit(&st->segments);
    metric_set_destroy(&st->metrics);
    pthread_mutex_destroy(&st->flush_lock);
    free(st->shards);
    free(st);
}

void
store_destroy(struct store **st)
{
    if (*st != NULL) {
        destroy(*st, assoc_deinit);
        *st = NULL;
    }
}

void
store_forget(struct store **st)
{
    if (*st != NULL) {
        destroy(*st, assoc_forget);
        *st = NULL;
    }
}

struct store_thread *
store_join(struct store *st)
{
    struct store_thread *th = mem_zalloc_lines(sizeof(*th));
    th->st = st;
    th->metrics = metric_set_block(st->metrics);
    th->effort_note = &th->no_note;
    epochs_join(&st->segments.epochs, &th->guard);
    cleaner_init(th);
    th->next = atomic_load(&st->threads);
    while (!atomic_compare_exchange_weak(&st->threads, &th->next, th)) {
    }
    return th;
}

void
store_tell_evictions(struct store_thread *th, void (*fn)(void *arg, const struct store_view *view),
                     void *arg)
{
    th->evicting = fn;
    th->evicting_arg = arg;
}

void
store_flush(struct store_thread *th, uint64_t at_ms, uint64_t now_ms)
{
    struct store *st = th->st;
    generation_at(st, now_ms); /* a flush that is due is no longer to come */
    pthread_mutex_lock(&st->flush_lock);
    if (at_ms <= now_ms) {
        atomic_fetch_add(&st->generation, 1);
        at_ms = 0;
    }
    atomic_store(&st->flush_at_ms, at_ms);
    pthread_mutex_unlock(&st->flush_lock);
}

struct store_info
store_info(const struct store *st)
{
    segments_reclaim((struct segments *)&st->segments);
    struct store_info info = {
        .memory_bytes = atomic_load(&st->segments.used),
        .memory_limit = atomic_load(&st->segments.limit),
        .table_bytes = atomic_load(&st->table_bytes),
        .others_bytes = atomic_load(&st->others_bytes),
        .spare_bytes = segments_warm_bytes((struct segments *)&st->segments),
    };
    uint64_t buckets = 0;
    for (unsigned i = 0; i < st->shard_count; i++) {
        buckets += atomic_load(&st->shards[i].assoc.buckets);
    }
    info.table_bits = 63 - (unsigned)__builtin_clzll(buckets);
    info.growing = (buckets & (buckets - 1)) != 0;
    return info;
}

static void
charge_others(struct store *st, uint64_t bytes)
{
    atomic_fetch_add_explicit(&st->others_bytes, bytes, memory_order_relaxed);
    if (!st->options.items_only) {
        segments_charge(&st->segments, (int64_t)bytes);
    }
}

void
store_charge_others(struct store_thread *th, uint64_t bytes, uint64_t now_ms)
{
    charge_others(th->st, bytes);
    if (segments_over_limit(&th->st->segments) && th->st->options.evict) {
        memory_make_up(th, bytes, now_ms);
    }
}

void
store_uncharge_others(struct store_thread *th, uint64_t bytes)
{
    charge_others(th->st, -bytes);
}

unsigned
store_others_share(const struct store *st)
{
    uint64_t limit = atomic_load_explicit(&st->segments.limit, memory_order_relaxed);
    uint64_t others = atomic_load_explicit(&st->others_bytes, memory_order_relaxed);
    return st->options.items_only ? 0 : (unsigned)(others * 256 / limit);
}

void
store_set_memory_limit(struct store *st, uint64_t bytes)
{
    segments_set_limit(&st->segments, bytes);
}

const struct metric_set *
store_metrics(const struct store *st)
{
    return st->metrics;
}
