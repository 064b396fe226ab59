/* owner_cache.h - who owned the keys that were looked up last. Pure.
 *
 * Legacy rings hash keys with MD5, which is a third of all that a proxy does for
 * a read. Most requests are for few keys, so each roster remembers some answers
 * of its ring: one entry a slot, the last to come stays, the whole key is
 * compared. A roster is of one routing table, so nothing here grows old.
 *
 * Worker's thread only. */
#pragma once
#include "proxy/lookup_key.h"

#include <stdbool.h>

#define OWNER_CACHE_ENTRIES 8192 /* a cache line each */
#define OWNER_CACHE_KEY_MAX 49   /* longer keys are always looked up */
#define OWNER_UNKNOWN       UINT32_MAX

struct owner_entry {
    uint64_t hash;
    uint32_t node;
    uint16_t pool;
    uint8_t key_bytes; /* 0: free */
    char key[OWNER_CACHE_KEY_MAX];
};
_Static_assert(sizeof(struct owner_entry) == 64, "one cache line");

struct owner_cache {
    struct owner_entry *entries; /* OWNER_CACHE_ENTRIES, on cache lines */
    void *memory;
};

/* Takes its memory from the system as it is used, at most half a megabyte. */
struct owner_cache *owner_cache_create(void);
void owner_cache_destroy(struct owner_cache **c);

/* The node in the key's pool, or OWNER_UNKNOWN. */
static inline uint32_t
owner_cache_find(const struct owner_cache *c, const struct lookup_key *key)
{
    const struct owner_entry *e = &c->entries[key->hash % OWNER_CACHE_ENTRIES];
    bool same = e->hash == key->hash && e->key_bytes == key->bytes.len && e->pool == key->pool &&
                memcmp(e->key, key->bytes.ptr, e->key_bytes) == 0;
    return same ? e->node : OWNER_UNKNOWN;
}

void owner_cache_put(struct owner_cache *c, const struct lookup_key *key, uint32_t node);
