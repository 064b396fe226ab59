/* flight.h - fetches on their way that others may join. Pure: no sockets, no
 * clocks, no clients.
 *
 *     get k ──> fetch ──────────────────────> node
 *     get k ──> joins: a waiter  ┐
 *     gets k -> another flight   │ each told in its own form (form.h)
 *     mget … k … -> joins        ┘
 *
 * A flight is one read of one key that has been queued for its node. While it is
 * in the table, reads that it covers may wait for what it brings instead of
 * going to the node themselves. It leaves the table when its answer has come,
 * when it has as many waiters as it may, or when somebody who would join finds
 * that the key has been written since (write_marks.h); those that wait already
 * keep it then: they asked while the write was under way.
 *
 * Nearly always nobody joins. So what is entered in the table is only a lead: a few
 * words within whatever asked first, with the key where it stands there. It becomes
 * a flight when somebody joins, who finds it by its lead.
 *
 * One table per worker, its thread only. Ended flights are kept for the next,
 * at most a third of a megabyte of them. */
#pragma once
#include "common/core/list.h"
#include "common/core/span.h"
#include "common/proto/request.h"
#include "proxy/form.h"
#include "proxy/lookup_key.h"

#define FLIGHT_WAITERS_MAX 1024
#define FLIGHTS_MAX        65536
#define FLIGHT_VALUE_MAX   (1u << 20) /* longer values are not shared */
#define FLIGHT_SHARE_MAX   (4u << 20) /* bytes that one answer may turn into */

/* One read that may be joined. Its owner keeps it, and the key's bytes, in place
 * while it is listed. Zeroed: it is not on its way, or may not be joined. */
struct lead {
    struct lead *next; /* in its bucket */
    uint64_t hash;
    const char *key;
    const void *target;    /* the caller's: whom it was sent to; NULL: it is not on its way */
    struct flight *flight; /* those who joined; NULL while nobody has */
    uint32_t mark;         /* write_marks_read() of the key before it was queued */
    uint32_t pool;
    uint8_t form;
    uint8_t key_bytes;
    bool listed; /* in the table */
};

struct flight {
    struct lead at;      /* in the place of the one that was joined */
    struct list waiters; /* whoever joined, the first first; links of the caller's */
    unsigned waiting;    /* how many */
    uint64_t pool_id;    /* the caller's: finds it in other tables */
    bool at_copy; /* asked of a copy, in meta (fanout.h); if that has none, the owner is asked */
    bool retried; /* asked for again because the first request failed */
    bool leased;  /* it brought a miss, and whoever waits, waits for a write */
    uint64_t lease_until_us;
    uint64_t copy_cas; /* at_copy: it must have this CAS value; 0: any */
    /* The caller's, of a flight that may be asked for at a second node (hedge.h). */
    struct list hedge_due; /* until that is decided */
    uint64_t hedge_due_us;
    struct lead *first;        /* the leg's that was asked first */
    struct lead *second;       /* and of the second; NULL: there is none, or it is the only one */
    const void *second_target; /* as at.target, at_copy and copy_cas are of the first */
    bool second_at_copy;
    uint64_t second_cas;
    uint32_t near_of;   /* the caller's: whose near cache keeps what it brings; 0: none */
    uint64_t asked_us;  /* and when it was asked for */
    const void *holder; /* the caller's: who was told the miss and shall write */
    struct flight *next_spare;
    char key[KEY_MAX_BYTES];
};

struct flight_table {
    struct lead **buckets;
    unsigned mask;  /* of the buckets, whose number is a power of two */
    unsigned count; /* listed */
    struct flight *spares;
    unsigned spare_count;
    uint64_t overflows; /* reads that found no room in a flight or in the table */
};

void flight_table_init(struct flight_table *t);
/* No flight is left. */
void flight_table_deinit(struct flight_table *t);

struct flight *flight_search(struct flight_table *t, const struct lookup_key *key, uint8_t form,
                             uint32_t mark);

/* A flight that a read of this form may join, or NULL. `mark` is what the key's
 * write mark is now. Mostly nobody else asks for the key, and its bucket is
 * empty. */
static inline struct flight *
flight_find(struct flight_table *t, const struct lookup_key *key, uint8_t form, uint32_t mark)
{
    return t->buckets[key->hash & t->mask] == NULL ? NULL : flight_search(t, key, form, mark);
}

