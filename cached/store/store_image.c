#include "cached/store/store_image.h"
#include "cached/store/image_items.h"
#include "cached/store/parallel.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define IMAGE_FORMAT 1u

/* In the byte order of the machine: a machine of the other reads another layout. */
struct image_head {
    uint64_t layout;
    uint64_t segment_bytes;
    uint64_t unit_bytes;
    uint64_t cas_enabled;
    uint64_t generation;
    uint64_t flush_at_ms;
    uint64_t cas_last; /* the largest that was given out */
    uint64_t items;
    uint64_t segments;
};
_Static_assert(sizeof(struct image_head) == IMAGE_HEAD_BYTES, "a file must have no padding");

_Static_assert(sizeof(struct image_segment) == 40, "a file must have no padding");

/* Another build that writes images or items in another way has another number. */
static uint64_t
layout_number(void)
{
    return (uint64_t)IMAGE_FORMAT << 32 | item_layout_number();
}

/* --- saving ------------------------------------------------------------------ */

struct saving {
    struct parallel work;
    struct store *st;
    struct image_segment *segments;
    char *rooms; /* one for each thread */
    atomic_bool failed;
};

static void
save_segment(struct parallel *work, unsigned thread, uint64_t step)
{
    struct saving *saving = (struct saving *)work;
    const struct segments *s = &saving->st->segments;
    struct image_segment *out = &saving->segments[step];
    char *room = saving->rooms + (size_t)thread * s->segment_bytes;
    if (!image_segment_read(s, out, room, &out->checksum)) {
        atomic_store_explicit(&saving->failed, true, memory_order_relaxed);
    }
}

/* False if one cannot be read. */
static bool
make_checksums(struct store *st, struct image_segment *segments, uint64_t count)
{
    unsigned threads = parallel_threads(st->options.concurrency);
    struct saving saving = {
        .work = {.step = save_segment, .steps = count},
        .st = st,
        .segments = segments,
        .rooms = mem_zalloc_lines((size_t)threads * st->segments.segment_bytes),
    };
    parallel_run(&saving.work, threads);
    free(saving.rooms);
    return !atomic_load(&saving.failed);
}

/* The segments with items, oldest first. */
static struct image_segment *
list_segments(const struct segments *s, uint64_t *count)
{
    *count = 0;
    LIST_EACH (link, &s->queue) {
        ++*count;
    }
    struct image_segment *out = mem_alloc((*count + 1) * sizeof(*out)), *next = out;
    LIST_EACH (link, &s->queue) {
        const struct segment *seg = LIST_ENTRY(link, struct segment, link);
        *next++ = (struct image_segment){
            .base = seg->base,
            .number = (uint32_t)(seg - s->all),
            .end = seg->end,
            .large = seg->large,
        };
    }
    return out;
}

static uint64_t
last_cas(const struct store *st)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < st->shard_count; i++) {
        last = st->shards[i].cas_last > last ? st->shards[i].cas_last : last;
    }
    return last;
}

bool
store_image_save(struct store *st, uint64_t now_ms, struct buf *out)
{
    struct segments *s = &st->segments;
    for (struct store_thread *th = atomic_load(&st->threads); th != NULL; th = th->next) {
        cleaner_drop(th);
    }
    heads_close(st, true, now_ms);
    segments_reclaim(s);
    segments_chill(s);
    uint64_t count;
    struct image_segment *segments = list_segments(s, &count);
    uint32_t generation =
        generation_at(st, now_ms); /* a flush that is due is not to come any more */
    struct image_head head = {
        .layout = layout_number(),
        .segment_bytes = s->segment_bytes,
        .unit_bytes = 1u << s->unit_shift,
        .cas_enabled = st->options.cas,
        .generation = generation,
        .flush_at_ms = atomic_load(&st->flush_at_ms),
        .cas_last = last_cas(st),
        .items = metric_sum(st->metrics, METRIC_ID_STORE_ITEMS),
        .segments = count,
    };
    bool done = make_checksums(st, segments, count) && buf_append(out, &head, sizeof(head)) &&
                buf_append(out, segments, count * sizeof(segments[0]));
    free(segments);
    return done;
}

/* --- loading ----------------------------------------------------------------- */

#define DAMAGED "it is damaged"

static const char *
check_head(const struct store *st, const struct image_head *head, size_t bytes_behind)
{
    const struct segments *s = &st->segments;
    if (head->layout != layout_number()) {
        return "another version of the program wrote it";
    }
    if (head->segment_bytes != s->segment_bytes || head->unit_bytes != 1u << s->unit_shift) {
        return "the memory limit was another (-m)";
    }
    if (head->cas_enabled != st->options.cas) {
        return "CAS values were kept and are not now, or the reverse (-C)";
    }
    if (head->generation > UINT32_MAX || head->cas_last > UINT64_MAX / 2 ||
        head->segments >= s->count_max ||
        bytes_behind != head->segments * sizeof(struct image_segment)) {
        return DAMAGED;
    }
    return NULL;
}

/* No CAS value is given out again or goes back, whatever the clock says and
 * however many shards there are now. */
static void
adopt_head(struct store *st, const struct image_head *head)
{
    atomic_store(&st->generation, (uint32_t)head->generation);
    atomic_store(&st->flush_at_ms, head->flush_at_ms);
    for (unsigned i = 0; i < st->shard_count; i++) {
        st->shards[i].cas_last = head->cas_last;
    }
}

/* Adopts all, and counts the bytes with items. */
static bool
adopt_segments(struct store *st, const struct image_segment *segments, uint64_t count,
               uint64_t *item_bytes)
{
    struct segments *s = &st->segments;
    uint64_t file_bytes = memory_file_bytes(s->file);
    *item_bytes = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct image_segment *is = &segments[i];
        uint64_t ends_at = ((uint64_t)is->number << s->segment_shift) + is->end;
        if (is->large > 1 || is->end != segments_round(s, is->end) || ends_at > file_bytes ||
            segments_adopt(s, &is->base, is->number, is->end, is->large) == NULL) {
            return false;
        }
        *item_bytes += is->end;
    }
    return true;
}

const char *
store_image_load(struct store *st, struct span image)
{
    struct image_head head;
    if (image.len < sizeof(head)) {
        return DAMAGED;
    }
    memcpy(&head, image.ptr, sizeof(head));
    struct span behind = span_skip(image, sizeof(head));
    const char *why = check_head(st, &head, behind.len);
    if (why != NULL) {
        return why;
    }
    struct image_segment *segments = mem_dup(behind.ptr, behind.len);
    uint64_t item_bytes;
    bool good = adopt_segments(st, segments, head.segments, &item_bytes) &&
                head.items <= item_bytes / sizeof(struct store_item) &&
                image_items_load(st, segments, head.segments, head.items);
    free(segments);
    if (!good) {
        return DAMAGED;
    }
    adopt_head(st, &head);
    return NULL;
}
