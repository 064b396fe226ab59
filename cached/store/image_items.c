#include "cached/store/image_items.h"
#include "cached/store/parallel.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define ROUND_BYTES    ((uint64_t)16 << 20) /* of segments, so that findings stay in the caches */
#define CHUNK_FINDINGS 340                  /* about a page */
#define LUCK           4                    /* times the deviation: one in 30,000 has more */
#define SEEN_BITS      8                    /* an item, at least */
#define SEEN_SHIFT     14                   /* other bits of the hash than choose the bucket */
#define HEAD_BYTES_MAX (24 + UINT8_MAX)     /* of an item, with its key */

struct finding {
    uint32_t hash_low;
    uint32_t hash_high;
    locator at;
};

struct chunk {
    struct chunk *next;
    unsigned count;
    struct finding findings[CHUNK_FINDINGS];
};

struct loading {
    struct parallel work;
    struct store *st;
    unsigned threads;
    uint64_t most; /* items that a shard may get */
    const struct image_segment *segments;
    struct chunk **chunks;     /* by thread, then by shard */
    struct band_counts *bands; /* by thread, then by band */
    char *rooms;               /* by thread: what is looked at of the memory */
    struct chunk *spare[PARALLEL_MAX];
    uint64_t *seen; /* bits by shard, so many and one: */
    uint64_t seen_mask;
    atomic_bool failed;
};

/* --- segments: what is in them ----------------------------------------------- */

static struct chunk *
take_chunk(struct loading *l, unsigned thread)
{
    struct chunk *chunk = l->spare[thread];
    if (chunk == NULL) {
        return mem_alloc(sizeof(*chunk));
    }
    l->spare[thread] = chunk->next;
    return chunk;
}

static void
note(struct loading *l, unsigned thread, uint64_t hash, locator at)
{
    struct store *st = l->st;
    unsigned shard = (unsigned)(hash & (st->shard_count - 1));
    struct chunk **head = &l->chunks[thread * st->shard_count + shard];
    struct chunk *chunk = *head;
    if (chunk == NULL || chunk->count == CHUNK_FINDINGS) {
        chunk = take_chunk(l, thread);
        chunk->next = *head;
        chunk->count = 0;
        *head = chunk;
    }
    chunk->findings[chunk->count++] = (struct finding){(uint32_t)hash, (uint32_t)(hash >> 32), at};
}

/* Is this an item, dead or alive, in so much room? */
static bool
is_item(const struct store *st, const struct store_item *it, size_t room)
{
    return room >= sizeof(*it) && room >= item_header_bytes(item_marks(it)) && it->key_bytes >= 1 &&
           it->key_bytes <= STORE_KEY_MAX && segments_round(&st->segments, item_bytes(it)) <= room;
}

/* `seen` is the copy of `it` that was read. What was neither linked nor given up
 * counts as dead: there is nobody who would finish it. */
static bool
is_alive(const struct store_item *seen, struct store_item *it)
{
    unsigned marks = item_marks(seen);
    if (!(marks & (ITEM_LINKED | ITEM_STALE))) {
        item_mark(it, ITEM_STALE, 0);
    }
    return marks & ITEM_LINKED;
}

/* In the room where the segment was read to. */
static bool
find_items(struct loading *l, unsigned thread, struct segment *seg, const char *room)
{
    struct segments *s = &l->st->segments;
    char *memory = segment_memory(s, seg);
    struct band_counts *bands = &l->bands[thread * STORE_BANDS];
    uint32_t live = 0;
    for (uint32_t at = 0, bytes; at < seg->end; at += bytes) {
        const struct store_item *seen = (const struct store_item *)(const void *)(room + at);
        struct store_item *it = (struct store_item *)(void *)(memory + at);
        if (!is_item(l->st, seen, seg->end - at)) {
            return false;
        }
        bytes = item_footprint(l->st, seen);
        if (seg->large && bytes != seg->end) {
            return false;
        }
        if (is_alive(seen, it)) {
            note(l, thread, store_key(item_key(seen)).hash, segments_locate(s, it));
            band_enter(bands, item_band(seen), bytes);
            live += bytes;
        }
    }
    atomic_fetch_add_explicit(&seg->live, live, memory_order_relaxed);
    return true;
}

