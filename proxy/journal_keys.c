#include "proxy/journal_keys.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/hash.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define BUCKETS_AT_FIRST 16

void
journal_keys_init(struct journal_keys *t)
{
    *t = (struct journal_keys){.seed = random_seed(), .mask = BUCKETS_AT_FIRST - 1};
    t->buckets = mem_zalloc(BUCKETS_AT_FIRST * sizeof(t->buckets[0]));
}

void
journal_keys_deinit(struct journal_keys *t)
{
    ASSERT(t->count == 0);
    free(t->buckets);
    t->buckets = NULL;
}

uint64_t
journal_keys_hash(const struct journal_keys *t, struct span key)
{
    return hash_span_seeded(key, t->seed);
}

static bool
is_of(const struct journal_entry *e, struct span key, uint64_t hash, uint32_t worker)
{
    return e->hash == hash && (worker == JOURNAL_ANY_WORKER || e->worker == worker) &&
           span_eq(journal_entry_key(e), key);
}

struct journal_entry *
journal_keys_find(const struct journal_keys *t, struct span key, uint64_t hash, uint32_t worker)
{
    struct journal_entry *e = t->buckets[hash & t->mask];
    while (e != NULL && !is_of(e, key, hash, worker)) {
        e = e->next;
    }
    return e;
}

bool
journal_keys_is_alone(const struct journal_keys *t, const struct journal_entry *entry)
{
    struct span key = journal_entry_key(entry);
    const struct journal_entry *e = t->buckets[entry->hash & t->mask];
    while (e != NULL && (e == entry || !is_of(e, key, entry->hash, JOURNAL_ANY_WORKER))) {
        e = e->next;
    }
    return e == NULL;
}

static void
grow(struct journal_keys *t)
{
    uint64_t mask = t->mask * 2 + 1;
    struct journal_entry **buckets = mem_zalloc((mask + 1) * sizeof(buckets[0]));
    for (uint64_t i = 0; i <= t->mask; i++) {
        while (t->buckets[i] != NULL) {
            struct journal_entry *e = t->buckets[i];
            t->buckets[i] = e->next;
            e->next = buckets[e->hash & mask];
            buckets[e->hash & mask] = e;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

struct journal_entry *
journal_keys_add(struct journal_keys *t, struct span key, uint64_t hash, uint32_t worker)
{
    if (t->count > t->mask) {
        grow(t);
    }
    struct journal_entry *e = mem_zalloc(sizeof(*e) + key.len);
    *e = (struct journal_entry){.hash = hash, .worker = worker, .state = ENTRY_WAITING};
    list_init(&e->link);
    e->key_bytes = (uint8_t)key.len;
    memcpy(e->key, key.ptr, key.len);
    e->next = t->buckets[hash & t->mask];
    t->buckets[hash & t->mask] = e;
    t->count++;
    t->bytes += key.len;
    return e;
}

void
journal_keys_remove(struct journal_keys *t, struct journal_entry *entry)
{
    struct journal_entry **at = &t->buckets[entry->hash & t->mask];
    while (*at != entry) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = entry->next;
    t->count--;
    t->bytes -= entry->key_bytes;
}
