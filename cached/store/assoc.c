#include "cached/store/assoc.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Items to a bucket of twelve. As some buckets are split and some are not yet,
 * that makes one lookup in ten read a second bucket; with more the spill buckets
 * would cost what is saved. */
#define ITEMS_PER_BUCKET 10
#define BUCKETS_FIRST    4
#define ITEMS_TO_KEEP_IT 6 /* with fewer to a bucket the table shrinks */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_BYTES      4096  /* shelves from here on are mapped; a system's may be larger */
#define GIVE_BACK_BYTES 65536 /* of a mapped shelf at a time; of smaller ones a page */

#define FORGOTTEN_AT_ONCE 16 /* spill buckets */

/* --- shelves ----------------------------------------------------------------- */

static size_t
shelf_bytes(unsigned shelf)
{
    unsigned bits = shelf == 0 ? SHELF_FIRST_BITS : shelf + SHELF_FIRST_BITS - 1;
    return sizeof(struct bucket) << bits;
}

/* The number of its first bucket. */
static uint32_t
shelf_begin(unsigned shelf)
{
    return shelf == 0 ? 0 : 1u << (shelf + SHELF_FIRST_BITS - 1);
}

/* Its memory, or NULL. */
static char *
shelf_memory(const struct shelves *s, unsigned shelf)
{
    uintptr_t origin = atomic_load_explicit(&s->origin[shelf], memory_order_relaxed);
    return origin == 0 ? NULL : (char *)(origin + shelf_begin(shelf) * sizeof(struct bucket));
}

/* Sees to it that the bucket has a shelf. All but the smallest are mapped, so
 * that only what is used becomes resident: of a store of 64 MB no shard's table
 * is more than some pages, but together they are megabytes. */
static bool
reach(struct shelves *s, uint32_t number)
{
    unsigned shelf = shelf_of(number);
    if (shelf >= SHELVES_MAX) {
        return false;
    }
    if (shelf_memory(s, shelf) != NULL) {
        return true;
    }
    size_t bytes = shelf_bytes(shelf);
    void *p;
    if (bytes < PAGE_BYTES) {
        p = mem_zalloc_lines(bytes);
    } else {
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
        if (p == MAP_FAILED) {
            return false;
        }
    }
    uintptr_t origin = (uintptr_t)p - shelf_begin(shelf) * sizeof(struct bucket);
    ASSERT(origin != 0);
    atomic_store_explicit(&s->origin[shelf], origin, memory_order_release);
    return true;
}

/* The bucket and all behind it are used no more. Mapped shelves give that back
 * whenever it comes to a whole piece. Where pages are larger than that, small
 * shelves keep theirs. */
static void
leave(struct shelves *s, uint32_t number)
{
    unsigned shelf = shelf_of(number);
    size_t offset = (number - shelf_begin(shelf)) * sizeof(struct bucket);
    size_t bytes = shelf_bytes(shelf);
    size_t piece = bytes < GIVE_BACK_BYTES ? PAGE_BYTES : GIVE_BACK_BYTES;
    if (bytes >= PAGE_BYTES && offset % piece == 0) {
        madvise(shelf_memory(s, shelf) + offset, piece, MADV_DONTNEED);
    }
}

static void
clear(struct shelves *s, bool unmap)
{
    for (unsigned i = 0; i < SHELVES_MAX; i++) {
        void *p = shelf_memory(s, i);
        size_t bytes = shelf_bytes(i);
        if (bytes < PAGE_BYTES) {
            free(p);
        } else if (p != NULL && unmap) {
            munmap(p, bytes);
        }
    }
}

static void
set_buckets(struct assoc *a, uint32_t n)
{
    atomic_store_explicit(&a->mask, UINT32_MAX >> __builtin_clz(n), memory_order_release);
    atomic_store_explicit(&a->buckets, n, memory_order_release);
}

void
assoc_init(struct assoc *a)
{
    bool first = reach(&a->homes, BUCKETS_FIRST - 1);
    ASSERT(first);
    set_buckets(a, BUCKETS_FIRST);
}

void
assoc_deinit(struct assoc *a)
{
    clear(&a->homes, true);
    clear(&a->spills, true);
}

void
assoc_forget(struct assoc *a)
{
    clear(&a->homes, false);
    clear(&a->spills, false);
}

/* --- chains ------------------------------------------------------------------ */

struct place
assoc_find_from(const struct assoc *a, const struct segments *s, struct bucket *home,
                const struct store_key *key)
{
    uint8_t tag = bucket_tag(key->hash);
    /* Without the lock a chain that is being changed might go round. */
    unsigned hops = 0;
    for (struct bucket *b = home; b != NULL && hops < 1000; hops++) {
        for (unsigned places = bucket_match(b, tag); places != 0; places &= places - 1) {
            unsigned i = (unsigned)__builtin_ctz(places);
            locator at = bucket_at(b, i);
            if (at == 0) {
                continue;
            }
            struct store_item *it = segments_item(s, at);
            if (item_has_key(it, key->key)) {
                return (struct place){b, i, it, segments_at(s, at)};
            }
        }
        b = assoc_next(a, b);
    }
    return (struct place){0};
}

