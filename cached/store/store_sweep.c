#include "cached/store/engine.h"

/* May unlink the item. */
typedef void visit_fn(void *arg, struct shard *sh, struct store_item *it);

/* Visits buckets of one shard from `position` on until about `items` items were
 * seen or the hash order ends. Returns where to go on, 0 at the end. */
static uint64_t
visit_shard(struct shard *sh, uint64_t position, unsigned items, visit_fn *fn, void *arg)
{
    /* Empty buckets cost time too, so they count as a quarter of an item. */
    unsigned budget = items * 4;
    do {
        struct store_item *it = assoc_at(&sh->assoc, position, &position);
        unsigned cost = 1;
        while (it != NULL) {
            struct store_item *next = it->next;
            fn(arg, sh, it);
            it = next;
            cost += 4;
        }
        budget = budget > cost ? budget - cost : 0;
    } while (position != 0 && budget > 0);
    return position;
}

struct sweep {
    struct store_thread *th;
    uint64_t now_ms;
    struct store_item *dropped; /* chained by `next`, which is free again */
    unsigned count;
};

static void
sweep_item(void *arg, struct shard *sh, struct store_item *it)
{
    struct sweep *sweep = arg;
    if (!item_dead(sweep->th->st, it, sweep->now_ms)) {
        return;
    }
    count_death(sweep->th, it, sweep->now_ms);
    unlink_item(sweep->th, sh, it);
    it->next = sweep->dropped;
    sweep->dropped = it;
    sweep->count++;
}

unsigned
store_sweep(struct store_thread *th, unsigned part, unsigned parts, unsigned items, uint64_t now_ms)
{
    struct store *st = th->st;
    struct sweep sweep = {.th = th, .now_ms = now_ms};
    unsigned freed = memory_enforce(th, items, now_ms);
    unsigned mine = (st->shard_count + parts - 1 - part % parts) / parts;
    if (mine == 0) {
        return freed;
    }
    struct shard *sh = &st->shards[part % parts + th->sweep_shard % mine * parts];
    shard_lock(sh);
    sh->sweep_position = visit_shard(sh, sh->sweep_position, items, sweep_item, &sweep);
    bool whole = sh->sweep_position == 0;
    shard_unlock(sh);
    th->sweep_shard += whole;
    while (sweep.dropped != NULL) {
        struct store_item *it = sweep.dropped;
        sweep.dropped = it->next;
        item_drop(th, it);
    }
    metric_add(th->metrics, METRIC_ID_STORE_SWEPT, sweep.count);
    return freed + sweep.count;
}

struct walk {
    struct store_thread *th;
    uint64_t now_ms;
    void (*fn)(void *arg, const struct store_view *view);
    void *arg;
};

static void
walk_item(void *arg, struct shard *sh, struct store_item *it)
{
    struct walk *walk = arg;
    if (!item_dead(walk->th->st, it, walk->now_ms)) {
        struct store_view view;
        item_show(it, &view);
        walk->fn(walk->arg, &view);
    }
}

/* The cursor: the shard in the low bits, the position in hash order in the
 * others. No table has so many buckets that a position needs its low bits. */
bool
store_walk(struct store_thread *th, uint64_t *cursor, unsigned items, uint64_t now_ms,
           void (*fn)(void *arg, const struct store_view *view), void *arg)
{
    struct store *st = th->st;
    struct walk walk = {th, now_ms, fn, arg};
    uint64_t shard_mask = st->shard_count - 1;
    uint64_t shard = *cursor & shard_mask;
    struct shard *sh = &st->shards[shard];
    shard_lock(sh);
    uint64_t position = visit_shard(sh, *cursor & ~shard_mask, items, walk_item, &walk);
    shard_unlock(sh);
    if (position == 0) {
        shard++;
    }
    *cursor = position | (shard & shard_mask);
    return shard < st->shard_count;
}
