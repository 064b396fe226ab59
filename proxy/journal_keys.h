/* journal_keys.h - the keys of one journal: a hash table with an entry for each
 * worker that has put a key. Pure; the journal's lock covers it.
 *
 * Strangers choose the keys, so the hash is seeded. The table grows with its
 * entries, and a bucket's keys are then in the one of its number and in one
 * further on. */
#pragma once
#include "common/core/list.h"
#include "common/core/span.h"

#include <stdint.h>

#define JOURNAL_ANY_WORKER UINT32_MAX

enum journal_entry_state {
    ENTRY_WAITING, /* in its worker's queue */
    ENTRY_TAKEN,
    ENTRY_GIVEN_UP, /* taken, and in the table no more */
};

struct journal_entry {
    struct journal_entry *next; /* in its bucket */
    struct list link;           /* in its worker's queue */
    uint64_t hash;
    uint64_t put_us; /* when it was put last */
    uint32_t worker;
    uint8_t state;
    bool again; /* put while it was taken */
    uint8_t key_bytes;
    char key[];
};

struct journal_keys {
    uint64_t seed;
    struct journal_entry **buckets;
    uint64_t mask;  /* of the buckets, whose number is a power of two */
    uint64_t count; /* of entries */
    uint64_t bytes; /* of their keys */
};

void journal_keys_init(struct journal_keys *t);
/* No entry is left. */
void journal_keys_deinit(struct journal_keys *t);

/* What the other functions are given with the key. */
uint64_t journal_keys_hash(const struct journal_keys *t, struct span key);

/* The worker's entry of the key, or that of JOURNAL_ANY_WORKER; NULL if there is none. */
struct journal_entry *journal_keys_find(const struct journal_keys *t, struct span key,
                                        uint64_t hash, uint32_t worker);

/* Has no other worker put the entry's key? */
bool journal_keys_is_alone(const struct journal_keys *t, const struct journal_entry *entry);

/* A new entry, ENTRY_WAITING, in no queue yet. It is not there. */
struct journal_entry *journal_keys_add(struct journal_keys *t, struct span key, uint64_t hash,
                                       uint32_t worker);

/* Off the table; the entry is the caller's to free(). */
void journal_keys_remove(struct journal_keys *t, struct journal_entry *entry);

static inline struct span
journal_entry_key(const struct journal_entry *entry)
{
    return span_make(entry->key, entry->key_bytes);
}

/* What an entry with such a key takes of memory, its part of the table included. */
static inline uint64_t
journal_entry_bytes(size_t key_bytes)
{
    return sizeof(struct journal_entry) + sizeof(struct journal_entry *) + key_bytes;
}
