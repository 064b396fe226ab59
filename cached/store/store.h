/* store.h - the items of a node: the one seam between connections and the
 * engine that keeps keys and values in memory.
 *
 * An engine is everything behind this header; it is replaced whole. Callers
 * see items only as views, reservations and outcomes, never their layout.
 *
 * Steps, not commands: each function below is one atomic step on one key, and
 * the text and meta protocols are both made of these steps. Atomic means:
 * between two steps on the same key there is an order that every thread sees,
 * and a step that was answered happened before any step that begins later.
 *
 * Threads: any number, each with its own struct store_thread, which nobody
 * else uses at the same time. Calls never block on anything but short engine
 * locks, and do no I/O. No lock is held when a call returns.
 *
 * Ownership: a view and a reservation each own one reference to an item; give
 * it back with store_release(), or with store_commit() or store_abandon(). What
 * a reference shows (key, value) does not change until then, whatever happens
 * to the key meanwhile: value bytes are written only while nobody else has a
 * reference.
 *
 * Time: the caller passes the node's clock in milliseconds (`now_ms`, never
 * below 2; see common/proto/exptime.h), so a test can make it up. Expiry points are on
 * that clock: EXPIRES_NEVER, EXPIRES_AT_ONCE, or a point in time. */
#pragma once
#include "common/core/hash.h"
#include "common/core/metric.h"
#include "common/core/span.h"

#include <stdint.h>

struct store;
struct store_thread;
struct store_item; /* opaque to callers */
struct memory_file;

#define STORE_KEY_MAX       250
#define STORE_TRAILED_FROM  2047 /* values of so many bytes have a CRLF behind them in memory, */
#define STORE_TRAILER_BYTES 2    /* so that one iovec sends both; shorter ones are better copied */
#define STORE_ITEM_OVERHEAD 56   /* counted per item against item_max_bytes, as memcached does */

/* What the caller acts on. */
enum store_outcome {
    STORE_OK,
    STORE_NOT_FOUND,   /* no such key, or it has expired or was flushed */
    STORE_EXISTS,      /* the CAS value did not match */
    STORE_NOT_STORED,  /* add of a present key; replace, append, prepend of an absent one */
    STORE_NON_NUMERIC, /* the value is no decimal 64-bit number */
    STORE_TOO_LARGE,   /* over item_max_bytes: will never fit */
    STORE_NO_MEMORY,   /* over the memory limit, and nothing may be evicted */
};

/* clang-format off */
/*    id                       name                       kind     sentence */
#define STORE_METRICS(X)                                                                           \
    X(STORE_ITEMS,             "items",                   GAUGE,   "Items stored.")                \
    X(STORE_ITEM_BYTES,        "item_bytes",              GAUGE,   "Memory of stored items.")      \
    X(STORE_ITEMS_TOTAL,       "items_total",             COUNTER, "Items ever stored.")           \
    X(STORE_EVICTIONS,         "evictions_total",         COUNTER, "Live items removed for room.") \
    X(STORE_EVICTED_UNFETCHED, "evicted_unfetched_total", COUNTER, "Evicted items never read.")    \
    X(STORE_EXPIRED_UNFETCHED, "expired_unfetched_total", COUNTER, "Expired items never read.")    \
    X(STORE_RECLAIMED,         "reclaimed_total",         COUNTER, "Dead items removed for room.") \
    X(STORE_SWEPT,             "swept_total",             COUNTER, "Dead items the sweep removed.") \
    X(STORE_GET_EXPIRED,       "get_expired_total",       COUNTER, "Lookups of expired items.")    \
    X(STORE_GET_FLUSHED,       "get_flushed_total",       COUNTER, "Lookups of flushed items.")    \
    X(STORE_REFUSED_SIZE,      "too_large_total",         COUNTER, "Values refused for size.")     \
    X(STORE_REFUSED_MEMORY,    "no_memory_total",         COUNTER, "Values refused for lack of memory.")
/* clang-format on */

enum store_metric { STORE_METRICS(METRIC_ENUM) STORE_METRIC_COUNT };

