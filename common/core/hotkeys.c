#include "common/core/hotkeys.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK  16u /* entries that are looked at together */
#define BLOCKS (HOTKEYS_KEPT / BLOCK)

_Static_assert(HOTKEYS_KEPT % BLOCK == 0, "all blocks are whole");

/* What a report takes out of a sketch. */
struct entry {
    uint64_t hash;
    uint64_t count;
    uint64_t error;
    uint8_t key_bytes;
    char key[HOTKEYS_KEY_MAX];
};

struct name {
    uint64_t error;
    uint8_t bytes;
    char key[HOTKEYS_KEY_MAX];
};

/* Marks stand alone, because each update looks at all of them. */
struct sketch {
    uint8_t marks[HOTKEYS_KEPT]; /* a byte of the hash */
    uint64_t least[BLOCKS];      /* of a block's counts */
    uint64_t hashes[HOTKEYS_KEPT];
    uint64_t counts[HOTKEYS_KEPT]; /* 0: free */
    struct name names[HOTKEYS_KEPT];
};

struct hotkeys {
    pthread_mutex_t lock; /* covers the others, but for random */
    uint64_t random;      /* the worker's */
    uint64_t halved_ms;
    uint64_t total; /* requests */
    bool interval;  /* goes on, and is counted in sketches[HOTKEYS_INTERVAL] */
    struct sketch sketches[HOTKEYS_INTERVAL + 1][HOTKEYS_ORDERS];
};

const char *
hotkeys_order_name(enum hotkeys_order order)
{
    switch (order) {
    case HOTKEYS_REQUESTS: return "requests";
    case HOTKEYS_BYTES: return "bytes";
    case HOTKEYS_ORDERS: break;
    }
    return "?";
}

struct hotkeys *
hotkeys_create(uint64_t seed)
{
    struct hotkeys *h = mem_zalloc(sizeof(*h));
    pthread_mutex_init(&h->lock, NULL);
    h->random = seed * 2 + 1; /* never 0 */
    return h;
}

void
hotkeys_destroy(struct hotkeys **h)
{
    pthread_mutex_destroy(&(*h)->lock);
    free(*h);
    *h = NULL;
}

/* --- counting ------------------------------------------------------------------ */

static bool
is_name(const struct name *name, struct span key)
{
    return name->bytes == key.len && memcmp(name->key, key.ptr, key.len) == 0;
}

/* The entries of a block that have this mark, as bits. */
static unsigned
marked(const struct sketch *s, unsigned block, uint8_t mark)
{
#ifdef __SSE2__
    __m128i marks = _mm_loadu_si128((const __m128i *)(const void *)&s->marks[block * BLOCK]);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(marks, _mm_set1_epi8((char)mark)));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        bits |= (s->marks[block * BLOCK + i] == mark ? 1u : 0u) << i;
    }
    return bits;
#endif
}

/* The key's entry, or HOTKEYS_KEPT. */
static unsigned
find(const struct sketch *s, struct span key, uint64_t hash)
{
    for (unsigned block = 0; block < BLOCKS; block++) {
        unsigned bits = marked(s, block, (uint8_t)hash);
        for (; bits != 0; bits &= bits - 1) {
            unsigned i = block * BLOCK + (unsigned)__builtin_ctz(bits);
            if (s->hashes[i] == hash && s->counts[i] > 0 && is_name(&s->names[i], key)) {
                return i;
            }
        }
    }
    return HOTKEYS_KEPT;
}

static void
find_least_of(struct sketch *s, unsigned block)
{
    const uint64_t *counts = &s->counts[block * BLOCK];
    uint64_t least = counts[0];
    for (unsigned i = 1; i < BLOCK; i++) {
        least = counts[i] < least ? counts[i] : least;
    }
    s->least[block] = least;
}

/* An entry with the least count. */
static unsigned
find_least(const struct sketch *s)
{
    unsigned block = 0;
    for (unsigned i = 1; i < BLOCKS; i++) {
        block = s->least[i] < s->least[block] ? i : block;
    }
    unsigned i = block * BLOCK;
    while (s->counts[i] != s->least[block]) {
        i++;
    }
    return i;
}

static void
add(struct sketch *s, struct span key, uint64_t hash, uint64_t weight)
{
    unsigned i = find(s, key, hash);
    if (i == HOTKEYS_KEPT) {
        i = find_least(s);
        struct name *name = &s->names[i];
        name->error = s->counts[i];
        name->bytes = (uint8_t)key.len;
        memcpy(name->key, key.ptr, key.len);
        s->hashes[i] = hash;
        s->marks[i] = (uint8_t)hash;
    }
    uint64_t before = s->counts[i];
    s->counts[i] += weight;
    if (before == s->least[i / BLOCK]) {
        find_least_of(s, i / BLOCK);
    }
}

static void
halve_sketch(struct sketch *s, unsigned shift)
{
    for (unsigned i = 0; i < HOTKEYS_KEPT; i++) {
        s->counts[i] >>= shift;
        s->names[i].error >>= shift;
    }
    for (unsigned block = 0; block < BLOCKS; block++) {
        find_least_of(s, block);
    }
}

/* Under the lock. */
static void
halve(struct hotkeys *h, uint64_t now_ms)
{
    uint64_t times = now_ms > h->halved_ms ? (now_ms - h->halved_ms) / HOTKEYS_HALF_LIFE_MS : 0;
    if (times == 0) {
        return;
    }
    h->halved_ms += times * HOTKEYS_HALF_LIFE_MS;
    unsigned shift = times < 63 ? (unsigned)times : 63;
    h->total >>= shift;
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        halve_sketch(&h->sketches[HOTKEYS_RECENT][i], shift);
    }
}

