#include "cached/store/engine.h"

typedef void visit_fn(void *arg, struct shard *sh, struct place where);

struct visit {
    const struct segments *segments;
    struct shard *sh;
    visit_fn *fn;
    void *arg;
    uint64_t from;
    bool inside; /* some items may stand before `from` */
};

/* If `fn` removes an item, one from the end of the chain may take its place: that
 * is visited then. Returns how many were. */
static unsigned
visit_bucket(const struct visit *v, struct bucket *b)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < BUCKET_PLACES; i++) {
        locator at = 0, now;
        while ((now = bucket_at(b, i)) != 0 && now != at) {
            at = now;
            struct store_item *it = segments_item(v->segments, at);
            uint64_t hash = v->inside ? table_hash(store_key(item_key(it)).hash) : 0;
            if (!v->inside || assoc_is_ahead(v->from, hash)) {
                v->fn(v->arg, v->sh, (struct place){b, i, it, segments_find(v->segments, it)});
            }
            seen++;
        }
    }
    return seen;
}

/* Visits buckets of one shard from `position` on until about `items` items were
 * seen or the order ends. Returns where to go on, 0 at the end. */
static uint64_t
visit_shard(const struct segments *s, struct shard *sh, uint64_t position, unsigned items,
            visit_fn *fn, void *arg)
{
    struct visit v = {.segments = s, .sh = sh, .fn = fn, .arg = arg};
    do {
        v.from = position;
        struct bucket *b = assoc_walk(&sh->assoc, position, &position, &v.inside);
        while (b != NULL) {
            unsigned seen = visit_bucket(&v, b) + 1; /* an empty bucket costs time too */
            items -= seen < items ? seen : items;
            /* One that was emptied was the last, and is out of the chain. */
            b = bucket_is_empty(b) ? NULL : assoc_next(&sh->assoc, b);
        }
    } while (position != 0 && items > 0);
    return position;
}

/* --- sweeping ---------------------------------------------------------------- */

#define SWEEP_DROPS_MAX 256
#define SHRINKS_MAX     16     /* of the table in a slice */
#define COMPACT_LOOKS   64     /* segments */
#define GIVE_BACK_BYTES 262144 /* a call; a range of half of that would cost more */

struct sweep {
    struct store_thread *th;
    uint64_t now_ms;
    struct store_item *dropped[SWEEP_DROPS_MAX];
    unsigned count;
};

static void
sweep_item(void *arg, struct shard *sh, struct place where)
{
    struct sweep *sweep = arg;
    struct store_thread *th = sweep->th;
    if (sweep->count == SWEEP_DROPS_MAX ||
        !item_dead(th->st, where.segment, where.item, sweep->now_ms)) {
        return;
    }
    count_death(th, where.item, sweep->now_ms);
    band_add(&th->bands[item_band(where.item)].swept, 1);
    unlink_item(th, sh, table_hash(store_key(item_key(where.item)).hash), where);
    sweep->dropped[sweep->count++] = where.item;
}

static void
shrink_table(struct store_thread *th, struct shard *sh)
{
    unsigned steps = 0;
    while (steps < SHRINKS_MAX && assoc_shrink(&sh->assoc)) {
        steps++;
    }
    th->sweep_unfinished |= steps == SHRINKS_MAX;
    if (steps > 0) {
        account_for_table(th->st, sh);
    }
}

/* One slice; moves *position on. Returns how many were freed. */
static unsigned
sweep_slice(struct store_thread *th, struct shard *sh, uint64_t *position, unsigned items,
            uint64_t now_ms)
{
    struct sweep sweep = {.th = th, .now_ms = now_ms};
    uint64_t from = *position;
    shard_lock(sh);
    uint64_t to = visit_shard(&th->st->segments, sh, from, items, sweep_item, &sweep);
    shrink_table(th, sh);
    shard_unlock(sh);
    /* There may be more that is dead than a slice takes: then it goes there again. */
    *position = sweep.count == SWEEP_DROPS_MAX ? from : to;
    for (unsigned i = 0; i < sweep.count; i++) {
        item_bury(th, sweep.dropped[i]);
    }
    metric_add(th->metrics, METRIC_ID_STORE_SWEPT, sweep.count);
    return sweep.count;
}

static unsigned
sweep_table(struct store_thread *th, unsigned part, unsigned parts, unsigned items, uint64_t now_ms)
{
    struct store *st = th->st;
    unsigned mine = (st->shard_count + parts - 1 - part % parts) / parts;
    if (mine == 0) {
        return 0;
    }
    struct shard *sh = &st->shards[part % parts + th->sweep_shard % mine * parts];
    /* Read and written under no lock: the shard is this caller's share, and two
     * that share it only sweep a place twice. */
    uint64_t position = atomic_load_explicit(&sh->sweep_position, memory_order_relaxed);
    unsigned freed = sweep_slice(th, sh, &position, items, now_ms);
    atomic_store_explicit(&sh->sweep_position, position, memory_order_relaxed);
    th->sweep_shard += position == 0;
    return freed;
}

unsigned
store_sweep(struct store_thread *th, unsigned part, unsigned parts, unsigned items, uint64_t now_ms)
{
    struct store *st = th->st;
    th->sweep_unfinished = false;
    unsigned freed = sweep_table(th, part, parts, items, now_ms);
    th->sweep_unfinished |= freed >= items / 2;
    if (segments_over_limit(&st->segments)) {
        memory_enforce(th, now_ms);
        th->sweep_unfinished |= segments_over_limit(&st->segments) && st->options.evict;
    }
    th->sweep_unfinished |= cleaner_go_on(th, now_ms);
    heads_close(st, false, now_ms);
    freed +=
        cleaner_compact(th, COMPACT_LOOKS, now_ms); /* where values are replaced, without end */
    segments_reclaim(&st->segments);
    th->sweep_unfinished |= segments_give_back(&st->segments, GIVE_BACK_BYTES);
    return freed;
}

bool
store_sweep_again(const struct store_thread *th)
{
    return th->sweep_unfinished;
}

/* --- walking ----------------------------------------------------------------- */

struct walk {
    struct store_thread *th;
    uint64_t now_ms;
    void (*fn)(void *arg, const struct store_view *view);
    void *arg;
};

static void
walk_item(void *arg, struct shard *sh, struct place where)
{
    struct walk *walk = arg;
    if (!item_dead(walk->th->st, where.segment, where.item, walk->now_ms)) {
        struct store_view view;
        item_show(where.item, &where.segment->base, walk->now_ms, &view);
        view.item = NULL;
        walk->fn(walk->arg, &view);
    }
}

/* The cursor: the shard in the low bits, the position in the others. A position
 * needs no low bits, since no table has so many buckets. */
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
    uint64_t position =
        visit_shard(&st->segments, sh, *cursor & ~shard_mask, items, walk_item, &walk);
    shard_unlock(sh);
    if (position == 0) {
        shard++;
    }
    *cursor = position | (shard & shard_mask);
    return shard < st->shard_count;
}