struct store_options {
    uint64_t memory_bytes;    /* covers items and tables, in use or reserved */
    uint64_t item_max_bytes;  /* key, value and STORE_ITEM_OVERHEAD */
    unsigned concurrency;     /* threads that will work at once; a hint */
    bool evict;               /* make room by removing live items; else STORE_NO_MEMORY */
    bool items_only;          /* the limit does not bound what others charge */
    bool cas;                 /* off: every CAS value is 0 and no comparison matches */
    struct memory_file *file; /* its pages are the items' memory; NULL: the store's own */
};

struct store *store_create(const struct store_options *options);
/* No thread may be inside a call. References still out are leaks of the caller. */
void store_destroy(struct store **st);
/* The same at the end of the process, to which the mappings are left: giving up those
 * of hundreds of tables interrupts all processors for each. */
void store_forget(struct store **st);

/* The calling thread's handle, with its own counters. Lives as long as the store. */
struct store_thread *store_join(struct store *st);

/* A key with its hash. Callers make these first and in groups. */
struct store_key {
    struct span key; /* 1..STORE_KEY_MAX bytes, any byte */
    uint64_t hash;
};

/* Random; chosen when the process makes its first store, and the same for all. */
extern uint64_t store_seed;

static inline struct store_key
store_key(struct span key)
{
    return (struct store_key){key, hash_span_seeded(key, store_seed)};
}

/* --- reading ------------------------------------------------------------- */
/* Why there is no item, as far as anybody knows: what has expired or was flushed is
 * removed by whoever sees it first. */
enum store_absence { STORE_ABSENT, STORE_EXPIRED, STORE_FLUSHED };

/* An item as one lookup saw it. */
struct store_view {
    struct store_item *item; /* the reference; NULL if there is none: all else is not filled in */
    enum store_absence absence; /* but this */
    struct span key;
    struct span value; /* with a CRLF behind it from STORE_TRAILED_FROM on */
    uint64_t flags;    /* the client's */
    uint64_t cas;
    uint64_t expiry_ms;        /* after this lookup */
    uint64_t expiry_before_ms; /* before it */
    uint64_t accessed_ms;      /* the access before this one, or when it was stored; to a second */
    uint64_t bytes;            /* memory that the item takes */
    bool fetched;              /* had been read before */
    bool binary_key;
    bool stale; /* marked by store_delete() with .mark_stale */
    bool won;   /* this lookup was handed the token to refill the item */
    bool taken; /* an earlier lookup was handed it */
    bool made;  /* this lookup made the item (vivify) */
};

/* What a lookup does besides looking. */
struct store_lookup {
    bool peek;  /* leave access time, "fetched" and recency alone */
    bool blind; /* take no token of a stale item: nobody will refill it for this lookup */
    bool touch;
    uint64_t touch_expiry_ms;
    bool recache;             /* hand out the token if the item expires before recache_before_ms */
    bool recache_after_touch; /* compare the expiry that the touch has set */
    uint64_t recache_before_ms;
    bool vivify; /* on a miss make an empty item and hand out the token */
    uint64_t vivify_expiry_ms;
    bool vivify_binary_key;
    bool has_new_cas; /* of the item that vivify makes */
    uint64_t new_cas;
};

/* STORE_OK and a view to release, or STORE_NOT_FOUND. A vivify that finds no
 * memory is STORE_NOT_FOUND too. `how` NULL: the plain get of the text protocol,
 * which knows nothing of tokens and takes none. */
enum store_outcome store_get(struct store_thread *th, const struct store_key *key,
                             const struct store_lookup *how, uint64_t now_ms,
                             struct store_view *view);

/* Plain gets of the text protocol, up to STORE_SIGHTS keys at once. What such a
 * get needs of an item is shown without a reference, which would cost as much as
 * the lookup. Where `item` is NULL nothing else is filled in: */
struct store_sight {
    struct store_item *item; /* NULL: there is no such key */
    struct span value;
    uint64_t flags;
    uint64_t cas;       /* not by store_see() */
    uint64_t expiry_ms; /* this and what follows is filled in by store_see_meta() only */
    bool stale;
    bool taken; /* somebody holds the token */
    bool binary_key;
    bool unsure; /* only store_get() can tell what is there; nothing else is filled in */
};

