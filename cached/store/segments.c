#include "cached/store/segments.h"
#include "common/core/assert.h"
#include "common/core/log.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENT_BYTES_MIN   4096u
#define SEGMENT_BYTES_USUAL 65536u /* most that is cleaned in one go stays short */
#define SEGMENTS_WANTED     512u   /* small stores have small segments, not few */
#define LIMBO_SHARE         64     /* of the limit: what may pass it for waiting */
#define PASS_SHARE          64     /* of the limit: what was paid for may pass it so far */
#define LIMBO_SEGMENTS      8
#define WARM_SHARE          32  /* of the limit: free memory that is kept resident */
#define HOPS_MAX            512 /* held segments that are skipped in one search */
#define TRIM_SHARE          16  /* of a segment: less is not worth a system call */

/* --- geometry ---------------------------------------------------------------- */

static void
choose_sizes(struct segments *s, uint64_t limit)
{
    s->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
    s->segment_bytes = s->page_bytes > SEGMENT_BYTES_MIN ? s->page_bytes : SEGMENT_BYTES_MIN;
    while (s->segment_bytes < SEGMENT_BYTES_USUAL &&
           s->segment_bytes * 2 <= limit / SEGMENTS_WANTED) {
        s->segment_bytes *= 2;
    }
    s->unit_shift = (unsigned)__builtin_ctz(ITEM_ALIGNMENT);
    while (limit >> (31 + s->unit_shift) > 0) {
        s->unit_shift++;
        s->segment_bytes *= s->unit_shift > 2 ? 2 : 1;
    }
    s->segment_shift = (unsigned)__builtin_ctz(s->segment_bytes);
    s->offset_bits = s->segment_shift - s->unit_shift;
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

/* Huge pages are not asked for: where memory is fragmented the kernel compacts
 * it at the first touch, and a set was seen to wait 10 ms for that.
 *
 * Address space costs nothing, so there is enough for every number; where the
 * system will not have it, for what the limit needs. */
void
segments_init(struct segments *s, uint64_t limit, struct memory_file *file)
{
    *s = (struct segments){.file = file};
    choose_sizes(s, limit);
    s->reserved_bytes = (size_t)s->count_max << s->segment_shift;
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
    places_init(&s->places, s->count_max);
    epochs_init(&s->epochs);
    atomic_init(&s->used, 0);
    atomic_init(&s->limit, limit);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->queue);
    list_init(&s->limbo);
}

void
segments_deinit(struct segments *s)
{
    places_deinit(&s->places);
    munmap(s->all, s->count_max * sizeof(s->all[0]));
    munmap(s->base, s->reserved_bytes);
    pthread_mutex_destroy(&s->lock);
}

static uint32_t
number_of(const struct segments *s, const struct segment *seg)
{
    return (uint32_t)(seg - s->all);
}

static uint32_t
whole_pages(const struct segments *s, uint32_t bytes)
{
    return (bytes + s->page_bytes - 1) & ~(s->page_bytes - 1);
}

/* --- giving out -------------------------------------------------------------- */

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

static void
set_up(struct segments *s, struct segment *seg, uint32_t bytes, uint32_t run)
{
    list_init(&seg->link);
    seg->bytes = bytes;
    seg->run = run;
    atomic_fetch_add_explicit(&s->used, bytes, memory_order_relaxed);
}

/* Touches pages that will be filled before long, all at once: each by itself would cost a
 * fault, and where the system is a guest these cost more than all else of a set. An older
 * kernel refuses, and then they are. */
static void
touch_pages(const struct segments *s, const char *from, uint64_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    uintptr_t page = s->page_bytes, begin = (uintptr_t)from / page * page;
    uintptr_t end = ((uintptr_t)from + bytes + page - 1) / page * page;
    madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
#endif
}

/* 0 if there is none. *cold: not all of it is resident. */
static uint32_t
take_place(struct segments *s, bool *cold)
{
    bool warm;
    uint32_t number = places_take(&s->places, &warm);
    uint32_t resident = s->all[number].bytes;
    if (number == 0) {
        return 0;
    }
    *cold = resident < s->segment_bytes;
    if (*cold && !make_resident(s, (uint64_t)number << s->segment_shift, s->segment_bytes)) {
        places_give(&s->places, number, warm);
        return 0;
    }
    s->warm_bytes -= resident;
    return number;
}

