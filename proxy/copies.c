#include "proxy/copies.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

/* The system gives its pages as they are used. */
struct copies *
copies_create(void)
{
    return mem_zalloc(sizeof(struct copies));
}

void
copies_destroy(struct copies **c)
{
    free(*c);
    *c = NULL;
}

static struct copied_key *
set_of(struct copies *c, uint64_t hash)
{
    return c->keys[hash % COPIES_SETS];
}

static bool
is_key(const struct copied_key *k, const struct lookup_key *key)
{
    return k->count > 0 && k->hash == key->hash && k->pool == key->pool &&
           span_eq(span_make(k->key, k->key_bytes), key->bytes);
}

struct copied_key *
copies_find(struct copies *c, const struct lookup_key *key)
{
    struct copied_key *set = set_of(c, key->hash);
    for (unsigned i = 0; i < COPIES_WAYS; i++) {
        if (is_key(&set[i], key)) {
            return &set[i];
        }
    }
    return NULL;
}

static struct copied_key *
oldest(struct copied_key *set)
{
    struct copied_key *found = &set[0];
    for (unsigned i = 1; i < COPIES_WAYS; i++) {
        if (set[i].asked_us < found->asked_us) {
            found = &set[i];
        }
    }
    return found;
}

struct copied_key *
copies_add(struct copies *c, const struct lookup_key *key, const unsigned *nodes, unsigned count,
           uint64_t now_us)
{
    ASSERT(count > 0 && count <= TABLE_REPLICAS_MAX && key->bytes.len <= KEY_MAX_BYTES);
    struct copied_key *k = oldest(set_of(c, key->hash));
    *k = (struct copied_key){.hash = key->hash, .asked_us = now_us, .pool = key->pool};
    k->count = count;
    k->key_bytes = (uint8_t)key->bytes.len;
    memcpy(k->key, key->bytes.ptr, key->bytes.len);
    for (unsigned i = 0; i < count; i++) {
        k->at[i].node = nodes[i];
    }
    return k;
}

void
copies_outdate(struct copied_key *k, uint32_t mark)
{
    for (unsigned i = 1; i < k->count; i++) {
        if (k->at[i].mark != mark) {
            k->at[i].fresh_until_us = 0;
        }
    }
}

static bool
may_read(const struct copied_key *k, unsigned i, const struct copy_load *load, uint64_t now_us)
{
    const struct copy *c = &k->at[i];
    return load[i].open && (i == 0 || (c->fresh_until_us > now_us && c->out_until_us <= now_us));
}

unsigned
copies_choose(const struct copied_key *k, const struct copy_load *load, uint64_t now_us,
              uint64_t random)
{
    unsigned found[TABLE_REPLICAS_MAX], count = 0;
    bool near = false;
    for (unsigned i = 0; i < k->count; i++) {
        near |= k->at[i].near && may_read(k, i, load, now_us);
    }
    for (unsigned i = 0; i < k->count; i++) {
        if (may_read(k, i, load, now_us) && (!near || k->at[i].near)) {
            found[count++] = i;
        }
    }
    if (count <= 1) {
        return count == 1 ? found[0] : COPIES_NONE;
    }
    unsigned first = (unsigned)((random & 0xffffffff) % count);
    unsigned second = (first + 1 + (unsigned)((random >> 32) % (count - 1))) % count;
    return load[found[second]].on_way < load[found[first]].on_way ? found[second] : found[first];
}
