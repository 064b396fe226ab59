#include "cached/hotkeys.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    uint64_t hash;
    uint64_t count; /* 0: free */
    uint64_t error;
    uint8_t key_bytes;
    char key[STORE_KEY_MAX];
};

struct sketch {
    struct entry entries[HOTKEYS_KEPT];
};

struct hotkeys {
    pthread_mutex_t lock; /* covers the others, but for random */
    uint64_t random;      /* the worker's */
    uint64_t halved_ms;
    struct sketch sketches[HOTKEYS_ORDERS];
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

static void
add(struct sketch *s, const struct store_key *key, uint64_t weight)
{
    struct entry *least = &s->entries[0];
    for (unsigned i = 0; i < HOTKEYS_KEPT; i++) {
        struct entry *e = &s->entries[i];
        if (e->hash == key->hash && e->key_bytes == key->key.len && e->count > 0 &&
            memcmp(e->key, key->key.ptr, key->key.len) == 0) {
            e->count += weight;
            return;
        }
        if (e->count < least->count) {
            least = e;
        }
    }
    least->error = least->count;
    least->count += weight;
    least->hash = key->hash;
    least->key_bytes = (uint8_t)key->key.len;
    memcpy(least->key, key->key.ptr, key->key.len);
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
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        for (unsigned k = 0; k < HOTKEYS_KEPT; k++) {
            h->sketches[i].entries[k].count >>= shift;
            h->sketches[i].entries[k].error >>= shift;
        }
    }
}

/* Random, so that a client whose requests repeat in some rhythm is not seen
 * always at the same place of it: 1 to 2 * HOTKEYS_EVERY - 1, evenly. */
static uint32_t
next_distance(struct hotkeys *h)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return 1 + (uint32_t)((h->random >> 32) % (2 * HOTKEYS_EVERY - 1));
}

uint32_t
hotkeys_count(struct hotkeys *h, const struct store_key *key, uint64_t bytes, uint64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    halve(h, now_ms);
    add(&h->sketches[HOTKEYS_REQUESTS], key, HOTKEYS_EVERY);
    add(&h->sketches[HOTKEYS_BYTES], key, HOTKEYS_EVERY * (key->key.len + bytes));
    pthread_mutex_unlock(&h->lock);
    return next_distance(h);
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

/* All workers' entries, behind one another. Returns how many are in use. */
static unsigned
gather(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order, uint64_t now_ms,
       struct entry *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        struct hotkeys *h = sketches[i];
        pthread_mutex_lock(&h->lock);
        halve(h, now_ms);
        for (unsigned k = 0; k < HOTKEYS_KEPT; k++) {
            if (h->sketches[order].entries[k].count > 0) {
                out[n++] = h->sketches[order].entries[k];
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
hotkeys_report(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order,
               unsigned n, uint64_t now_ms, void (*fn)(void *arg, const struct hotkey *key),
               void *arg)
{
    struct entry *entries = mem_alloc((size_t)count * HOTKEYS_KEPT * sizeof(entries[0]));
    unsigned found = merge(entries, gather(sketches, count, order, now_ms, entries));
    for (unsigned i = 0; i < found && i < n; i++) {
        const struct entry *e = &entries[i];
        struct hotkey key = {span_make(e->key, e->key_bytes), e->count, e->error};
        fn(arg, &key);
    }
    free(entries);
}