struct segment *
segments_take(struct segments *s, const struct item_base *base, bool force)
{
    bool cold = false;
    pthread_mutex_lock(&s->lock);
    uint32_t number = force || fits(s, s->segment_bytes) ? take_place(s, &cold) : 0;
    struct segment *seg = NULL;
    if (number != 0) {
        seg = &s->all[number];
        set_up(s, seg, s->segment_bytes, 1);
        seg->base = *base;
        seg->end = 0;
        seg->large = false;
        seg->state = SEGMENT_OPEN;
        atomic_store_explicit(&seg->live, 0, memory_order_relaxed);
        purge_for_taken(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (cold && seg != NULL) {
        touch_pages(s, segment_memory(s, seg), s->segment_bytes);
    }
    return seg;
}

/* Takes places in a row, as many as so many bytes need; 0 if there are none. */
static uint32_t
take_run_place(struct segments *s, uint32_t bytes)
{
    uint32_t run = (bytes + s->segment_bytes - 1) >> s->segment_shift;
    uint32_t number = places_take_run(&s->places, run);
    if (number != 0 && !make_resident(s, (uint64_t)number << s->segment_shift, bytes)) {
        for (uint32_t i = 0; i < run; i++) {
            places_give(&s->places, number + i, false);
        }
        number = 0;
    }
    return number;
}

/* The places of a run are one memory now, of which only so much is charged. */
static void
join(struct segments *s, struct segment *first, uint32_t bytes)
{
    uint32_t run = (bytes + s->segment_bytes - 1) >> s->segment_shift;
    uint32_t last = bytes - ((run - 1) << s->segment_shift);
    uint32_t tail = first[run - 1].bytes > last ? first[run - 1].bytes - last : 0;
    for (uint32_t i = 0; i < run; i++) {
        if (places_cool(&s->places, number_of(s, first) + i)) {
            s->warm_bytes -= first[i].bytes;
        }
        first[i].bytes = 0;
    }
    set_up(s, first, bytes, run);
    if (tail > 0) {
        purge_tail_later(s, first, tail);
    }
}

struct segment *
segments_take_large(struct segments *s, const struct item_base *base, uint32_t bytes, bool force,
                    struct guard *holder)
{
    uint32_t charged = whole_pages(s, bytes);
    pthread_mutex_lock(&s->lock);
    uint32_t number = force || fits(s, charged) ? take_run_place(s, charged) : 0;
    struct segment *seg = NULL;
    if (number != 0) {
        seg = &s->all[number];
        join(s, seg, charged);
        seg->base = *base;
        seg->end = bytes;
        seg->large = true;
        atomic_store_explicit(&seg->live, bytes, memory_order_relaxed);
        guard_hold(holder, number);
        seg->state = SEGMENT_SEALED;
        list_push_back(&s->queue, &seg->link);
        purge_for_taken(s);
    }
    pthread_mutex_unlock(&s->lock);
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
    uint32_t kept = whole_pages(s, seg->end), tail = seg->bytes - kept;
    pthread_mutex_lock(&s->lock);
    if (tail >= s->segment_bytes / TRIM_SHARE && tail > 0) {
        seg->bytes = kept;
        atomic_fetch_sub_explicit(&s->used, tail, memory_order_relaxed);
        purge_tail_later(s, seg, tail);
    }
    seg->state = SEGMENT_SEALED;
    list_push_back(&s->queue, &seg->link);
    if (is_empty(seg)) {
        retire(s, seg);
    }
    pthread_mutex_unlock(&s->lock);
}

void
segments_emptied(struct segments *s, struct segment *seg)
{
    pthread_mutex_lock(&s->lock);
    if (seg->state == SEGMENT_SEALED && is_empty(seg)) {
        retire(s, seg);
    }
    pthread_mutex_unlock(&s->lock);
}

/* A run falls apart into its segments. */
static void
release(struct segments *s, struct segment *first)
{
    uint32_t left = first->bytes + purge_keep_tail(s, first);
    list_remove(&first->link);
    s->limbo_bytes -= first->bytes;
    s->warm_bytes += left;
    atomic_fetch_sub_explicit(&s->used, first->bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < first->run; i++) {
        struct segment *seg = &first[i];
        seg->state = SEGMENT_FREE;
        seg->bytes = left < s->segment_bytes ? left : s->segment_bytes;
        left -= seg->bytes;
        places_give(&s->places, number_of(s, seg), seg->bytes > 0);
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
        if (!epochs_held(&s->epochs, number_of(s, seg))) {
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

/* Is a reader inside who entered before the last of it was retired? */
static bool
awaits_readers(const struct segments *s)
{
    return !list_empty(&s->limbo) &&
           LIST_ENTRY(s->limbo.prev, struct segment, link)->retired_at >= epochs_oldest(&s->epochs);
}

bool
segments_awaits_readers(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    bool waits = awaits_readers(s);
    pthread_mutex_unlock(&s->lock);
    return waits;
}

bool
segments_stuck(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t most = limit / PASS_SHARE + (uint64_t)LIMBO_SEGMENTS * s->segment_bytes;
    bool stuck = reclaim(s) > most && awaits_readers(s);
    pthread_mutex_unlock(&s->lock);
    return stuck;
}

static uint64_t
over_limit(const struct segments *s)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    return used > limit ? used - limit : 0;
}

bool
segments_far_over(struct segments *s)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t lowered = atomic_load_explicit(&s->lowered, memory_order_relaxed);
    uint64_t over = over_limit(s);
    if (over < lowered) {
        atomic_store_explicit(&s->lowered, over, memory_order_relaxed);
    }
    return over > limit / PASS_SHARE + lowered;
}

void
segments_charge(struct segments *s, int64_t bytes)
{
    atomic_fetch_add_explicit(&s->used, (uint64_t)bytes, memory_order_relaxed);
    if (bytes > 0 && over_limit(s) > 0) {
        atomic_fetch_add_explicit(&s->overdraft, (uint64_t)bytes, memory_order_relaxed);
    }
}

void
segments_set_limit(struct segments *s, uint64_t bytes)
{
    atomic_store(&s->limit, bytes);
    atomic_store_explicit(&s->overdraft, over_limit(s), memory_order_relaxed);
    atomic_store_explicit(&s->lowered, over_limit(s), memory_order_relaxed);
    pthread_mutex_lock(&s->lock);
    purge_limit_changed(s);
    pthread_mutex_unlock(&s->lock);
}

bool
segments_may_pass(struct segments *s, uint64_t bytes, bool to_move)
{
    pthread_mutex_lock(&s->lock);
    reclaim(s);
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t draft = atomic_load_explicit(&s->overdraft, memory_order_relaxed);
    uint64_t past = draft + limit / PASS_SHARE * (to_move ? 2 : 1) +
                    (to_move ? (uint64_t)LIMBO_SEGMENTS * s->segment_bytes : 0);
    bool may = atomic_load_explicit(&s->used, memory_order_relaxed) + bytes <= limit + past;
    /* Who has just freed as much takes no more of it than he gave back. */
    uint64_t over = over_limit(s) + (may ? bytes : 0);
    if (over < draft) {
        atomic_store_explicit(&s->overdraft, over, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->lock);
    return may;
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

bool
segments_give_back(struct segments *s, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    uint64_t keep = atomic_load_explicit(&s->limit, memory_order_relaxed) / WARM_SHARE;
    bool more = purge_spare(s, bytes, keep);
    pthread_mutex_unlock(&s->lock);
    return more;
}

void
segments_grow(struct segments *s, const char *from, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    purge_for_taken(s);
    pthread_mutex_unlock(&s->lock);
    touch_pages(s, from, bytes);
}

bool
segments_have_room(struct segments *s, uint32_t bytes)
{
    pthread_mutex_lock(&s->lock);
    bool have = fits(s, whole_pages(s, bytes));
    pthread_mutex_unlock(&s->lock);
    return have;
}

bool
segments_would_grow(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    reclaim(s);
    bool grows = s->warm_bytes == 0;
    pthread_mutex_unlock(&s->lock);
    return grows;
}

void
segments_chill(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    purge_all(s);
    pthread_mutex_unlock(&s->lock);
}

/* --- from an image ----------------------------------------------------------- */

static bool
take_places(struct segments *s, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        if (!places_take_this(&s->places, i)) {
            return false;
        }
    }
    return true;
}

struct segment *
segments_adopt(struct segments *s, const struct item_base *base, uint32_t number, uint32_t end,
               bool large)
{
    uint64_t run = ((uint64_t)end + s->segment_bytes - 1) >> s->segment_shift;
    if (number >= s->count_max || run == 0 || run > s->count_max - number || (run > 1 && !large) ||
        !take_places(s, number, (uint32_t)run)) {
        return NULL;
    }
    struct segment *seg = &s->all[number];
    set_up(s, seg, large ? whole_pages(s, end) : s->segment_bytes, (uint32_t)run);
    seg->base = *base;
    seg->end = end;
    seg->large = large;
    atomic_store_explicit(&seg->live, 1, memory_order_relaxed);
    segments_seal(s, seg);
    return seg;
}

bool
segments_fill_holes(struct segments *s, const struct segment *seg)
{
    return make_resident(s, (uint64_t)number_of(s, seg) << s->segment_shift, seg->bytes);
}

uint64_t
segments_warm_bytes(struct segments *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t bytes = s->warm_bytes + s->purge.tail_bytes;
    pthread_mutex_unlock(&s->lock);
    return bytes;
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
        if (epochs_held(&s->epochs, number_of(s, seg))) {
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
is_sparse(const struct segments *s, const struct segment *seg, unsigned dead_share,
          uint32_t opened_before_s)
{
    if (seg->state != SEGMENT_SEALED || seg->large) {
        return false;
    }
    uint32_t live = atomic_load_explicit(&seg->live, memory_order_relaxed);
    uint64_t dead = seg->end - live;
    bool sparse = dead > 0 && dead * 256 >= (uint64_t)seg->bytes * dead_share;
    return (sparse || seg->base.opened_s < opened_before_s) &&
           !epochs_held(&s->epochs, number_of(s, seg));
}

unsigned
segments_sparse(struct segments *s, struct segment **out, unsigned n, unsigned dead_share,
                uint32_t opened_before_s, unsigned looks)
{
    unsigned count = 0, rounds = 0;
    pthread_mutex_lock(&s->lock);
    for (; looks > 0 && count < n && rounds < 2; looks--) {
        s->sparse_at = places_next_busy(&s->places, s->sparse_at);
        rounds += s->sparse_at == 0;
        struct segment *seg = &s->all[s->sparse_at];
        if (is_sparse(s, seg, dead_share, opened_before_s)) {
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
