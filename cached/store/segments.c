#include "cached/store/segments.h"
#include "common/core/assert.h"
#include "common/core/log.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SEGMENT_BYTES_MIN   4096u
#define SEGMENT_BYTES_USUAL 65536u /* most that is cleaned in one go stays short */
#define SEGMENTS_WANTED     512u   /* small stores have small segments, not few */
#define LIMBO_SHARE         64     /* of the limit: what may pass it for waiting */
#define LIMBO_SEGMENTS      8
#define WARM_SHARE          32 /* of the limit: free memory that is kept resident */
#define HOPS_MAX            64 /* held segments that are skipped in one search */

/* Large items stand behind their segment's number. */
struct large_head {
    uint32_t number;
    uint32_t unused;
};

/* --- geometry ---------------------------------------------------------------- */

static void
choose_sizes(struct segments *s, uint64_t limit)
{
    s->segment_bytes = SEGMENT_BYTES_MIN;
    while (s->segment_bytes < SEGMENT_BYTES_USUAL &&
           s->segment_bytes * 2 <= limit / SEGMENTS_WANTED) {
        s->segment_bytes *= 2;
    }
    s->unit_shift = 2;
    while (limit >> (31 + s->unit_shift) > 0) {
        s->unit_shift++;
        s->segment_bytes *= 2;
    }
    s->offset_bits = (unsigned)__builtin_ctz(s->segment_bytes) - s->unit_shift;
    s->count_max = 1u << (32 - s->offset_bits);
}

static void *
reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *
reserve_items(const struct segments *s)
{
    return s->file != NULL ? memory_file_map(s->file, s->reserved_bytes)
                           : reserve(s->reserved_bytes);
}

/* Before a place that is not resident is used. */
static bool
make_resident(struct segments *s, uint64_t offset, uint64_t bytes)
{
    return s->file == NULL || memory_file_reserve(s->file, offset, bytes);
}

static void
give_back(struct segments *s, uint64_t offset, uint64_t bytes)
{
    if (s->file != NULL) {
        memory_file_give_back(s->file, offset, bytes);
    } else {
        madvise(s->base + offset, bytes, MADV_DONTNEED);
    }
}

/* Huge pages are not asked for: where memory is fragmented the kernel compacts
 * it at the first touch, and a set was seen to wait 10 ms for that.
 *
 * Address space costs nothing, so there is enough for every number; where the
 * system will not have it, for what the limit needs. */
void
segments_init(struct segments *s, uint64_t limit, struct memory_file *file)
{
    *s = (struct segments){.fresh = 1, .file = file};
    choose_sizes(s, limit);
    s->reserved_bytes = (size_t)s->count_max * s->segment_bytes;
    s->base = reserve_items(s);
    while (s->base == NULL && s->reserved_bytes / 4 > limit) {
        s->reserved_bytes /= 2;
        s->count_max /= 2;
        s->base = reserve_items(s);
    }
    s->all = reserve(s->count_max * sizeof(s->all[0]));
    if (s->base == NULL || s->all == NULL) {
        log_error("no_address_space", "bytes=%zu", s->reserved_bytes);
        abort();
    }
    epochs_init(&s->epochs);
    atomic_init(&s->used, 0);
    atomic_init(&s->limit, limit);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->queue);
    list_init(&s->limbo);
    list_init(&s->warm);
    list_init(&s->cold);
}

static void
free_large(struct segment *seg)
{
    char *memory = atomic_load_explicit(&seg->memory, memory_order_relaxed);
    free(memory - sizeof(struct large_head));
    atomic_store_explicit(&seg->memory, NULL, memory_order_relaxed);
    seg->large = false;
}

void
segments_deinit(struct segments *s)
{
    for (uint32_t i = 1; i < s->fresh; i++) {
        if (s->all[i].large) {
            free_large(&s->all[i]);
        }
    }
    munmap(s->all, s->count_max * sizeof(s->all[0]));
    munmap(s->base, s->reserved_bytes);
    pthread_mutex_destroy(&s->lock);
}

static bool
is_inside(const struct segments *s, const struct store_item *it)
{
    return (uintptr_t)it - (uintptr_t)s->base < s->reserved_bytes;
}

struct segment *
segments_find(const struct segments *s, const struct store_item *it)
{
    if (is_inside(s, it)) {
        return &s->all[(size_t)((const char *)it - s->base) / s->segment_bytes];
    }
    const struct large_head *head = (const void *)((const char *)it - sizeof(*head));
    return &s->all[head->number];
}

locator
segments_locate(const struct segments *s, const struct store_item *it)
{
    const struct segment *seg = segments_find(s, it);
    const char *memory = atomic_load_explicit(&seg->memory, memory_order_relaxed);
    return segments_locator(s, seg, (uint32_t)((const char *)it - memory));
}

/* --- giving out -------------------------------------------------------------- */

static struct segment *
pop(struct list *head)
{
    struct list *link = list_pop_front(head);
    return link != NULL ? LIST_ENTRY(link, struct segment, link) : NULL;
}

