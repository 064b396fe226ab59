/* copies.h - what a worker knows of the copies of hot keys. Pure.
 *
 * For each hot key that was asked for lately: the nodes that may have it, the
 * owner first, and until when each copy may be read. A copy is known to be there
 * only since this worker filled it or found it; what it is not told of it does
 * not read.
 *
 *     unknown -> being filled -> fresh until its time is over -> unknown
 *        ^------------------------' missed, or deleted
 *     any -> out, for one time to live: the node did not confirm a delete
 *
 * A roster has one, so nothing here outlives its routing table. Fixed memory; of
 * keys that share a place the one that was asked for longest ago is forgotten.
 * Worker's thread only. */
#pragma once
#include "common/fleet/table.h"
#include "common/proto/request.h"
#include "proxy/lookup_key.h"

#include <limits.h>

#define COPIES_SETS 256
#define COPIES_WAYS 4

struct copy {
    unsigned node; /* in the pool */
    bool near;     /* in the proxy's own zone */
    bool filling;
    uint64_t fresh_until_us;
    uint64_t out_until_us;
    uint64_t fill_after_us;
    uint64_t early_us; /* it is filled anew so long before its time is over */
    uint64_t cas;      /* of a key that is hot here only: what we have stored */
    uint32_t mark;     /* and the key's write mark before it was read */
};

struct copied_key {
    uint64_t hash;
    uint64_t asked_us;
    unsigned pool;
    unsigned count; /* of nodes; 0: free */
    bool local;     /* hot here only */
    uint8_t key_bytes;
    uint8_t name_bytes;      /* of what it is called as a copy, which begins with the key */
    char key[KEY_MAX_BYTES]; /* followed by the rest of that name */
    struct copy at[TABLE_REPLICAS_MAX]; /* the first is the owner, whose item is no copy */
};

struct copies {
    struct copied_key keys[COPIES_SETS][COPIES_WAYS];
};

struct copies *copies_create(void);
void copies_destroy(struct copies **c);

/* NULL if the key is not known. */
struct copied_key *copies_find(struct copies *c, const struct lookup_key *key);

/* A place for a key that is not known; `nodes` of its pool, the owner first. The name
 * of its copies is the caller's to add. */
struct copied_key *copies_add(struct copies *c, const struct lookup_key *key, const unsigned *nodes,
                              unsigned count, uint64_t now_us);

/* Whether a node takes a request, and how many of ours are on their way to it. */
struct copy_load {
    bool open;
    unsigned on_way;
};

/* Which one to read: the less loaded of two that are drawn from the owner and the
 * fresh copies, those of the own zone if there are any. COPIES_NONE if none takes
 * a request. `random`: any 64 bits. */
#define COPIES_NONE UINT_MAX
unsigned copies_choose(const struct copied_key *k, const struct copy_load *load, uint64_t now_us,
                       uint64_t random);

/* The key of these copies is hot here only and has this write mark now: those from
 * before are not read any more. */
void copies_outdate(struct copied_key *k, uint32_t mark);

/* Should this one be filled now? */
static inline bool
copy_wants_filling(const struct copy *c, uint64_t now_us)
{
    return !c->filling && c->fresh_until_us <= now_us + c->early_us && c->out_until_us <= now_us &&
           c->fill_after_us <= now_us;
}