/* Random, so that a client whose requests repeat in some rhythm is not seen
 * always at the same place of it: 1 to 2 * HOTKEYS_EVERY - 1, evenly. */
static uint32_t
next_distance(struct hotkeys *h)
{
    return 1 + (uint32_t)(random_next(&h->random) % (2 * HOTKEYS_EVERY - 1));
}

/* `bytes` may be NULL. */
static uint32_t
count(struct hotkeys *h, struct span key, uint64_t hash, const uint64_t *bytes, uint64_t now_ms)
{
    ASSERT(key.len <= HOTKEYS_KEY_MAX);

    pthread_mutex_lock(&h->lock);
    halve(h, now_ms);
    h->total += HOTKEYS_EVERY;
    for (unsigned span = HOTKEYS_RECENT; span <= (h->interval ? HOTKEYS_INTERVAL : HOTKEYS_RECENT);
         span++) {
        add(&h->sketches[span][HOTKEYS_REQUESTS], key, hash, HOTKEYS_EVERY);
        if (bytes != NULL) {
            add(&h->sketches[span][HOTKEYS_BYTES], key, hash, HOTKEYS_EVERY * (key.len + *bytes));
        }
    }
    pthread_mutex_unlock(&h->lock);
    return next_distance(h);
}

uint32_t
hotkeys_count(struct hotkeys *h, struct span key, uint64_t hash, uint64_t bytes, uint64_t now_ms)
{
    return count(h, key, hash, &bytes, now_ms);
}

uint32_t
hotkeys_count_request(struct hotkeys *h, struct span key, uint64_t hash, uint64_t now_ms)
{
    return count(h, key, hash, NULL, now_ms);
}

struct hotkeys_weight
hotkeys_weigh(struct hotkeys *h, struct span key, uint64_t hash)
{
    pthread_mutex_lock(&h->lock);
    const struct sketch *s = &h->sketches[HOTKEYS_RECENT][HOTKEYS_REQUESTS];
    struct hotkeys_weight weight = {.total = h->total};
    unsigned i = find(s, key, hash);
    if (i < HOTKEYS_KEPT) {
        weight.requests = s->counts[i] - s->names[i].error;
    }
    pthread_mutex_unlock(&h->lock);
    return weight;
}

void
hotkeys_interval(struct hotkeys *h, bool counts)
{
    pthread_mutex_lock(&h->lock);
    h->interval = counts;
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        struct sketch *s = &h->sketches[HOTKEYS_INTERVAL][i];
        memset(s->counts, 0, sizeof(s->counts));
        memset(s->least, 0, sizeof(s->least));
    }
    pthread_mutex_unlock(&h->lock);
}

/* --- reporting ----------------------------------------------------------------- */

static int
by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    if (x->key_bytes != y->key_bytes) {
        return x->key_bytes - y->key_bytes;
    }
    return memcmp(x->key, y->key, x->key_bytes);
}

static int
by_count(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : by_key(a, b);
}

static void
take(const struct sketch *s, unsigned k, struct entry *out)
{
    out->hash = s->hashes[k];
    out->count = s->counts[k];
    out->error = s->names[k].error;
    out->key_bytes = s->names[k].bytes;
    memcpy(out->key, s->names[k].key, s->names[k].bytes);
}

/* All workers' entries, behind one another. Returns how many are in use. */
static unsigned
gather(struct hotkeys *const *sketches, unsigned count, enum hotkeys_span span,
       enum hotkeys_order order, uint64_t now_ms, struct entry *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        struct hotkeys *h = sketches[i];
        pthread_mutex_lock(&h->lock);
        halve(h, now_ms);
        for (unsigned k = 0; k < HOTKEYS_KEPT; k++) {
            if (h->sketches[span][order].counts[k] > 0) {
                take(&h->sketches[span][order], k, &out[n++]);
            }
        }
        pthread_mutex_unlock(&h->lock);
    }
    return n;
}

/* Adds up what is of the same key. */
static unsigned
merge(struct entry *entries, unsigned n)
{
    unsigned kept = 0;
    qsort(entries, n, sizeof(entries[0]), by_key);
    for (unsigned i = 0; i < n; i++) {
        if (kept > 0 && by_key(&entries[kept - 1], &entries[i]) == 0) {
            entries[kept - 1].count += entries[i].count;
            entries[kept - 1].error += entries[i].error;
        } else {
            entries[kept++] = entries[i];
        }
    }
    qsort(entries, kept, sizeof(entries[0]), by_count);
    return kept;
}

void
hotkeys_report(struct hotkeys *const *sketches, unsigned count, enum hotkeys_span span,
               enum hotkeys_order order, unsigned n, uint64_t now_ms,
               void (*fn)(void *arg, const struct hotkey *key), void *arg)
{
    struct entry *entries = mem_alloc((size_t)count * HOTKEYS_KEPT * sizeof(entries[0]));
    unsigned found = merge(entries, gather(sketches, count, span, order, now_ms, entries));
    for (unsigned i = 0; i < found && i < n; i++) {
        const struct entry *e = &entries[i];
        struct hotkey key = {span_make(e->key, e->key_bytes), e->count, e->error};
        fn(arg, &key);
    }
    free(entries);
}

uint64_t
hotkeys_total(struct hotkeys *const *sketches, unsigned count, uint64_t now_ms)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_mutex_lock(&sketches[i]->lock);
        halve(sketches[i], now_ms);
        total += sketches[i]->total;
        pthread_mutex_unlock(&sketches[i]->lock);
    }
    return total;
}