static void
cool(struct segments *s, struct segment *seg)
{
    give_back(s, (uint64_t)seg->number * s->segment_bytes, s->segment_bytes);
    s->warm_bytes -= s->segment_bytes;
}

static struct segment *
cold_number(struct segments *s)
{
    struct segment *seg = pop(&s->cold);
    if (seg == NULL && s->fresh < s->count_max) {
        seg = &s->all[s->fresh];
        seg->number = s->fresh++;
        list_init(&seg->link);
    }
    return seg;
}

/* A free number; for a large item one whose own place is not resident. */
static struct segment *
free_number(struct segments *s, bool large)
{
    struct segment *seg = NULL;
    if (!large && (seg = pop(&s->warm)) != NULL) {
        s->warm_bytes -= s->segment_bytes;
        return seg;
    }
    seg = cold_number(s);
    if (seg != NULL && !large &&
        !make_resident(s, (uint64_t)seg->number * s->segment_bytes, s->segment_bytes)) {
        list_push_front(&s->cold, &seg->link);
        return NULL;
    }
    if (seg != NULL) {
        return seg;
    }
    if (large && (seg = pop(&s->warm)) != NULL) {
        cool(s, seg);
    }
    return seg;
}

/* Gives up to about `bytes` of free memory back to the system: what is more than
 * `keep`, and what would make more than the limit resident. */
static void
shed(struct segments *s, uint64_t bytes, uint64_t keep)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    struct segment *seg;
    while (bytes > 0 && (s->warm_bytes > keep || used + s->warm_bytes > limit) &&
           (seg = pop(&s->warm)) != NULL) {
        cool(s, seg);
        list_push_front(&s->cold, &seg->link);
        bytes -= bytes < s->segment_bytes ? bytes : s->segment_bytes;
    }
}

static uint64_t reclaim(struct segments *s);

static bool
fits(struct segments *s, uint64_t bytes)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t most = limit / LIMBO_SHARE > (uint64_t)LIMBO_SEGMENTS * s->segment_bytes
                        ? limit / LIMBO_SHARE
                        : (uint64_t)LIMBO_SEGMENTS * s->segment_bytes;
    uint64_t waiting = reclaim(s);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    return used + bytes <= limit + (waiting < most ? waiting : most);
}

struct segment *
segments_take(struct segments *s, bool force)
{
    pthread_mutex_lock(&s->lock);
    struct segment *seg = NULL;
    if (force || fits(s, s->segment_bytes)) {
        seg = free_number(s, false);
    }
    if (seg != NULL) {
        seg->bytes = s->segment_bytes;
        seg->end = 0;
        seg->state = SEGMENT_OPEN;
        atomic_store_explicit(&seg->live, 0, memory_order_relaxed);
        atomic_store_explicit(&seg->memory, s->base + (size_t)seg->number * s->segment_bytes,
                              memory_order_relaxed);
        segments_charge(s, seg->bytes);
    }
    pthread_mutex_unlock(&s->lock);
    return seg;
}

static uint32_t
usable(struct large_head *memory)
{
    return (uint32_t)malloc_usable_size(memory);
}

struct segment *
segments_take_large(struct segments *s, uint32_t bytes, bool force, struct guard *holder)
{
    pthread_mutex_lock(&s->lock);
    bool room = force || fits(s, bytes + sizeof(struct large_head));
    pthread_mutex_unlock(&s->lock);
    struct large_head *memory = room ? malloc(sizeof(*memory) + bytes) : NULL;
    if (memory == NULL) {
        return NULL;
    }
    /* The allocator rounds up, and only now says how much. */
    pthread_mutex_lock(&s->lock);
    bool fit = force || fits(s, usable(memory));
    struct segment *seg = fit ? free_number(s, true) : NULL;
    if (seg != NULL) {
        memory->number = seg->number;
        seg->large = true;
        seg->bytes = usable(memory);
        seg->end = bytes;
        atomic_store_explicit(&seg->live, bytes, memory_order_relaxed);
        atomic_store_explicit(&seg->memory, (char *)(memory + 1), memory_order_relaxed);
        segments_charge(s, seg->bytes);
        guard_hold(holder, seg->number);
        seg->state = SEGMENT_SEALED;
        list_push_back(&s->queue, &seg->link);
        /* Its memory is not one of the free segments'. */
        shed(s, 2 * (uint64_t)seg->bytes, UINT64_MAX);
    }
    pthread_mutex_unlock(&s->lock);
    if (seg == NULL) {
        free(memory);
    }
    return seg;
}

/* --- coming back ------------------------------------------------------------- */

static void
retire(struct segments *s, struct segment *seg)
{
    list_remove(&seg->link);
    seg->state = SEGMENT_LIMBO;
    seg->retired_at = epochs_retire(&s->epochs);
    s->limbo_bytes += seg->bytes;
    list_push_back(&s->limbo, &seg->link);
}

static bool
is_empty(const struct segment *seg)
{
    return atomic_load_explicit(&seg->live, memory_order_acquire) == 0;
}