static bool
is_as_it_was(const struct segments *s, const struct image_segment *is, char *room)
{
    uint64_t checksum;
    return image_segment_read(s, is, room, &checksum) && checksum == is->checksum;
}

/* There may be a hole where bytes should be, and no memory to fill it when it is
 * touched; so the place is reserved first. */
static void
check_segment(struct parallel *work, unsigned thread, uint64_t step)
{
    struct loading *l = (struct loading *)work;
    const struct image_segment *is = &l->segments[step];
    struct segments *s = &l->st->segments;
    struct segment *seg = &s->all[is->number];
    char *room = l->rooms + (size_t)thread * s->segment_bytes;
    bool good = !atomic_load_explicit(&l->failed, memory_order_relaxed) &&
                segments_fill_holes(s, seg) && is_as_it_was(s, is, room) &&
                find_items(l, thread, seg, room);
    if (!good) {
        atomic_store_explicit(&l->failed, true, memory_order_relaxed);
    }
}

/* --- shards: their table ----------------------------------------------------- */

static uint64_t
hash_of(const struct finding *f)
{
    return f->hash_low | (uint64_t)f->hash_high << 32;
}

struct entering {
    struct store *st;
    struct shard *sh;
    uint64_t *seen; /* bits for hashes that the shard has had */
    uint64_t seen_mask;
    const struct finding *finding;
};

/* Has another the same bit? One in sixteen has, at the end; who has none is there
 * for the first time, so that nobody's key needs to be looked at for that. */
static bool
seen_before(struct entering *e, uint64_t hash)
{
    uint64_t bit = table_hash(hash) >> SEEN_SHIFT & e->seen_mask;
    uint64_t *word = &e->seen[bit / 64], one = (uint64_t)1 << bit % 64;
    bool seen = *word & one;
    *word |= one;
    return seen;
}

/* Is the other's key the finding's? Read as segments are; when the hashes are the
 * same, so nearly always are the keys. */
static bool
is_same_key(void *arg, locator other)
{
    const struct entering *e = arg;
    const struct segments *s = &e->st->segments;
    const struct store_item *it = segments_item(s, other);
    const struct segment *seg = segments_at(s, other);
    _Alignas(struct store_item) char head[HEAD_BYTES_MAX];
    uint64_t from = (uint64_t)((const char *)it - s->base);
    uint64_t left = (uint64_t)(segment_memory(s, seg) + seg->end - (const char *)it);
    if (!memory_file_read(s->file, from, head, left < sizeof(head) ? left : sizeof(head))) {
        return true; /* as bad */
    }
    struct span key = item_key((const struct store_item *)(const void *)head);
    return store_key(key).hash == hash_of(e->finding) &&
           span_eq(item_key(it), item_key(segments_item(s, e->finding->at)));
}

static bool
enter(struct entering *e, const struct finding *f)
{
    struct assoc *a = &e->sh->assoc;
    uint64_t hash = hash_of(f);
    if (!seen_before(e, hash)) {
        return assoc_insert(a, table_hash(hash), bucket_tag(hash), f->at);
    }
    e->finding = f;
    return assoc_insert_new(a, assoc_home(a, table_hash(hash)), bucket_tag(hash), f->at,
                            is_same_key, e);
}

static void
expect(struct parallel *work, unsigned thread, uint64_t step)
{
    (void)thread;
    struct loading *l = (struct loading *)work;
    table_expect(l->st, &l->st->shards[step], l->most);
}

/* False if a key is there twice, which no store of ours has. */
static bool
enter_chunk(struct entering *e, const struct chunk *chunk)
{
    for (unsigned i = 0; i < chunk->count; i++) {
        __builtin_prefetch(assoc_home(&e->sh->assoc, table_hash(hash_of(&chunk->findings[i]))), 1);
    }
    for (unsigned i = 0; i < chunk->count; i++) {
        if (!enter(e, &chunk->findings[i])) {
            return false;
        }
    }
    while (table_grow(e->st, e->sh)) {
    }
    return true;
}

