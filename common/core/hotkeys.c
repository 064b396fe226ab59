#include "common/core/hotkeys.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <stdlib.h>

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

/* Hashes and counts stand alone, because each update looks at all of them. */
struct sketch {
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

static void
add(struct sketch *s, struct span key, uint64_t hash, uint64_t weight)
{
    unsigned least = 0;
    for (unsigned i = 0; i < HOTKEYS_KEPT; i++) {
        if (s->hashes[i] == hash && s->counts[i] > 0 && is_name(&s->names[i], key)) {
            s->counts[i] += weight;
            return;
        }
        if (s->counts[i] < s->counts[least]) {
            least = i;
        }
    }
    struct name *name = &s->names[least];
    name->error = s->counts[least];
    name->bytes = (uint8_t)key.len;
    memcpy(name->key, key.ptr, key.len);
    s->hashes[least] = hash;
    s->counts[least] += weight;
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
        for (unsigned k = 0; k < HOTKEYS_KEPT; k++) {
            h->sketches[HOTKEYS_RECENT][i].counts[k] >>= shift;
            h->sketches[HOTKEYS_RECENT][i].names[k].error >>= shift;
        }
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

void
hotkeys_interval(struct hotkeys *h, bool counts)
{
    pthread_mutex_lock(&h->lock);
    h->interval = counts;
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        memset(h->sketches[HOTKEYS_INTERVAL][i].counts, 0, sizeof(h->sketches[0][0].counts));
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