static inline bool
flight_has_room(const struct flight_table *t)
{
    return t->count * 2 <= t->mask;
}
/* Makes some; false, and counted, if there are too many. */
bool flight_make_room(struct flight_table *t);
/* Room for so many more, if there may be so many; else there is what there is. */
bool flight_make_room_for(struct flight_table *t, unsigned more);

/* In three steps, for one who has much to enter: where the key has its place; is nothing of
 * its hash there; and there it stands, if there is room and all else of the lead is set. */
static inline struct lead **
flight_bucket(const struct flight_table *t, uint64_t hash)
{
    return &t->buckets[hash & t->mask];
}
static inline bool
flight_bucket_lacks(const struct lead *first, uint64_t hash)
{
    while (first != NULL && first->hash != hash) {
        first = first->next;
    }
    return first == NULL;
}
static inline void
flight_list(struct flight_table *t, struct lead **bucket, struct lead *lead)
{
    lead->next = *bucket;
    lead->listed = true;
    *bucket = lead;
    t->count++;
}

/* Enters a read that is about to be queued, whose key's bytes stay where `key` says.
 * False if there are too many; then the lead is as good as zeroed. */
static inline bool
flight_begin(struct flight_table *t, struct lead *lead, const struct lookup_key *key, uint8_t form,
             uint32_t mark, const void *target)
{
    bool room = flight_has_room(t) || flight_make_room(t);
    struct lead **bucket = &t->buckets[key->hash & t->mask];
    lead->next = *bucket;
    lead->hash = key->hash;
    lead->key = key->bytes.ptr;
    lead->target = target;
    lead->flight = NULL;
    lead->mark = mark;
    lead->pool = key->pool;
    lead->form = form;
    lead->key_bytes = (uint8_t)key->bytes.len;
    lead->listed = room;
    if (room) {
        *bucket = lead;
        t->count++;
    }
    return room;
}

/* A flight that begins without somebody who leads: about to be queued. NULL if
 * there are too many. */
struct flight *flight_open(struct flight_table *t, const struct lookup_key *key, uint8_t form,
                           uint32_t mark);

/* A flight like `f` for one of its waiters, which goes on alone: never listed,
 * so no limit applies. */
struct flight *flight_split(struct flight_table *t, struct flight *f, struct list *waiter);

/* A listed flight that covers this, whatever its mark and however many wait, or
 * NULL. */
struct flight *flight_peek(struct flight_table *t, const struct lookup_key *key, uint8_t form);

/* Any listed flight of a key with this hash, or NULL. */
struct flight *flight_of_hash(struct flight_table *t, uint64_t hash);

/* One more, or one fewer, of those that wait. */
void flight_join(struct flight *f, struct list *waiter);
void flight_leave(struct flight *f, struct list *waiter);

/* Nobody joins any more. Harmless if so already. */
static inline void
flight_unlist_lead(struct flight_table *t, struct lead *lead)
{
    if (lead->listed) {
        struct lead **at = &t->buckets[lead->hash & t->mask];
        while (*at != lead) {
            at = &(*at)->next;
        }
        *at = lead->next;
        lead->listed = false;
        t->count--;
    }
}
void flight_unlist(struct flight_table *t, struct flight *f);
/* The same for all there are: the routing table has changed. */
void flight_unlist_all(struct flight_table *t);

/* Its end; nobody waits. */
void flight_close(struct flight_table *t, struct flight **f);

static inline struct span
lead_key_of(const struct lead *lead)
{
    return lead->flight != NULL ? span_make(lead->flight->key, lead->flight->at.key_bytes)
                                : span_make(lead->key, lead->key_bytes);
}

static inline struct span
flight_key_of(const struct flight *f)
{
    return span_make(f->key, f->at.key_bytes);
}

/* How many waiters may be told one value at a time; the others fetch it again,
 * together, so that a crowd that asks for a large value does not turn it into a
 * gigabyte at once. 0: the value is not shared. */
static inline unsigned
flight_shares(uint64_t value_bytes)
{
    if (value_bytes > FLIGHT_VALUE_MAX) {
        return 0;
    }
    return (unsigned)(FLIGHT_SHARE_MAX / (value_bytes + 256));
}
