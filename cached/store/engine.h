/* engine.h - what the files of this engine share: the store, its threads, and
 * the few steps that every operation is made of.
 *
 *     key --hash--> shard (low bits) --hash--> bucket --tag--> locator
 *                                                                |
 *     segments   [item|item|dead|item|....]  [item|dead|dead|...]<-
 *                 ^ open: a thread's head     ^ sealed, on a queue
 *
 * Writing puts an item into the thread's open segment and its locator into
 * the table. Reading finds it without a lock (shard.h, epoch.h). What is
 * replaced or deleted is only marked dead. When memory runs out the cleaner
 * takes the oldest segments, moves what is worth it into a new one, lets go of
 * the rest, and the emptied segments are used again (cleaner.c).
 *
 * Flushing: one generation number that segments carry; what stands in a segment
 * of another generation is dead. */
#pragma once
#include "cached/store/bands.h"
#include "cached/store/shard.h"
#include "common/proto/exptime.h"

#define SHARD_BITS_MAX 10

struct store {
    struct store_options options;
    struct segments segments;
    unsigned shard_count; /* a power of two */
    struct shard *shards;
    struct metric_set *metrics;
    _Atomic uint64_t table_bytes;
    _Atomic uint64_t others_bytes;
    uint64_t reserve_bytes; /* with less than that free, room is made ahead of need */

    _Atomic uint32_t generation;
    _Atomic uint64_t flush_at_ms; /* a flush to come, or 0 */
    pthread_mutex_t flush_lock;   /* covers changes of generation and flush_at_ms */

    _Atomic uint64_t evicted_idle_ms[STORE_BANDS]; /* of what each band evicted last */
    _Atomic uint64_t wall_offset_ms; /* wall clock minus the caller's, 0 until it is known */
    _Atomic(struct store_thread *) threads;
};

/* Where a thread puts items. The lock is its own, and nearly always free: a
 * sweep of another thread may close a segment that was left open. */
struct head {
    struct lock lock;
    struct segment *open; /* or NULL */
};

struct cleaning;

struct store_thread {
    struct guard guard;
    struct store *st;
    struct store_thread *next;
    struct metric_block *metrics;
    void (*evicting)(void *arg, const struct store_view *view); /* or NULL */
    void *evicting_arg;
    struct head fresh;    /* new items */
    struct head moved;    /* what the cleaner keeps */
    unsigned sweep_shard; /* the sweep's place among this caller's shards */
    bool sweep_unfinished;
    uint64_t effort;   /* store_effort() */
    bool *effort_note; /* never NULL */
    bool no_note;
    bool waited; /* the next item that is made had its share of room made in slices */
    struct band_counts bands[STORE_BANDS];
    struct cleaning *cleaning;   /* cleaner.c: the round that it is at, */
    struct cleaning *compacting; /* and what it moves together */
};

static inline struct shard *
shard_of(struct store *st, uint64_t hash)
{
    return &st->shards[hash & (st->shard_count - 1)];
}

/* The hash without the bits that may choose the shard. */
static inline uint64_t
table_hash(uint64_t hash)
{
    return hash >> SHARD_BITS_MAX;
}

/* What the items beside this one have in common with it. */
static inline const struct item_base *
base_of(const struct store *st, const struct store_item *it)
{
    return &segments_find(&st->segments, it)->base;
}

static inline void
count(struct store_thread *th, enum store_metric id)
{
    metric_add(th->metrics, id, 1);
}

static inline void
add_effort(struct store_thread *th, uint64_t bytes)
{
    th->effort += bytes;
    *th->effort_note = true;
}

static inline unsigned
item_band(const struct store_item *it)
{
    return band_of(it->key_bytes, item_value_bytes(it));
}

/* --- memory.c -------------------------------------------------------------- */
/* An unlinked item with that layout and one hold, evicting if it must, or NULL.
 * The caller writes the value, then links it, and gives it to item_finish(). */
struct store_item *item_create(struct store_thread *th, const struct store_key *key,
                               uint64_t value_bytes, unsigned layout, uint64_t now_ms);
/* The same for a value that is at hand, and written at once. */
struct store_item *item_create_copy(struct store_thread *th, const struct store_key *key,
                                    uint64_t value_bytes, unsigned layout, uint64_t now_ms);
/* Room for the first items of these sizes, as many of them as the thread's open
 * segment has room for, side by side and with one hold for all; NULL if for none. The
 * caller makes each of them (item_make()), whatever becomes of it. */
struct store_item *items_carve(struct store_thread *th, const uint32_t *bytes, unsigned count,
                               uint64_t now_ms, unsigned *fitting);
/* Ends the hold of its maker; if it was not linked the item is dead. */
void item_finish(struct store_thread *th, struct store_item *it);

/* Memory that the item takes. */
static inline uint32_t
item_footprint(const struct store *st, const struct store_item *it)
{
    return (uint32_t)segments_round(&st->segments, item_bytes(it));
}

