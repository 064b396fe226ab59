/* The cleaner: which items go and which move on when memory is to be made.
 *
 * It takes a few of the oldest segments, counts what the items in them are
 * worth (heat.h), and finds the worth below which a quarter of the memory goes.
 * What is worth more moves to the young end with half its credit. So an item
 * has one round of the queue to be asked for, whatever its size; the decision
 * is among thousands of items at once; and the memory serves any sizes, since
 * it has no classes. */
#include "cached/store/engine.h"
#include "cached/store/heat.h"
#include "common/proto/exptime.h"

#define BATCH        4   /* segments a round: more decide better and take longer */
#define GOING_SHARE  4   /* of the memory looked at, what a round gains */
#define SPARSE_SHARE 128 /* of 256: a segment with so much dead is worth moving */
#define DREGS_SHARE  192 /* and with so much, before memory is touched for the first time */
#define DREGS_LOOKS  16  /* segments; those that are missed are found later, and emptier */
#define DREGS        2   /* at once: one does not make room for a whole segment */

struct cleaning {
    struct store_thread *th;
    uint64_t now_ms;
    bool evict;
    bool sweeping; /* nobody waits for the room */
    unsigned went;
    struct heat_census census;
    struct heat_cut cut;
    uint64_t gained;
};

typedef void item_fn(struct cleaning *c, struct segment *seg, struct store_item *it);

static void
each_item(struct cleaning *c, struct segment *seg, item_fn *fn)
{
    char *p = segment_memory(&c->th->st->segments, seg);
    for (char *end = p + seg->end; p < end;) {
        struct store_item *it = (struct store_item *)(void *)p;
        p += seg->large ? seg->end : item_footprint(c->th->st, it);
        if (!item_buried(it)) {
            fn(c, seg, it);
        }
    }
}

static unsigned
worth_of(struct cleaning *c, const struct segment *seg, const struct store_item *it)
{
    if (item_dead(c->th->st, seg, it, c->now_ms)) {
        return 0;
    }
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    return heat_worth(heat, item_footprint(c->th->st, it));
}

static void
count_worth(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    c->census.bytes[worth_of(c, seg, it)] += item_footprint(c->th->st, it);
}

/* --- letting go -------------------------------------------------------------- */

static void
count_eviction(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    struct store_thread *th = c->th;
    unsigned band = item_band(it);
    struct store_view view;
    item_show(it, &seg->base, c->now_ms, &view);
    view.item = NULL;
    count(th, METRIC_ID_STORE_EVICTIONS);
    band_add(&th->bands[band].evictions, 1);
    if (!view.fetched) {
        count(th, METRIC_ID_STORE_EVICTED_UNFETCHED);
        band_add(&th->bands[band].evicted_unfetched, 1);
    }
    if (view.expiry_ms != EXPIRES_NEVER) {
        band_add(&th->bands[band].evicted_mortal, 1);
    }
    uint64_t idle_ms = c->now_ms > view.accessed_ms ? c->now_ms - view.accessed_ms : 0;
    atomic_store_explicit(&th->st->evicted_idle_ms[band], idle_ms, memory_order_relaxed);
    if (th->evicting != NULL) {
        th->evicting(th->evicting_arg, &view);
    }
}

static void
count_departure(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    struct store_thread *th = c->th;
    struct band_counts *band = &th->bands[item_band(it)];
    c->went++;
    if (!item_dead(th->st, seg, it, c->now_ms)) {
        count_eviction(c, seg, it);
        return;
    }
    count(th, c->sweeping ? METRIC_ID_STORE_SWEPT : METRIC_ID_STORE_RECLAIMED);
    band_add(c->sweeping ? &band->swept : &band->reclaimed, 1);
    count_death(th, it, c->now_ms);
}

static void
let_go(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    struct store_thread *th = c->th;
    struct store_key key = store_key(item_key(it));
    struct shard *sh = shard_of(th->st, key.hash);
    shard_lock(sh);
    bool there = !item_buried(it);
    if (there) {
        struct place where = assoc_find(&sh->assoc, &th->st->segments, table_hash(key.hash), &key);
        count_departure(c, seg, it);
        unlink_item(th, sh, table_hash(key.hash), where);
    }
    shard_unlock(sh);
    if (there) {
        c->gained += item_footprint(th->st, it);
        item_bury(th, it);
    }
}

