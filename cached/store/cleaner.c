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
#include "common/core/mem.h"
#include "common/proto/exptime.h"

#include <stdlib.h>

#define BATCH        4   /* segments a round: more decide better and take longer */
#define GOING_SHARE  4   /* of the memory looked at, what a round gains */
#define SPARSE_SHARE 128 /* of 256: a segment with so much dead is worth moving */
#define DREGS_SHARE  192 /* and with so much, before memory is touched for the first time */
#define DREGS_LOOKS  16  /* segments; those that are missed are found later, and emptier */
#define DREGS        2   /* at once: one does not make room for a whole segment */

#define FAR_SHARE 16 /* of the limit: so much over it is far */

/* Work ahead of need: for each byte that is stored so many are looked at, which
 * makes room for more than that one; a slice at a time, of some tens of
 * microseconds. */
#define LOOK_SHARE      6
#define SLICE_MIN_BYTES 2048u
#define SLICE_MAX_BYTES 8192u
#define COUNTING_SPEED  8 /* times that of deciding */
#define WHOLE           UINT32_MAX

/* A round: first what the items of its segments are worth is counted, then is
 * decided about each. It may stand still anywhere between two items. */
struct cleaning {
    struct store_thread *th;
    uint64_t now_ms;
    bool evict;
    bool sweeping; /* nobody waits for the room */
    unsigned went;
    struct heat_census census;
    struct heat_cut cut;
    uint64_t gained;
    uint64_t owed; /* bytes to look at, for what was stored */

    struct segment *taken[BATCH];
    uint32_t dead[BATCH]; /* bytes in each that were dead when it was taken */
    unsigned count;       /* 0: no round goes on */
    bool counting;
    unsigned at;     /* segment, */
    uint32_t offset; /* and place in it, where it goes on */
};

typedef void item_fn(struct cleaning *c, struct segment *seg, struct store_item *it);