void item_hold(struct store_thread *th, const struct store_item *it);
void item_unhold(struct store_thread *th, const struct store_item *it);
/* An item that was taken out of the table is memory to be cleaned. */
void item_bury(struct store_thread *th, struct store_item *it);

/* Room for an item that the cleaner moves; may pass the limit. NULL if there is
 * no segment at all. */
struct store_item *item_create_moved(struct store_thread *th, struct store_item *from,
                                     const struct item_base *from_base, uint64_t now_ms);

/* Closes the open segments of all threads: those without anything alive, those
 * that are too old or flushed, or all. */
void heads_close(struct store *st, bool all, uint64_t now_ms);

/* Shall room be made ahead of need? */
static inline bool
memory_nearly_full(const struct store *st)
{
    uint64_t limit = atomic_load_explicit(&st->segments.limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&st->segments.used, memory_order_relaxed);
    return used + st->reserve_bytes > limit && st->options.evict;
}

/* If memory is over the limit, a slice of cleaning. The rest is the sweep's, and of those who
 * take more. */
void memory_enforce(struct store_thread *th, uint64_t now_ms);
/* Memory was taken that had not to wait for room. If it is far over the limit, all of it is
 * made at once. */
void memory_make_up(struct store_thread *th, uint64_t bytes, uint64_t now_ms);

/* --- cleaner.c ------------------------------------------------------------- */
/* Of a thread that joins, and that is no more. */
void cleaner_init(struct store_thread *th);
void cleaner_deinit(struct store_thread *th);
/* Makes some room out of the oldest segments: by evicting what is worth least in
 * them, or without eviction by moving things together. Goes on until one of them is
 * done with that brought any, or the round is over. Returns the bytes that were
 * gained. */
uint64_t cleaner_make_room(struct store_thread *th, uint64_t now_ms);
/* A slice of that for so many bytes that were stored, while memory is nearly full. */
void cleaner_work(struct store_thread *th, uint64_t bytes, uint64_t now_ms);
/* A slice of a round that has begun. True if it is not over. */
bool cleaner_go_on(struct store_thread *th, uint64_t now_ms);
/* Looks at about so many bytes, in as many rounds as that takes. Returns at how many; 0 if
 * there is nothing to clean. */
uint64_t cleaner_slice(struct store_thread *th, uint64_t bytes, uint64_t now_ms);
/* Gives up a round that has begun, for a thread that does not run. */
void cleaner_drop(struct store_thread *th);
/* A slice of moving the living out of a segment that is mostly dead; looks at so many for
 * one. Returns how many items went because they were expired or flushed. */
unsigned cleaner_compact(struct store_thread *th, unsigned looks, uint64_t now_ms);
/* Before a segment is taken: if that would be memory never touched, or given
 * back, segments are emptied that have little alive, for the next time. So a
 * store in which values are overwritten takes two to three times what lives in
 * it, however high the limit, and its memory stays warm. */
void cleaner_stay_small(struct store_thread *th, uint64_t now_ms);

/* --- lookup.c -------------------------------------------------------------- */
/* What must happen after the shard's lock is given back. */
struct aftermath {
    struct store_item *buried[3];
    unsigned buried_count;
    bool entered; /* a key that was not there: the table may have grown */
};

static inline void
bury_later(struct aftermath *after, struct store_item *it)
{
    after->buried[after->buried_count++] = it;
}

void settle(struct store_thread *th, struct aftermath *after, uint64_t now_ms);

void finish_flush(struct store *st, uint64_t now_ms);

/* The store's generation at this time: carries out a flush that is due. */
static inline uint32_t
generation_at(struct store *st, uint64_t now_ms)
{
    uint64_t at = atomic_load_explicit(&st->flush_at_ms, memory_order_acquire);
    if (__builtin_expect(at != 0 && at <= now_ms, 0)) {
        finish_flush(st, now_ms);
    }
    return atomic_load_explicit(&st->generation, memory_order_acquire);
}

static inline bool
item_expired(const struct store_item *it, unsigned marks, uint64_t now_ms)
{
    uint64_t expiry_ms = item_expiry_ms_of(it, marks);
    return expiry_ms != EXPIRES_NEVER && expiry_ms <= now_ms;
}

/* Is the item, which has these marks and stands in that segment, expired or
 * flushed? */
static inline bool
item_dead_of(struct store *st, const struct segment *seg, const struct store_item *it,
             unsigned marks, uint64_t now_ms)
{
    return item_expired(it, marks, now_ms) || seg->base.generation != generation_at(st, now_ms);
}

static inline bool
item_dead(struct store *st, const struct segment *seg, const struct store_item *it, uint64_t now_ms)
{
    return item_dead_of(st, seg, it, item_marks(it), now_ms);
}