/* --- moving ------------------------------------------------------------------ */

/* A large item has its memory to itself and stays where it is. */
static void
cool_down(struct store_item *it)
{
    uint8_t heat = atomic_load_explicit(&it->heat, memory_order_relaxed);
    atomic_store_explicit(&it->heat, heat_passed(heat), memory_order_relaxed);
}

static void
move(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    struct store_thread *th = c->th;
    struct store_key key = store_key(item_key(it));
    struct store_item *to = item_create_moved(th, it, &seg->base, c->now_ms);
    if (to == NULL) {
        return; /* it stays, and its segment with it */
    }
    struct shard *sh = shard_of(th->st, key.hash);
    shard_lock(sh);
    /* It may have changed since `to` was made for it; then it stays too. */
    bool moves = !item_buried(it) && replace_by_copy(th, sh, to,
                                                     assoc_find(&sh->assoc, &th->st->segments,
                                                                table_hash(key.hash), &key));
    if (moves && c->evict) {
        cool_down(to);
    }
    shard_unlock(sh);
    if (moves) {
        item_bury(th, it);
    }
    item_finish(th, to);
}

static void
decide(struct cleaning *c, struct segment *seg, struct store_item *it)
{
    unsigned worth = worth_of(c, seg, it);
    bool goes = c->evict ? heat_cut_takes(&c->cut, worth, item_footprint(c->th->st, it))
                         : item_dead(c->th->st, seg, it, c->now_ms);
    if (goes) {
        let_go(c, seg, it);
    } else if (seg->large) {
        cool_down(it);
    } else {
        move(c, seg, it);
    }
}

/* --- rounds ------------------------------------------------------------------ */

static void
clean(struct cleaning *c, struct segment **taken, unsigned n)
{
    uint64_t all = 0, dead = 0;
    for (unsigned i = 0; i < n; i++) {
        all += taken[i]->bytes;
        dead += taken[i]->end - atomic_load_explicit(&taken[i]->live, memory_order_relaxed);
    }
    c->gained = dead;
    if (c->evict) {
        for (unsigned i = 0; i < n; i++) {
            each_item(c, taken[i], count_worth);
        }
        uint64_t wanted = all / GOING_SHARE;
        c->cut = heat_cut_at(&c->census, wanted > dead ? wanted - dead : 0);
    }
    for (unsigned i = 0; i < n; i++) {
        each_item(c, taken[i], decide);
        segments_put_back(&c->th->st->segments, taken[i]);
    }
}

uint64_t
cleaner_make_room(struct store_thread *th, uint64_t now_ms)
{
    struct store *st = th->st;
    struct cleaning c = {.th = th, .now_ms = now_ms, .evict = st->options.evict};
    struct segment *taken[BATCH];
    unsigned n;
    if (!c.evict) {
        n = segments_sparse(&st->segments, taken, BATCH, 0, 0, UINT32_MAX);
    } else if ((n = segments_oldest(&st->segments, taken, BATCH)) == 0) {
        heads_close(st, true, now_ms);
        n = segments_oldest(&st->segments, taken, BATCH);
    }
    clean(&c, taken, n);
    return c.gained;
}

/* Moves together what lives in some segments. */
static unsigned
compact(struct store_thread *th, struct segment **taken, unsigned n, uint64_t now_ms)
{
    struct cleaning c = {.th = th, .now_ms = now_ms, .sweeping = true};
    clean(&c, taken, n);
    return c.went;
}

unsigned
cleaner_compact(struct store_thread *th, unsigned looks, uint64_t now_ms)
{
    struct segment *taken[1];
    uint64_t now_s = now_ms / 1000;
    uint32_t aged_s = now_s > SEGMENT_AGE_MAX_S ? (uint32_t)(now_s - SEGMENT_AGE_MAX_S) : 0;
    unsigned n = segments_sparse(&th->st->segments, taken, 1, SPARSE_SHARE, aged_s, looks);
    return compact(th, taken, n, now_ms);
}

void
cleaner_stay_small(struct store_thread *th, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    struct segment *taken[DREGS];
    if (segments_would_grow(s)) {
        unsigned n = segments_sparse(s, taken, DREGS, DREGS_SHARE, 0, DREGS_LOOKS);
        compact(th, taken, n, now_ms);
    }
}