#define STORE_SIGHTS 16

/* It stays what it is from store_enter() to store_leave(); in between the thread
 * makes no calls but those below. Nobody's memory is used again meanwhile, so
 * this is for copying values out, and for no waiting. */
void store_enter(struct store_thread *th);
void store_leave(struct store_thread *th);

/* Looks at these keys, each as if by itself and in any order. */
void store_see(struct store_thread *th, const struct store_key *keys, unsigned count,
               uint64_t now_ms, struct store_sight *sights);
void store_see_cas(struct store_thread *th, const struct store_key *keys, unsigned count,
                   uint64_t now_ms, struct store_sight *sights);
/* The same for lookups of the meta protocol that would do nothing besides looking:
 * those for which something must be done or waited for, as for a token that is to
 * be handed out, are left undone and unsure. */
void store_see_meta(struct store_thread *th, const struct store_key *keys, unsigned count,
                    uint64_t now_ms, struct store_sight *sights);
/* A reference to an item that was seen, for store_release(). */
struct store_item *store_keep(struct store_thread *th, const struct store_sight *sight);

/* Gives a reference back and clears it; NULL is allowed. */
void store_release(struct store_thread *th, struct store_item **item);

/* Does the item have its memory to itself? A reference to one that has not keeps
 * what stands around it, up to some 64 KB, from being used again. */
bool store_stands_alone(const struct store_thread *th, const struct store_item *item);

/* Sets the expiry only: STORE_OK or STORE_NOT_FOUND. */
enum store_outcome store_touch(struct store_thread *th, const struct store_key *key,
                               uint64_t expiry_ms, uint64_t now_ms);

/* --- writing a value ------------------------------------------------------- */
/* A value in the making: memory for it, seen by nobody else. */
struct store_reservation {
    struct store_item *item;       /* NULL if there is none */
    uint64_t hash;                 /* of the key */
    struct span key;               /* the item's own copy */
    char *value;                   /* value_bytes to be written by the caller */
    struct store_joining *joining; /* what store_join_some() has done, or NULL */
};

enum store_mode { STORE_SET, STORE_ADD, STORE_REPLACE, STORE_APPEND, STORE_PREPEND };

struct store_write {
    enum store_mode mode;
    uint64_t flags;     /* the client's; append and prepend keep those of the item */
    uint64_t expiry_ms; /* likewise */
    bool compare;       /* only if the item's CAS value is compare_cas */
    uint64_t compare_cas;
    bool stale_if_older; /* a compare_cas below the item's stores too, marked stale, with the
                            item's expiry and token */
    bool vivify;         /* append and prepend to an absent key store it with vivify_expiry_ms */
    uint64_t vivify_expiry_ms;
    bool has_new_cas; /* the item's CAS value will be new_cas, not the engine's next */
    uint64_t new_cas;
    bool binary_key; /* remembered for views */
};

/* Before store_reserve(): is there room? If
 * not, some was made, and the caller asks again in a coming turn with the same *effort, 0 at
 * first. True as well if it cannot be had so: store_reserve() tells. */
bool store_make_way(struct store_thread *th, uint64_t key_bytes, uint64_t value_bytes,
                    uint64_t *effort, uint64_t now_ms);

/* Before so many bytes are written to a reserved value of STORE_PAGES_FROM bytes or more. Its
 * pages may have to be made then, at some microseconds each. */
void store_value_grows(struct store_thread *th, const char *from, uint64_t bytes);
#define STORE_PAGES_FROM  16384
#define STORE_PIECE_BYTES 65536

/* Bytes that this thread has looked at, moved or copied, other than what it was given to
 * store: how long its calls took. STORE_EFFORT_TURN is some tenths of a millisecond. */
uint64_t store_effort(const struct store_thread *th);
#define STORE_EFFORT_TURN 65536
/* From now on *note becomes true whenever there was some. */
void store_note_effort(struct store_thread *th, bool *note);

/* Finds room, evicting if it must: STORE_OK, STORE_TOO_LARGE or
 * STORE_NO_MEMORY. The reserved memory counts against the limit. `write` is what
 * the commit will be given. */