void
segments_seal(struct segments *s, struct segment *seg)
{
    pthread_mutex_lock(&s->lock);
    seg->state = SEGMENT_SEALED;
    list_push_back(&s->queue, &seg->link);
    if (is_empty(seg)) {
        retire(s, seg);
    }
    pthread_mutex_unlock(&s->lock);
}

void
segments_drop_bytes(struct segments *s, struct segment *seg, uint32_t bytes)
{
    uint32_t before = atomic_fetch_sub_explicit(&seg->live, bytes, memory_order_acq_rel);
    ASSERT(before >= bytes);
    if (before != bytes) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (seg->state == SEGMENT_SEALED && is_empty(seg)) {
        retire(s, seg);
    }
    pthread_mutex_unlock(&s->lock);
}

static void
release(struct segments *s, struct segment *seg)
{
    list_remove(&seg->link);
    s->limbo_bytes -= seg->bytes;
    atomic_fetch_sub_explicit(&s->used, seg->bytes, memory_order_relaxed);
    seg->state = SEGMENT_FREE;
    if (seg->large) {
        free_large(seg);
        list_push_front(&s->cold, &seg->link);
    } else {
        list_push_front(&s->warm, &seg->link);
        s->warm_bytes += s->segment_bytes;
    }
}

static uint64_t
reclaim(struct segments *s)
{
    if (list_empty(&s->limbo)) {
        return 0;
    }
    uint64_t oldest = epochs_oldest(&s->epochs);
    LIST_EACH_SAFE (link, &s->limbo) {
        struct segment *seg = LIST_ENTRY(link, struct segment, link);
        if (seg->retired_at >= oldest) {
            break;
        }
        if (!epochs_held(&s->epochs, seg->number)) {
            release(s, seg);
        }
    }
    return s->limbo_bytes;
}

uint64_t
segments_reclaim(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t waiting = reclaim(s);
    pthread_mutex_unlock(&s->lock);
    return waiting;
}

bool
segments_awaits_readers(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    bool waits =
        !list_empty(&s->limbo) &&
        LIST_ENTRY(s->limbo.prev, struct segment, link)->retired_at >= epochs_oldest(&s->epochs);
    pthread_mutex_unlock(&s->lock);
    return waits;
}

bool
segments_pressed(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t waiting = reclaim(s);
    bool pressed = atomic_load_explicit(&s->used, memory_order_relaxed) >
                   atomic_load_explicit(&s->limit, memory_order_relaxed) + waiting;
    pthread_mutex_unlock(&s->lock);
    return pressed;
}

void
segments_give_back(struct segments *s, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    shed(s, bytes, atomic_load_explicit(&s->limit, memory_order_relaxed) / WARM_SHARE);
    pthread_mutex_unlock(&s->lock);
}

/* --- choosing ---------------------------------------------------------------- */

static void
take(struct segment *seg)
{
    list_remove(&seg->link);
    seg->state = SEGMENT_TAKEN;
}

unsigned
segments_oldest(struct segments *s, struct segment **out, unsigned n)
{
    unsigned count = 0;
    pthread_mutex_lock(&s->lock);
    struct list *last = s->queue.prev;
    for (unsigned hops = 0; count < n && hops < HOPS_MAX && !list_empty(&s->queue); hops++) {
        struct list *link = list_first(&s->queue);
        struct segment *seg = LIST_ENTRY(link, struct segment, link);
        bool final = link == last;
        if (epochs_held(&s->epochs, seg->number)) {
            list_remove(link);
            list_push_back(&s->queue, link);
        } else {
            take(seg);
            out[count++] = seg;
        }
        if (final) {
            break;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}

static bool
is_sparse(const struct segments *s, const struct segment *seg, unsigned dead_share)
{
    if (seg->state != SEGMENT_SEALED || seg->large) {
        return false;
    }
    uint32_t live = atomic_load_explicit(&seg->live, memory_order_relaxed);
    uint64_t dead = seg->end - live;
    return dead > 0 && dead * 256 >= (uint64_t)seg->bytes * dead_share &&
           !epochs_held(&s->epochs, seg->number);
}

unsigned
segments_sparse(struct segments *s, struct segment **out, unsigned n, unsigned dead_share,
                unsigned looks)
{
    unsigned count = 0;
    pthread_mutex_lock(&s->lock);
    looks = looks < s->fresh ? looks : s->fresh;
    for (; looks > 0 && count < n; looks--) {
        s->sparse_at = s->sparse_at + 1 < s->fresh ? s->sparse_at + 1 : 1;
        struct segment *seg = &s->all[s->sparse_at];
        if (s->sparse_at < s->fresh && is_sparse(s, seg, dead_share)) {
            take(seg);
            out[count++] = seg;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}

void
segments_put_back(struct segments *s, struct segment *seg)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(seg->state == SEGMENT_TAKEN);
    seg->state = SEGMENT_SEALED;
    list_push_back(&s->queue, &seg->link);
    if (is_empty(seg)) {
        retire(s, seg);
    }
    pthread_mutex_unlock(&s->lock);
}