static void
fill_shard(struct parallel *work, unsigned thread, uint64_t step)
{
    struct loading *l = (struct loading *)work;
    struct store *st = l->st;
    struct entering e = {.st = st,
                         .sh = &st->shards[step],
                         .seen = l->seen + step * ((l->seen_mask + 1) / 64),
                         .seen_mask = l->seen_mask};
    for (unsigned i = 0; i < l->threads; i++) {
        struct chunk **head = &l->chunks[i * st->shard_count + step];
        for (struct chunk *chunk; (chunk = *head) != NULL;) {
            if (!atomic_load_explicit(&l->failed, memory_order_relaxed) &&
                !enter_chunk(&e, chunk)) {
                atomic_store_explicit(&l->failed, true, memory_order_relaxed);
            }
            *head = chunk->next;
            chunk->next = l->spare[thread];
            l->spare[thread] = chunk;
        }
    }
}

/* --- both -------------------------------------------------------------------- */

static void
load_round(struct loading *l, const struct image_segment *segments, uint64_t count)
{
    l->segments = segments;
    l->work = (struct parallel){.step = check_segment, .steps = count};
    parallel_run(&l->work, l->threads);
    l->work = (struct parallel){.step = fill_shard, .steps = l->st->shard_count};
    parallel_run(&l->work, l->threads);
}

/* As if this thread had stored them. */
static void
count_band(struct store_thread *th, unsigned band, uint64_t items, uint64_t item_bytes)
{
    band_add(&th->bands[band].stored, items);
    band_add(&th->bands[band].items, items);
    band_add(&th->bands[band].item_bytes, item_bytes);
    metric_add(th->metrics, METRIC_ID_STORE_ITEMS, items);
    metric_add(th->metrics, METRIC_ID_STORE_ITEMS_TOTAL, items);
    metric_add(th->metrics, METRIC_ID_STORE_ITEM_BYTES, item_bytes);
}

static void
account(struct loading *l, const struct image_segment *segments, uint64_t count)
{
    struct segments *s = &l->st->segments;
    for (uint64_t i = 0; i < count; i++) {
        segments_drop_bytes(s, &s->all[segments[i].number], 1);
    }
    struct store_thread *th = store_join(l->st);
    for (unsigned i = 0; i < l->threads * STORE_BANDS; i++) {
        count_band(th, i % STORE_BANDS, atomic_load(&l->bands[i].items),
                   atomic_load(&l->bands[i].item_bytes));
    }
}

/* With luck as keys have it some shards get more than their share, by about the
 * square root of it. None shall have to grow, for which items are looked at. */
static uint64_t
most_of_a_shard(uint64_t share)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(share | 1);
    return share + ((uint64_t)LUCK << (bits + 1) / 2);
}

static void
begin(struct loading *l, uint64_t items)
{
    struct store *st = l->st;
    uint64_t most = l->most = most_of_a_shard(items / st->shard_count);
    l->work = (struct parallel){.step = expect, .steps = st->shard_count};
    parallel_run(&l->work, l->threads);
    l->seen_mask = 63;
    while (l->seen_mask / SEEN_BITS < most) {
        l->seen_mask = l->seen_mask * 2 + 1;
    }
    l->seen = mem_zalloc(st->shard_count * (l->seen_mask + 1) / 8);
    l->chunks = mem_zalloc((size_t)l->threads * st->shard_count * sizeof(l->chunks[0]));
    l->bands = mem_zalloc((size_t)l->threads * STORE_BANDS * sizeof(l->bands[0]));
    l->rooms = mem_zalloc_lines((size_t)l->threads * st->segments.segment_bytes);
}

static void
end(struct loading *l)
{
    for (unsigned i = 0; i < l->threads; i++) {
        for (struct chunk *chunk; (chunk = l->spare[i]) != NULL; free(chunk)) {
            l->spare[i] = chunk->next;
        }
    }
    free(l->seen);
    free(l->chunks);
    free(l->bands);
    free(l->rooms);
}

bool
image_items_load(struct store *st, const struct image_segment *segments, uint64_t count,
                 uint64_t items)
{
    struct loading l = {.st = st, .threads = parallel_threads(st->options.concurrency)};
    begin(&l, items);
    uint64_t round = ROUND_BYTES / st->segments.segment_bytes;
    for (uint64_t done = 0; done < count && !atomic_load(&l.failed); done += round) {
        load_round(&l, segments + done, count - done < round ? count - done : round);
    }
    bool good = !atomic_load(&l.failed);
    if (good) {
        account(&l, segments, count);
    }
    end(&l);
    return good;
}