enum store_outcome store_reserve(struct store_thread *th, const struct store_key *key,
                                 uint64_t value_bytes, const struct store_write *write,
                                 uint64_t now_ms, struct store_reservation *out);

struct store_written {
    uint64_t cas;         /* of the stored item */
    uint64_t value_bytes; /* of the stored item, so after append the whole */
};

/* Before the commit of an append or prepend to a long value: copies a piece of that. False if
 * there is more to be done: then the caller, who has written the value, asks again in a coming
 * turn. What the key has may change meanwhile; who meets that too often has the rest copied by
 * the commit. */
bool store_join_some(struct store_thread *th, struct store_reservation *reservation,
                     const struct store_write *write, uint64_t now_ms);

/* Makes the value the key's, or not. The reservation is used up either way.
 *
 *   mode            key absent                      key present
 *   set, replace    set OK, replace NOT_STORED      OK
 *    with compare   NOT_FOUND                       OK, or EXISTS
 *   add             OK                              NOT_STORED
 *   append, prepend NOT_STORED, or OK with vivify   OK, or EXISTS with compare;
 *                                                   TOO_LARGE, NO_MEMORY: unchanged
 *
 * `out` is filled with STORE_OK. */
enum store_outcome store_commit(struct store_thread *th, struct store_reservation *reservation,
                                const struct store_write *write, uint64_t now_ms,
                                struct store_written *out);
void store_abandon(struct store_thread *th, struct store_reservation *reservation);

/* A set of a value that is at hand, with nothing to compare. */
struct store_put {
    struct span value;
    uint64_t flags;
    uint64_t expiry_ms;
    uint64_t cas;               /* by store_put(): of the stored item */
    enum store_outcome outcome; /* likewise */
    bool binary_key;
};

/* Such sets, STORE_SIGHTS at most, each a step by itself and in this order: what
 * store_make_way(), store_reserve() and store_commit() do in three steps. A set that is
 * refused, as STORE_TOO_LARGE or for STORE_NO_MEMORY, leaves nothing: an older value must
 * not be read after it. Returns how many are done; for the next one room is being made
 * then, so the caller asks again in a coming turn with the same *effort, 0 at first. */
unsigned store_put(struct store_thread *th, const struct store_key *keys, struct store_put *puts,
                   unsigned count, uint64_t *effort, uint64_t now_ms);

/* --- changing what is there ------------------------------------------------ */
struct store_removal {
    bool compare; /* only if the CAS value is compare_cas, else STORE_EXISTS */
    uint64_t compare_cas;
    bool mark_stale; /* keep the item, marked, with a new CAS value and its token back */
    bool drop_value; /* keep the key with an empty value and flags 0 */
    bool touch;      /* with either of those: set the expiry */
    uint64_t touch_expiry_ms;
    bool has_new_cas;
    uint64_t new_cas;
};

/* STORE_OK, STORE_NOT_FOUND, STORE_EXISTS; STORE_NO_MEMORY only with
 * drop_value. `how` NULL: delete. */
enum store_outcome store_delete(struct store_thread *th, const struct store_key *key,
                                const struct store_removal *how, uint64_t now_ms);

struct store_arith {
    bool decrement; /* stops at 0; increment wraps at 2^64 */
    uint64_t delta;
    bool compare;
    uint64_t compare_cas;
    bool touch;
    uint64_t touch_expiry_ms;
    bool vivify; /* an absent key is stored with `initial` */
    uint64_t initial;
    uint64_t vivify_expiry_ms;
    bool has_new_cas;
    uint64_t new_cas;
    bool binary_key;
};

struct store_number {
    uint64_t value;
    uint64_t cas;
    uint64_t expiry_ms;        /* after */
    uint64_t expiry_before_ms; /* before */
    bool made;                 /* by vivify: `value` is `initial` */
};

/* A shorter number is padded with spaces to the length that was there.
 * STORE_OK, STORE_NOT_FOUND, STORE_EXISTS, STORE_NON_NUMERIC, STORE_NO_MEMORY. */
enum store_outcome store_arith(struct store_thread *th, const struct store_key *key,
                               const struct store_arith *how, uint64_t now_ms,
                               struct store_number *out);

