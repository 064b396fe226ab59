#include "proxy/flight.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stddef.h>
#include <stdlib.h>

#define BUCKETS_FIRST 256
#define SPARES_MAX    1024

void
flight_table_init(struct flight_table *t)
{
    *t = (struct flight_table){.mask = BUCKETS_FIRST - 1};
    t->buckets = mem_zalloc(BUCKETS_FIRST * sizeof(t->buckets[0]));
}

void
flight_table_deinit(struct flight_table *t)
{
    ASSERT(t->count == 0);
    while (t->spares != NULL) {
        struct flight *f = t->spares;
        t->spares = f->next;
        free(f);
    }
    free(t->buckets);
}

static struct flight **
bucket_of(struct flight_table *t, uint64_t hash)
{
    return &t->buckets[hash & t->mask];
}

static bool
is_of_key(const struct flight *f, const struct lookup_key *k)
{
    return f->hash == k->hash && f->pool == k->pool && span_eq(flight_key_of(f), k->bytes);
}

struct flight *
flight_search(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    struct flight **at = bucket_of(t, key->hash);
    while (*at != NULL) {
        struct flight *f = *at;
        if (!is_of_key(f, key)) {
            at = &f->next;
        } else if (f->mark != mark) {
            flight_unlist(t, f); /* *at is the one behind it now */
        } else if (!form_covers(f->form, form)) {
            at = &f->next;
        } else if (f->waiting == FLIGHT_WAITERS_MAX) {
            t->overflows++;
            flight_unlist(t, f);
        } else {
            return f;
        }
    }
    return NULL;
}

static void
grow(struct flight_table *t)
{
    unsigned buckets = t->mask + 1;
    struct flight **old = t->buckets;
    t->mask = buckets * 2 - 1;
    t->buckets = mem_zalloc((size_t)buckets * 2 * sizeof(t->buckets[0]));
    for (unsigned i = 0; i < buckets; i++) {
        while (old[i] != NULL) {
            struct flight *f = old[i];
            old[i] = f->next;
            struct flight **to = bucket_of(t, f->hash);
            f->next = *to;
            *to = f;
        }
    }
    free(old);
}

static struct flight *
borrow(struct flight_table *t)
{
    struct flight *f = t->spares;
    if (f == NULL) {
        return mem_alloc(sizeof(*f));
    }
    t->spares = f->next;
    t->spare_count--;
    return f;
}

static inline struct flight *
make(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    ASSERT(key->bytes.len > 0 && key->bytes.len <= KEY_MAX_BYTES);

    struct flight *f = borrow(t);
    memset(f, 0, offsetof(struct flight, key)); /* a spare has what its last use left */
    f->hash = key->hash;
    list_init(&f->waiters);
    f->pool = key->pool;
    f->mark = mark;
    f->form = form;
    f->key_bytes = (uint8_t)key->bytes.len;
    memcpy(f->key, key->bytes.ptr, key->bytes.len);
    return f;
}

struct flight *
flight_open(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    if (t->count == FLIGHTS_MAX) {
        t->overflows++;
        return NULL;
    }
    if (t->count > t->mask) {
        grow(t);
    }
    struct flight *f = make(t, key, form, mark);
    struct flight **bucket = bucket_of(t, f->hash);
    f->next = *bucket;
    *bucket = f;
    f->listed = true;
    t->count++;
    return f;
}

struct flight *
flight_split(struct flight_table *t, struct flight *f, struct list *waiter)
{
    struct lookup_key key = {flight_key_of(f), f->hash, f->pool};
    struct flight *alone = make(t, &key, f->form, f->mark);
    alone->retried = f->retried;
    alone->pool_id = f->pool_id;
    flight_leave(f, waiter);
    flight_join(alone, waiter);
    return alone;
}

struct flight *
flight_peek(struct flight_table *t, const struct lookup_key *key, uint8_t form)
{
    struct flight *f = *bucket_of(t, key->hash);
    while (f != NULL && !(is_of_key(f, key) && form_covers(f->form, form))) {
        f = f->next;
    }
    return f;
}

struct flight *
flight_of_hash(struct flight_table *t, uint64_t hash)
{
    struct flight *f = *bucket_of(t, hash);
    while (f != NULL && f->hash != hash) {
        f = f->next;
    }
    return f;
}

void
flight_join(struct flight *f, struct list *waiter)
{
    ASSERT(f->waiting < FLIGHT_WAITERS_MAX);
    list_push_back(&f->waiters, waiter);
    f->waiting++;
}

void
flight_leave(struct flight *f, struct list *waiter)
{
    ASSERT(f->waiting > 0);
    list_remove(waiter);
    f->waiting--;
}

void
flight_unlist(struct flight_table *t, struct flight *f)
{
    if (!f->listed) {
        return;
    }
    struct flight **at = bucket_of(t, f->hash);
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    f->listed = false;
    t->count--;
}

void
flight_unlist_all(struct flight_table *t)
{
    for (unsigned i = 0; t->count > 0; i++) {
        while (t->buckets[i] != NULL) {
            flight_unlist(t, t->buckets[i]);
        }
    }
}

void
flight_close(struct flight_table *t, struct flight **flight)
{
    struct flight *f = *flight;
    *flight = NULL;
    ASSERT(f->waiting == 0);
    flight_unlist(t, f);
    if (t->spare_count == SPARES_MAX) {
        free(f);
        return;
    }
    f->next = t->spares;
    t->spares = f;
    t->spare_count++;
}