/* A new bucket behind `last`, its number plus one. */
static struct bucket *
add_spill(struct assoc *a, struct bucket *last)
{
    uint32_t ticket = a->spill_free;
    if (ticket == 0) {
        if (!reach(&a->spills, a->spill_end)) {
            return NULL;
        }
        ticket = ++a->spill_end;
    }
    struct bucket *b = shelves_at(&a->spills, ticket - 1);
    if (ticket == a->spill_free) {
        a->spill_free = atomic_load_explicit(&b->next, memory_order_relaxed);
        atomic_store_explicit(&b->next, 0, memory_order_release);
    }
    a->spill_used++;
    atomic_store_explicit(&last->next, ticket, memory_order_release);
    return b;
}

/* Behind the last bucket if none of the chain has a free place. */
static bool
put(struct assoc *a, struct bucket *b, unsigned place, uint8_t tag, locator at)
{
    if (place == BUCKET_PLACES) {
        b = add_spill(a, b);
        place = 0;
    }
    if (b == NULL) {
        return false;
    }
    bucket_set(b, place, tag, at);
    a->count++;
    return true;
}

static bool
insert(struct assoc *a, struct bucket *b, uint8_t tag, locator at)
{
    struct bucket *next;
    unsigned place;
    while ((place = bucket_free_place(b)) == BUCKET_PLACES && (next = assoc_next(a, b)) != NULL) {
        b = next;
    }
    return put(a, b, place, tag, at);
}

bool
assoc_insert(struct assoc *a, uint64_t hash, uint8_t tag, locator at)
{
    return insert(a, assoc_home(a, hash), tag, at);
}

static bool
has_same(const struct bucket *b, uint8_t tag, bool (*is_same)(void *arg, locator other), void *arg)
{
    for (unsigned places = bucket_match(b, tag); places != 0; places &= places - 1) {
        locator other = bucket_at(b, (unsigned)__builtin_ctz(places));
        if (other != 0 && is_same(arg, other)) {
            return true;
        }
    }
    return false;
}

bool
assoc_insert_new(struct assoc *a, struct bucket *home, uint8_t tag, locator at,
                 bool (*is_same)(void *arg, locator other), void *arg)
{
    struct bucket *room = NULL;
    unsigned place = BUCKET_PLACES;
    for (struct bucket *b = home; b != NULL; b = assoc_next(a, b)) {
        if (has_same(b, tag, is_same, arg)) {
            return false;
        }
        if (place == BUCKET_PLACES) {
            room = b;
            place = bucket_free_place(b);
        }
    }
    return put(a, room, place, tag, at);
}

/* The bucket behind this one, empty and the last of its chain, is used no more. */
static void
drop_next(struct assoc *a, struct bucket *b)
{
    uint32_t ticket = atomic_load_explicit(&b->next, memory_order_relaxed);
    struct bucket *next = shelves_at(&a->spills, ticket - 1);
    atomic_store_explicit(&b->next, 0, memory_order_release);
    atomic_store_explicit(&next->next, a->spill_free, memory_order_release);
    a->spill_free = ticket;
    a->spill_used--;
}

static void
move_one(struct bucket *from, struct bucket *to, unsigned hole)
{
    unsigned i = 0;
    while (bucket_at(from, i) == 0) {
        i++;
    }
    bucket_set(to, hole, bucket_tag_at(from, i), bucket_at(from, i));
    bucket_set(from, i, 0, 0);
}

/* Fills the holes of a chain from its last bucket. Without that, where items come
 * and go, every bucket that was ever overfull would keep its spill bucket. */
static void
tighten(struct assoc *a, struct bucket *home)
{
    struct bucket *next, *b = home;
    while ((next = assoc_next(a, b)) != NULL) {
        struct bucket *behind, *last = next, *before = b;
        while ((behind = assoc_next(a, last)) != NULL) {
            before = last;
            last = behind;
        }
        unsigned hole = bucket_free_place(b);
        if (bucket_is_empty(last)) {
            drop_next(a, before);
        } else if (hole != BUCKET_PLACES) {
            move_one(last, b, hole);
        } else {
            b = next;
        }
    }
}

void
assoc_remove(struct assoc *a, uint64_t hash, struct place where)
{
    bucket_set(where.bucket, where.index, 0, 0);
    a->count--;
    tighten(a, assoc_home(a, hash));
}

/* --- growing ----------------------------------------------------------------- */

static void
split(struct assoc *a, const struct segments *s, struct bucket *from, uint32_t bit,
      uint64_t (*hash_of)(const struct store_item *it))
{
    for (struct bucket *b = from; b != NULL; b = assoc_next(a, b)) {
        for (unsigned i = 0; i < BUCKET_PLACES; i++) {
            locator at = bucket_at(b, i);
            if (at == 0) {
                continue;
            }
            uint64_t hash = hash_of(segments_item(s, at));
            uint8_t tag = bucket_tag_at(b, i);
            if (hash & bit) {
                bucket_set(b, i, 0, 0);
                a->count--;
                bool moved = assoc_insert(a, hash, tag, at);
                ASSERT(moved); /* a few pages of address space at worst */
            }
        }
    }
    tighten(a, from);
}