/* --- the whole ------------------------------------------------------------- */
/* Everything stored before the point `at_ms` is gone from then on; what is
 * stored later stays. A point not after `now_ms` is now. A later call replaces
 * a flush that is still to come. */
void store_flush(struct store_thread *th, uint64_t at_ms, uint64_t now_ms);

/* Looks at up to about `items` items, going round and round, frees what has
 * expired or was flushed, makes the table smaller if it is too large for what it
 * holds, gives free memory back to the system, and works off an overdraft after
 * the limit was lowered. Returns how many it freed. Of N callers each may take its share:
 * `part` of `parts`. */
unsigned store_sweep(struct store_thread *th, unsigned part, unsigned parts, unsigned items,
                     uint64_t now_ms);

/* Did this thread's last sweep leave work behind that was worth doing at once? */
bool store_sweep_again(const struct store_thread *th);

/* Visits items in pieces of about `items`, from *cursor (begin with 0), while
 * others go on working: whatever is there from beginning to end is seen once.
 * `fn` gets a view without reference, valid during the call, and may not call
 * the store. False once all were visited. */
bool store_walk(struct store_thread *th, uint64_t *cursor, unsigned items, uint64_t now_ms,
                void (*fn)(void *arg, const struct store_view *view), void *arg);

/* From now on calls `fn` for each live item that this thread's calls remove for
 * room, just before it is gone. The view has no reference and is valid during the
 * call; `fn` may not call the store, whose locks are held. */
void store_tell_evictions(struct store_thread *th,
                          void (*fn)(void *arg, const struct store_view *view), void *arg);

struct store_info {
    uint64_t memory_bytes; /* used, by all that the limit bounds */
    uint64_t memory_limit;
    uint64_t table_bytes;
    uint64_t others_bytes; /* charged by others */
    uint64_t spare_bytes;  /* free, not used, and not given back to the system */
    unsigned table_bits;   /* log2 of all buckets */
    bool growing;
};
struct store_info store_info(const struct store *st);

/* Memory that others in the process take, or take no longer. It counts against
 * the limit; taking it evicts items for it, but succeeds in any case. */
void store_charge_others(struct store_thread *th, uint64_t bytes, uint64_t now_ms);
void store_uncharge_others(struct store_thread *th, uint64_t bytes);
/* How much of the limit that is, in 256ths; 0 with items_only. Any thread. */
unsigned store_others_share(const struct store *st);

/* Takes effect at once for new items; the sweep evicts down to a lower limit. */
void store_set_memory_limit(struct store *st, uint64_t bytes);

/* Items by size. The bands are memcached's slab classes, from 1 to STORE_BANDS - 1,
 * by the size that an item has there. The first two rows are what there is, the
 * others what has happened since the start. */
#define STORE_BANDS 40
#define STORE_BAND_COUNTS(X)                                                                       \
    X(items)                                                                                       \
    X(item_bytes) /* memory that they take */                                                      \
    X(stored)                                                                                      \
    X(deletes)                                                                                     \
    X(increments)                                                                                  \
    X(decrements)                                                                                  \
    X(touches)                                                                                     \
    X(cas_hits)          /* compared and found equal */                                            \
    X(cas_badval)        /* or not */                                                              \
    X(refused)           /* stores that found no memory */                                         \
    X(evictions)         /* live items removed for room, */                                        \
    X(evicted_mortal)    /* of which so many would have expired some day, */                       \
    X(evicted_unfetched) /* and so many were never read */                                         \
    X(expired_unfetched) /* expired, and never read */                                             \
    X(reclaimed)         /* dead items whose room a store needed */                                \
    X(swept)             /* dead items that the sweep removed */

struct store_band {
    uint64_t limit_bytes;     /* the largest item, in memcached's bytes */
    uint64_t evicted_idle_ms; /* how long nobody had asked for what was evicted last */
#define X(field) uint64_t field;
    STORE_BAND_COUNTS(X)
#undef X
};

/* Fills in STORE_BANDS bands. */
void store_bands(const struct store *st, struct store_band *bands);
unsigned store_band_of(uint64_t key_bytes, uint64_t value_bytes);

/* The counters of all threads. */
const struct metric_set *store_metrics(const struct store *st);
