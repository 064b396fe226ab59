#include "proxy/owner_cache.h"
#include "common/core/mem.h"

#include <stdlib.h>

struct owner_cache *
owner_cache_create(void)
{
    struct owner_cache *c = mem_alloc(sizeof(*c));
    size_t line = sizeof(struct owner_entry);
    c->memory = mem_zalloc((OWNER_CACHE_ENTRIES + 1) * line);
    c->entries = (struct owner_entry *)(((uintptr_t)c->memory + line - 1) & ~(line - 1));
    return c;
}

void
owner_cache_destroy(struct owner_cache **c)
{
    free((*c)->memory);
    free(*c);
    *c = NULL;
}

void
owner_cache_put(struct owner_cache *c, const struct lookup_key *key, uint32_t node)
{
    struct owner_entry *e = &c->entries[key->hash % OWNER_CACHE_ENTRIES];
    if (key->bytes.len > OWNER_CACHE_KEY_MAX) {
        return;
    }
    e->hash = key->hash;
    e->node = node;
    e->pool = (uint16_t)key->pool;
    e->key_bytes = (uint8_t)key->bytes.len;
    memcpy(e->key, key->bytes.ptr, key->bytes.len);
}