bool
assoc_grow(struct assoc *a, const struct segments *s,
           uint64_t (*hash_of)(const struct store_item *it))
{
    uint32_t n = atomic_load_explicit(&a->buckets, memory_order_relaxed);
    if (a->count <= (uint64_t)n * ITEMS_PER_BUCKET || n == UINT32_MAX / 2 || !reach(&a->homes, n)) {
        return false;
    }
    uint32_t bit = 1u << (31 - (unsigned)__builtin_clz(n));
    struct bucket *from = shelves_at(&a->homes, n - bit);
    set_buckets(a, n + 1);
    split(a, s, from, bit, hash_of);
    return true;
}

/* The buckets from the first up to the last on one shelf will all be used: one
 * system call instead of a fault for each page. A kernel that does not know it
 * (before 5.14) refuses. */
static void
populate(struct shelves *s, uint32_t first, uint32_t last)
{
    struct bucket *from = shelves_at(s, first);
    size_t bytes = (last - first + 1) * sizeof(*from);
    if (bytes >= PAGE_BYTES) {
        madvise(from, bytes, MADV_POPULATE_WRITE);
    }
}

void
assoc_expect(struct assoc *a, uint64_t items)
{
    ASSERT(a->count == 0);
    uint64_t wanted = items / ITEMS_PER_BUCKET;
    uint32_t n = atomic_load_explicit(&a->buckets, memory_order_relaxed);
    while (n < wanted && n < UINT32_MAX / 4 && reach(&a->homes, n)) {
        uint32_t more = n * 2 < wanted ? n * 2 : (uint32_t)wanted;
        populate(&a->homes, n, more - 1);
        n = more;
    }
    set_buckets(a, n);
}

/* --- shrinking ---------------------------------------------------------------- */

static void
merge(struct assoc *a, struct bucket *from, struct bucket *to)
{
    for (struct bucket *b = from; b != NULL; b = assoc_next(a, b)) {
        for (unsigned i = 0; i < BUCKET_PLACES; i++) {
            locator at = bucket_at(b, i);
            if (at == 0) {
                continue;
            }
            uint8_t tag = bucket_tag_at(b, i);
            bucket_set(b, i, 0, 0);
            a->count--;
            bool moved = insert(a, to, tag, at);
            ASSERT(moved); /* as in a split */
        }
    }
    tighten(a, from);
}

/* Single ones stand anywhere, so this waits until none is used. If one is while
 * this goes on, those that are left wait for the next time. */
static bool
forget_spills(struct assoc *a)
{
    if (a->spill_used > 0 || a->spill_end == 0) {
        return false;
    }
    a->spill_free = 0;
    for (unsigned i = 0; i < FORGOTTEN_AT_ONCE && a->spill_end > 0; i++) {
        struct bucket *b = shelves_at(&a->spills, --a->spill_end);
        atomic_store_explicit(&b->next, 0, memory_order_release);
        leave(&a->spills, a->spill_end);
    }
    return true;
}

bool
assoc_shrink(struct assoc *a)
{
    uint32_t n = atomic_load_explicit(&a->buckets, memory_order_relaxed) - 1;
    if (n < BUCKETS_FIRST || a->count >= (uint64_t)n * ITEMS_TO_KEEP_IT) {
        return forget_spills(a);
    }
    uint32_t bit = 1u << (31 - (unsigned)__builtin_clz(n));
    merge(a, shelves_at(&a->homes, n), shelves_at(&a->homes, n - bit));
    set_buckets(a, n);
    leave(&a->homes, n);
    return true;
}

/* --- walking ----------------------------------------------------------------- */

static uint64_t
reverse_bits(uint64_t n)
{
    n = __builtin_bswap64(n);
    n = (n >> 4 & 0x0f0f0f0f0f0f0f0fu) | (n & 0x0f0f0f0f0f0f0f0fu) << 4;
    n = (n >> 2 & 0x3333333333333333u) | (n & 0x3333333333333333u) << 2;
    return (n >> 1 & 0x5555555555555555u) | (n & 0x5555555555555555u) << 1;
}

struct bucket *
assoc_walk(const struct assoc *a, uint64_t position, uint64_t *next, bool *inside)
{
    uint32_t n = atomic_load_explicit(&a->buckets, memory_order_relaxed);
    uint32_t mask = atomic_load_explicit(&a->mask, memory_order_relaxed);
    uint32_t number = assoc_home_number(n, mask, reverse_bits(position));
    unsigned top = 31 - (unsigned)__builtin_clz(n);
    uint32_t split_end = n - (1u << top); /* buckets below were split, and from 2^top on are new */
    bool halved = number < split_end || number >= 1u << top;
    unsigned bits = top + (halved ? 1 : 0);
    uint64_t width = (uint64_t)1 << (64 - bits);
    *inside = position & (width - 1);
    *next = (position & ~(width - 1)) + width; /* wraps to 0 after the last */
    return shelves_at(&a->homes, number);
}

bool
assoc_is_ahead(uint64_t position, uint64_t hash)
{
    return reverse_bits(hash) >= position;
}
