#include "cached/store/image_items.h"
#include "cached/store/parallel.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define ROUND_BYTES    ((uint64_t)64 << 20) /* of segments, so that findings stay in the caches */
#define CHUNK_FINDINGS 340                  /* about a page */

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
    const struct image_segment *segments;
    struct chunk **chunks;     /* by thread, then by shard */
    struct band_counts *bands; /* by thread, then by band */
    atomic_bool failed;
};

uint64_t
image_segment_checksum(const struct image_segment *is, const char *memory)
{
    uint64_t seed = hash_span_seeded(span_make(&is->base, sizeof(is->base)), is->number);
    return hash_span_seeded(span_make(memory, is->end), seed);
}

/* --- segments: what is in them ----------------------------------------------- */

static void
note(struct loading *l, unsigned thread, uint64_t hash, locator at)
{
    struct store *st = l->st;
    unsigned shard = (unsigned)(hash & (st->shard_count - 1));
    struct chunk **head = &l->chunks[thread * st->shard_count + shard];
    struct chunk *chunk = *head;
    if (chunk == NULL || chunk->count == CHUNK_FINDINGS) {
        chunk = mem_alloc(sizeof(*chunk));
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

/* What was neither linked nor given up counts as dead: there is nobody who
 * would finish it. */
static bool
is_alive(struct store_item *it)
{
    unsigned marks = item_marks(it);
    if (!(marks & (ITEM_LINKED | ITEM_STALE))) {
        item_mark(it, ITEM_STALE, 0);
    }
    return marks & ITEM_LINKED;
}

static bool
find_items(struct loading *l, unsigned thread, struct segment *seg)
{
    struct segments *s = &l->st->segments;
    char *p = segment_memory(s, seg), *end = p + seg->end;
    struct band_counts *bands = &l->bands[thread * STORE_BANDS];
    uint32_t live = 0;
    for (uint32_t bytes; p < end; p += bytes) {
        struct store_item *it = (struct store_item *)(void *)p;
        if (!is_item(l->st, it, (size_t)(end - p))) {
            return false;
        }
        bytes = item_footprint(l->st, it);
        if (seg->large && bytes != seg->end) {
            return false;
        }
        if (is_alive(it)) {
            note(l, thread, store_key(item_key(it)).hash, segments_locate(s, it));
            band_enter(bands, item_band(it), bytes);
            live += bytes;
        }
    }
    atomic_fetch_add_explicit(&seg->live, live, memory_order_relaxed);
    return true;
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
    bool good = !atomic_load_explicit(&l->failed, memory_order_relaxed) &&
                segments_fill_holes(s, seg) &&
                image_segment_checksum(is, segment_memory(s, seg)) == is->checksum &&
                find_items(l, thread, seg);
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

/* False if a key is there twice, which no store of ours has. */
static bool
enter_chunk(struct store *st, struct shard *sh, const struct chunk *chunk)
{
    struct bucket *homes[CHUNK_FINDINGS]; /* while the table does not grow */
    for (unsigned i = 0; i < chunk->count; i++) {
        homes[i] = assoc_home(&sh->assoc, table_hash(hash_of(&chunk->findings[i])));
        __builtin_prefetch(homes[i], 1);
    }
    for (unsigned i = 0; i < chunk->count; i++) {
        const struct finding *f = &chunk->findings[i];
        if (!assoc_insert_new(&sh->assoc, &st->segments, homes[i], bucket_tag(hash_of(f)), f->at)) {
            return false;
        }
    }
    while (table_grow(st, sh)) {
    }
    return true;
}

/* Frees them too. */
static void
fill_shard(struct parallel *work, unsigned thread, uint64_t step)
{
    (void)thread;
    struct loading *l = (struct loading *)work;
    struct store *st = l->st;
    for (unsigned i = 0; i < PARALLEL_MAX; i++) {
        struct chunk **head = &l->chunks[i * st->shard_count + step];
        for (struct chunk *chunk; (chunk = *head) != NULL; free(chunk)) {
            if (!atomic_load_explicit(&l->failed, memory_order_relaxed) &&
                !enter_chunk(st, &st->shards[step], chunk)) {
                atomic_store_explicit(&l->failed, true, memory_order_relaxed);
            }
            *head = chunk->next;
        }
    }
}

/* --- both -------------------------------------------------------------------- */

static void
load_round(struct loading *l, const struct image_segment *segments, uint64_t count)
{
    unsigned threads = parallel_threads(l->st->options.concurrency);
    l->segments = segments;
    l->work = (struct parallel){.step = check_segment, .steps = count};
    parallel_run(&l->work, threads);
    l->work = (struct parallel){.step = fill_shard, .steps = l->st->shard_count};
    parallel_run(&l->work, threads);
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
    for (unsigned i = 0; i < PARALLEL_MAX * STORE_BANDS; i++) {
        count_band(th, i % STORE_BANDS, atomic_load(&l->bands[i].items),
                   atomic_load(&l->bands[i].item_bytes));
    }
}

bool
image_items_load(struct store *st, const struct image_segment *segments, uint64_t count,
                 uint64_t items)
{
    struct loading l = {.st = st};
    for (unsigned i = 0; i < st->shard_count; i++) {
        table_expect(st, &st->shards[i], items / st->shard_count);
    }
    l.chunks = mem_zalloc((size_t)PARALLEL_MAX * st->shard_count * sizeof(l.chunks[0]));
    l.bands = mem_zalloc((size_t)PARALLEL_MAX * STORE_BANDS * sizeof(l.bands[0]));
    uint64_t round = ROUND_BYTES / st->segments.segment_bytes;
    for (uint64_t done = 0; done < count && !atomic_load(&l.failed); done += round) {
        load_round(&l, segments + done, count - done < round ? count - done : round);
    }
    bool good = !atomic_load(&l.failed);
    if (good) {
        account(&l, segments, count);
    }
    free(l.chunks);
    free(l.bands);
    return good;
}
