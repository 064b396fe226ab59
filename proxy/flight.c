#include "proxy/flight.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stddef.h>
#include <stdlib.h>

#define BUCKETS_FIRST 1024 /* there are at least twice as many as leads */
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
        t->spares = f->next_spare;
        free(f);
    }
    free(t->buckets);
}

static struct lead **
bucket_of(struct flight_table *t, uint64_t hash)
{
    return &t->buckets[hash & t->mask];
}

static bool
is_of_key(const struct lead *l, const struct lookup_key *k)
{
    return l->hash == k->hash && l->pool == k->pool && l->key_bytes == k->bytes.len &&
           memcmp(l->key, k->bytes.ptr, l->key_bytes) == 0;
}

static void
grow(struct flight_table *t)
{
    unsigned buckets = t->mask + 1;
    struct lead **old = t->buckets;
    t->mask = buckets * 2 - 1;
    t->buckets = mem_zalloc((size_t)buckets * 2 * sizeof(t->buckets[0]));
    for (unsigned i = 0; i < buckets; i++) {
        while (old[i] != NULL) {
            struct lead *l = old[i];
            old[i] = l->next;
            struct lead **to = bucket_of(t, l->hash);
            l->next = *to;
            *to = l;
        }
    }
    free(old);
}

bool
flight_make_room(struct flight_table *t)
{
    if (t->count == FLIGHTS_MAX) {
        t->overflows++;
        return false;
    }
    grow(t);
    return true;
}

bool
flight_make_room_for(struct flight_table *t, unsigned more)
{
    if (t->count + more > FLIGHTS_MAX) {
        return false;
    }
    while ((t->count + more) * 2 > t->mask) {
        grow(t);
    }
    return true;
}

static struct flight *
borrow(struct flight_table *t)
{
    struct flight *f = t->spares;
    if (f == NULL) {
        return mem_alloc(sizeof(*f));
    }
    t->spares = f->next_spare;
    t->spare_count--;
    return f;
}

/* Not listed. */
static struct flight *
make(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    ASSERT(key->bytes.len > 0 && key->bytes.len <= KEY_MAX_BYTES);

    struct flight *f = borrow(t);
    memset(f, 0, offsetof(struct flight, key)); /* a spare has what its last use left */
    list_init(&f->waiters);
    list_init(&f->hedge_due);
    memcpy(f->key, key->bytes.ptr, key->bytes.len);
    f->at.hash = key->hash;
    f->at.key = f->key;
    f->at.flight = f;
    f->at.mark = mark;
    f->at.pool = key->pool;
    f->at.form = form;
    f->at.key_bytes = (uint8_t)key->bytes.len;
    return f;
}

struct flight *
flight_open(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    if (!flight_has_room(t) && !flight_make_room(t)) {
        return NULL;
    }
    struct flight *f = make(t, key, form, mark);
    struct lead **bucket = bucket_of(t, key->hash);
    f->at.next = *bucket;
    *bucket = &f->at;
    f->at.listed = true;
    t->count++;
    return f;
}

/* Somebody joins it for the first time: a flight takes its place at *at. */
static struct flight *
take_off(struct flight_table *t, struct lead **at)
{
    struct lead *l = *at;
    struct lookup_key key = {span_make(l->key, l->key_bytes), l->hash, l->pool};
    struct flight *f = make(t, &key, l->form, l->mark);
    f->at.target = l->target;
    f->at.next = l->next;
    f->at.listed = true;
    *at = &f->at;
    l->listed = false;
    l->flight = f;
    return f;
}

struct flight *
flight_search(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    struct lead **at = bucket_of(t, key->hash);
    while (*at != NULL) {
        struct lead *l = *at;
        if (!is_of_key(l, key)) {
            at = &l->next;
        } else if (l->mark != mark) {
            flight_unlist_lead(t, l); /* *at is the one behind it now */
        } else if (!form_covers(l->form, form)) {
            at = &l->next;
        } else if (l->flight != NULL && l->flight->waiting == FLIGHT_WAITERS_MAX) {
            t->overflows++;
            flight_unlist_lead(t, l);
        } else {
            return l->flight != NULL ? l->flight : take_off(t, at);
        }
    }
    return NULL;
}

struct flight *
flight_split(struct flight_table *t, struct flight *f, struct list *waiter)
{
    struct lookup_key key = {flight_key_of(f), f->at.hash, f->at.pool};
    struct flight *alone = make(t, &key, f->at.form, f->at.mark);
    alone->retried = f->retried;
    alone->pool_id = f->pool_id;
    flight_leave(f, waiter);
    flight_join(alone, waiter);
    return alone;
}

struct flight *
flight_peek(struct flight_table *t, const struct lookup_key *key, uint8_t form)
{
    struct lead *l = *bucket_of(t, key->hash);
    while (l != NULL && !(is_of_key(l, key) && form_covers(l->form, form))) {
        l = l->next;
    }
    return l != NULL ? l->flight : NULL;
}

struct flight *
flight_of_hash(struct flight_table *t, uint64_t hash)
{
    struct lead *l = *bucket_of(t, hash);
    while (l != NULL && l->hash != hash) {
        l = l->next;
    }
    return l != NULL ? l->flight : NULL;
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
    flight_unlist_lead(t, &f->at);
}

void
flight_unlist_all(struct flight_table *t)
{
    for (unsigned i = 0; t->count > 0; i++) {
        while (t->buckets[i] != NULL) {
            flight_unlist_lead(t, t->buckets[i]);
        }
    }
}

void
flight_close(struct flight_table *t, struct flight **flight)
{
    struct flight *f = *flight;
    *flight = NULL;
    ASSERT(f->waiting == 0 && f->second == NULL);
    list_remove(&f->hedge_due);
    flight_unlist(t, f);
    if (t->spare_count == SPARES_MAX) {
        free(f);
        return;
    }
    f->next_spare = t->spares;
    t->spares = f;
    t->spare_count++;
}