/* Counts a dead item that is about to be unlinked. */
void count_death(struct store_thread *th, const struct store_item *it, uint64_t now_ms);
/* Counts that the key of a new item had a dead one, which makes room for it. */
void count_reclaimed(struct store_thread *th, const struct aftermath *after);

/* These under the shard's lock. */

/* The live item, or none; a dead one is unlinked. */
struct place find_live(struct store_thread *th, struct shard *sh, const struct store_key *key,
                       uint64_t now_ms, struct aftermath *after);
/* Takes the item out, with its accounts. It is to be buried afterwards. */
void unlink_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct place where);
/* Before linking: gives the item its CAS value, the given one or the next. False
 * if it cannot be linked where it stands, because a flush has come since it was
 * made or the CAS value is too far off: the caller makes another one, ITEM_WIDE. */
bool item_stamp(struct store_thread *th, struct shard *sh, struct store_item *it, bool given,
                uint64_t value, uint64_t now_ms);
/* Puts the item in, with its accounts and these marks more, in the place of
 * `old` if there is one. */
void link_item(struct store_thread *th, struct shard *sh, uint64_t hash, struct store_item *it,
               unsigned marks, struct place old, struct aftermath *after);
/* An item of other size takes the place of another. */
void account_for_swap(struct store_thread *th, const struct store_item *it, uint32_t came,
                      const struct store_item *from, uint32_t went);

/* Puts `it`, of so many bytes, with these marks more, in the place of `old`, which is to
 * be buried. Most often a value is replaced by one of the same size, and the accounts stay
 * as they are. Returns the bytes of `old`. */
static inline __attribute__((always_inline)) uint32_t
swap_items(struct store_thread *th, struct store_item *it, unsigned marks, uint64_t value_bytes,
           uint32_t came, struct place old)
{
    const struct segments *s = &th->st->segments;
    struct store_item *from = old.item;
    unsigned from_marks = item_marks(from);
    uint64_t from_value_bytes = item_value_bytes_of(from, from_marks);
    uint32_t went =
        (uint32_t)segments_round(s, item_bytes_for(from_marks, from->key_bytes, from_value_bytes));
    item_mark(it, ITEM_LINKED | marks, 0);
    item_mark(from, ITEM_STALE, ITEM_LINKED); /* dead */
    if (__builtin_expect(came != went || value_bytes != from_value_bytes, 0)) {
        account_for_swap(th, it, came, from, went);
    }
    bucket_relocate(old.bucket, old.index, segments_locate(s, it));
    return went;
}

/* Makes `to` the copy of the key's item and puts it in its place. False if it
 * cannot be one: it is of another generation, or has no place for something. */
bool replace_by_copy(struct store_thread *th, struct shard *sh, struct store_item *to,
                     struct place old);
/* The table has grown or shrunk. */
void account_for_table(struct store *st, struct shard *sh);
/* Behind each insertion: lets the table grow by a step, and accounts for it. False
 * if there was no need. */
bool table_grow(struct store *st, struct shard *sh);
/* Makes a table that is empty as large as so many items will need. */
void table_expect(struct store *st, struct shard *sh, uint64_t items);
/* What an item's CAS value becomes: the given one or the next. */
uint64_t next_cas(struct store *st, struct shard *sh, bool given, uint64_t value, uint64_t now_ms);

/* A hybrid logical clock: milliseconds since 1970, then a count. So a value that
 * is written later anywhere has a larger number, as far as clocks agree, and
 * what a client brings from elsewhere moves the clock on. A key never changes
 * its shard, so its numbers only increase.
 *
 * It goes in whole units, which narrow items keep, until writes come so fast
 * that this would lead it too far ahead of the time.
 *
 * `now`: cas_now(), of a store that has CAS values. */
#define CAS_TIME_BITS_BELOW 20
#define CAS_LEAD_MAX_MS     100 /* how far counting in units may lead ahead of the time */

static inline uint64_t
next_own_cas(struct shard *sh, uint64_t now)
{
    const uint64_t unit = UINT64_C(1) << ITEM_CAS_UNIT_BITS;
    uint64_t next = (sh->cas_last & ~(unit - 1)) + unit;
    if (next < now) {
        next = now;
    } else if (__builtin_expect(next > now + ((uint64_t)CAS_LEAD_MAX_MS << CAS_TIME_BITS_BELOW),
                                0)) {
        next = sh->cas_last + 1;
    }
    return sh->cas_last = next;
}

/* Without the lock, as what follows: the least CAS value of this time. */
uint64_t cas_now(struct store *st, uint64_t now_ms);

/* Sees to it that the key's item, if there is one, has this layout too. Somebody
 * may replace it meanwhile, so callers look, and ask again. */
void prepare_layout(struct store_thread *th, const struct store_key *key, unsigned layout,
                    uint64_t now_ms);
void prepare_expiry(struct store_thread *th, const struct store_key *key, uint64_t expiry_ms,
                    uint64_t now_ms);
