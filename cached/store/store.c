#include "cached/store/engine.h"
#include "common/core/mem.h"

#include <stdlib.h>
#include <sys/random.h>

/* Enough shards that threads seldom meet, few enough that looking at all of
 * them for the oldest item costs nothing. */
#define SHARDS_PER_THREAD 4
#define SHARDS_MIN        4
#define SHARDS_MAX        64

static const struct metric_desc metric_descs[] = {STORE_METRICS(METRIC_DESC)};

static unsigned
shards_for(unsigned threads)
{
    unsigned n = SHARDS_MIN;
    while (n < SHARDS_MAX && n < threads * SHARDS_PER_THREAD) {
        n *= 2;
    }
    return n;
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
    st->shard_count = shards_for(options->concurrency);
    st->shard_bits = (unsigned)__builtin_ctz(st->shard_count);
    st->shards = mem_zalloc_lines(st->shard_count * sizeof(struct shard));
    st->metrics = metric_set_create("memfleet_store", metric_descs, STORE_METRIC_COUNT);
    atomic_init(&st->memory_limit, options->memory_bytes);
    pthread_mutex_init(&st->flush_lock, NULL);
    pthread_mutex_init(&st->join_lock, NULL);
    for (unsigned i = 0; i < st->shard_count; i++) {
        if (!shard_init(&st->shards[i])) {
            abort(); /* a few kilobytes at start */
        }
        st->table_bytes += assoc_bytes(ASSOC_BITS_FIRST);
    }
    st->memory_used = st->table_bytes;
    return st;
}

static void
empty_shard(struct shard *sh)
{
    struct list *link;
    while ((link = list_first(&sh->clock)) != NULL) {
        struct store_item *it = LIST_ENTRY(link, struct store_item, queue);
        shard_unlink(sh, it);
        if (item_unref(it)) {
            free(it);
        }
    }
    shard_deinit(sh);
}

void
store_destroy(struct store **st)
{
    struct store *it = *st;
    if (it == NULL) {
        return;
    }
    for (unsigned i = 0; i < it->shard_count; i++) {
        empty_shard(&it->shards[i]);
    }
    while (it->threads != NULL) {
        struct store_thread *next = it->threads->next;
        free(it->threads);
        it->threads = next;
    }
    metric_set_destroy(&it->metrics);
    pthread_mutex_destroy(&it->flush_lock);
    pthread_mutex_destroy(&it->join_lock);
    free(it->shards);
    free(it);
    *st = NULL;
}

struct store_thread *
store_join(struct store *st)
{
    struct store_thread *th = mem_zalloc(sizeof(*th));
    th->st = st;
    th->metrics = metric_set_block(st->metrics);
    pthread_mutex_lock(&st->join_lock);
    th->next = st->threads;
    st->threads = th;
    pthread_mutex_unlock(&st->join_lock);
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
    struct store_info info = {
        .memory_bytes = atomic_load(&st->memory_used),
        .memory_limit = atomic_load(&st->memory_limit),
        .table_bytes = atomic_load(&st->table_bytes),
        .table_bits = st->shard_bits,
    };
    unsigned bits = 0;
    for (unsigned i = 0; i < st->shard_count; i++) {
        struct shard *sh = &st->shards[i];
        shard_lock(sh);
        bits = sh->assoc.bits > bits ? sh->assoc.bits : bits;
        info.growing |= sh->assoc.old_slots != NULL;
        shard_unlock(sh);
    }
    info.table_bits += bits;
    return info;
}

void
store_set_memory_limit(struct store *st, uint64_t bytes)
{
    atomic_store(&st->memory_limit, bytes);
}

const struct metric_set *
store_metrics(const struct store *st)
{
    return st->metrics;
}