/* From where the last one ended, for about so many bytes. Returns how many. */
static uint64_t
each_item(struct cleaning *c, struct segment *seg, item_fn *fn, uint64_t bytes)
{
    char *memory = segment_memory(&c->th->st->segments, seg);
    uint32_t from = c->offset;
    while (c->offset < seg->end && c->offset - from < bytes) {
        struct store_item *it = (struct store_item *)(void *)(memory + c->offset);
        c->offset += seg->large ? seg->end : item_footprint(c->th->st, it);
        if (!item_buried(it)) {
            fn(c, seg, it);
        }
    }
    return c->offset - from;
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

/* Large ones first: they are one item each, and are not kept waiting. */
static void
large_first(struct segment **taken, unsigned n)
{
    for (unsigned i = 0, larges = 0; i < n; i++) {
        if (taken[i]->large) {
            struct segment *seg = taken[i];
            taken[i] = taken[larges];
            taken[larges++] = seg;
        }
    }
}

static void
begin(struct cleaning *c, unsigned n)
{
    large_first(c->taken, n);
    c->count = n;
    c->at = c->offset = 0;
    c->counting = c->evict;
    memset(&c->census, 0, sizeof(c->census));
    for (unsigned i = 0; i < n; i++) {
        uint32_t live = atomic_load_explicit(&c->taken[i]->live, memory_order_relaxed);
        c->dead[i] = c->taken[i]->end - live;
    }
}

/* All are counted. Who is far over the limit, since that was lowered, lets more
 * go of what he looks at. */
static void
cut(struct cleaning *c)
{
    const struct segments *s = &c->th->st->segments;
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    uint64_t share = used > limit + limit / FAR_SHARE ? GOING_SHARE / 2 : GOING_SHARE;
    uint64_t all = 0, dead = 0;
    for (unsigned i = 0; i < c->count; i++) {
        all += c->taken[i]->bytes;
        dead += c->dead[i];
    }
    c->cut = heat_cut_at(&c->census, all / share > dead ? all / share - dead : 0);
    c->counting = false;
    c->at = 0;
}

/* Goes on with the round for about so many bytes of items, at most to the end of a
 * segment. Returns as how many it counts. */
static uint64_t
go_on(struct cleaning *c, uint64_t bytes)
{
    struct segment *seg = c->taken[c->at];
    unsigned speed = c->counting ? COUNTING_SPEED : 1;
    uint64_t looked = each_item(c, seg, c->counting ? count_worth : decide, bytes * speed) / speed;
    add_effort(c->th, seg->large ? 1 : looked);
    if (c->offset < seg->end) {
        return looked + 1;
    }
    c->offset = 0;
    c->at++;
    if (!c->counting) {
        c->gained += c->dead[c->at - 1];
        segments_put_back(&c->th->st->segments, seg);
        c->count = c->at < c->count ? c->count : 0;
    } else if (c->at == c->count) {
        cut(c);
    }
    return looked + 1;
}

static void
finish(struct cleaning *c)
{
    while (c->count > 0) {
        go_on(c, WHOLE);
    }
}

/* --- making room ------------------------------------------------------------- */

void
cleaner_init(struct store_thread *th)
{
    th->cleaning = mem_zalloc(sizeof(*th->cleaning));
    th->cleaning->th = th;
    th->cleaning->evict = th->st->options.evict;
    th->compacting = mem_zalloc(sizeof(*th->compacting));
    th->compacting->th = th;
    th->compacting->sweeping = true;
}

void
cleaner_deinit(struct store_thread *th)
{
    free(th->cleaning);
    free(th->compacting);
}

static void
drop(struct cleaning *c)
{
    struct store_thread *th = c->th;
    for (unsigned i = c->counting ? 0 : c->at; i < c->count; i++) {
        segments_put_back(&th->st->segments, c->taken[i]);
    }
    c->count = 0;
}

void
cleaner_drop(struct store_thread *th)
{
    drop(th->cleaning);
    drop(th->compacting);
}

/* False if there is nothing to clean. */
static bool
begin_round(struct cleaning *c)
{
    struct store *st = c->th->st;
    unsigned n;
    if (!c->evict) {
        n = segments_sparse(&st->segments, c->taken, BATCH, 0, 0, UINT32_MAX);
    } else if ((n = segments_oldest(&st->segments, c->taken, BATCH)) == 0) {
        heads_close(st, true, c->now_ms);
        n = segments_oldest(&st->segments, c->taken, BATCH);
    }
    begin(c, n);
    return n > 0;
}

uint64_t
cleaner_make_room(struct store_thread *th, uint64_t now_ms)
{
    struct cleaning *c = th->cleaning;
    bool fresh = c->count == 0;
    c->now_ms = now_ms;
    c->gained = 0;
    while (c->gained == 0 && (c->count > 0 || begin_round(c))) {
        while (c->count > 0 && (c->counting || c->gained == 0)) {
            go_on(c, WHOLE);
        }
        if (fresh) {
            break;
        }
        fresh = true; /* the rest of a round may bring nothing that had its gain before */
    }
    return c->gained;
}

/* One that fills a segment by itself may be much of a small memory. */
static bool
keeps_large(const struct cleaning *c)
{
    return c->count > 0 && c->taken[c->counting ? 0 : c->at]->large;
}

void
cleaner_work(struct store_thread *th, uint64_t bytes, uint64_t now_ms)
{
    struct cleaning *c = th->cleaning;
    c->owed += bytes * LOOK_SHARE;
    if (c->owed < SLICE_MIN_BYTES) {
        return;
    }
    uint64_t left = c->owed < SLICE_MAX_BYTES ? c->owed : SLICE_MAX_BYTES;
    c->owed = 0;
    c->now_ms = now_ms;
    while (left > 0 || keeps_large(c)) {
        if (c->count == 0 && !begin_round(c)) {
            return;
        }
        uint64_t looked = go_on(c, left > 0 ? left : SLICE_MIN_BYTES);
        left -= looked < left ? looked : left;
    }
}

/* True if the round is not over. */
static bool
slice(struct cleaning *c)
{
    for (uint64_t left = SLICE_MAX_BYTES; left > 0 && c->count > 0;) {
        uint64_t looked = go_on(c, left);
        left -= looked < left ? looked : left;
    }
    return c->count > 0;
}

bool
cleaner_go_on(struct store_thread *th, uint64_t now_ms)
{
    th->cleaning->now_ms = now_ms;
    return slice(th->cleaning);
}

uint64_t
cleaner_slice(struct store_thread *th, uint64_t bytes, uint64_t now_ms)
{
    struct cleaning *c = th->cleaning;
    c->now_ms = now_ms;
    uint64_t all = 0;
    while (all < bytes && (c->count > 0 || begin_round(c))) {
        all += go_on(c, bytes - all);
    }
    return all;
}

/* --- moving together --------------------------------------------------------- */

unsigned
cleaner_compact(struct store_thread *th, unsigned looks, uint64_t now_ms)
{
    struct cleaning *c = th->compacting;
    uint64_t now_s = now_ms / 1000;
    uint32_t aged_s = now_s > SEGMENT_AGE_MAX_S ? (uint32_t)(now_s - SEGMENT_AGE_MAX_S) : 0;
    c->now_ms = now_ms;
    c->went = 0;
    if (c->count == 0) {
        begin(c, segments_sparse(&th->st->segments, c->taken, 1, SPARSE_SHARE, aged_s, looks));
    }
    slice(c);
    return c->went;
}

void
cleaner_stay_small(struct store_thread *th, uint64_t now_ms)
{
    struct segments *s = &th->st->segments;
    if (segments_would_grow(s)) {
        struct cleaning c = {.th = th, .now_ms = now_ms, .sweeping = true};
        begin(&c, segments_sparse(s, c.taken, DREGS, DREGS_SHARE, 0, DREGS_LOOKS));
        finish(&c);
    }
}
