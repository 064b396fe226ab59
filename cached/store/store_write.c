#include "cached/store/engine.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

#define JOINS_MAX 8 /* begun anew because the value has changed */

enum verdict {
    VERDICT_STORE,
    VERDICT_STORE_STALE, /* an outdated writer's value, kept but marked */
    VERDICT_JOIN,        /* append or prepend to what is there */
    VERDICT_REFUSE,
    VERDICT_ANEW, /* the new item cannot be linked where it stands */
};

struct judgement {
    enum verdict verdict;
    enum store_outcome outcome; /* with VERDICT_REFUSE */
};

/* Append and prepend keep the item's own; only what they make new gets one. */
static uint64_t
expiry_of(const struct store_write *w)
{
    bool joining = w->mode == STORE_APPEND || w->mode == STORE_PREPEND;
    return joining ? w->vivify_expiry_ms : w->expiry_ms;
}

/* The item can hold what this write may give it. A stale write takes over an
 * expiry that is not known yet. */
static unsigned
layout_of(const struct store_write *w)
{
    unsigned layout = item_layout_for(w->flags, expiry_of(w), 0);
    return w->stale_if_older ? layout | ITEM_HAS_EXPIRY : layout;
}

static enum store_outcome
reserve(struct store_thread *th, const struct store_key *key, uint64_t value_bytes, unsigned layout,
        uint64_t now_ms, struct store_reservation *out)
{
    uint64_t nominal = key->key.len + value_bytes + STORE_TRAILER_BYTES + STORE_ITEM_OVERHEAD;
    *out = (struct store_reservation){0};
    if (value_bytes > UINT32_MAX || nominal > th->st->options.item_max_bytes) {
        count(th, METRIC_ID_STORE_REFUSED_SIZE);
        return STORE_TOO_LARGE;
    }
    out->item = item_create(th, key, value_bytes, layout, now_ms);
    if (out->item == NULL) {
        count(th, METRIC_ID_STORE_REFUSED_MEMORY);
        band_add(&th->bands[band_of(key->key.len, value_bytes)].refused, 1);
        return STORE_NO_MEMORY;
    }
    out->hash = key->hash;
    out->key = item_key(out->item);
    out->value = item_value(out->item);
    return STORE_OK;
}

enum store_outcome
store_reserve(struct store_thread *th, const struct store_key *key, uint64_t value_bytes,
              const struct store_write *write, uint64_t now_ms, struct store_reservation *out)
{
    return reserve(th, key, value_bytes, layout_of(write), now_ms, out);
}

static void stop_joining(struct store_thread *th, struct store_reservation *room);

void
store_abandon(struct store_thread *th, struct store_reservation *reservation)
{
    stop_joining(th, reservation);
    item_finish(th, reservation->item);
    *reservation = (struct store_reservation){0};
}

static struct judgement
refuse(enum store_outcome outcome)
{
    return (struct judgement){VERDICT_REFUSE, outcome};
}

static struct judgement
judge_absent(const struct store_write *w)
{
    struct judgement yes = {VERDICT_STORE, STORE_OK};
    switch (w->mode) {
    case STORE_SET: return w->compare ? refuse(STORE_NOT_FOUND) : yes;
    case STORE_ADD: return yes;
    case STORE_REPLACE: return refuse(w->compare ? STORE_NOT_FOUND : STORE_NOT_STORED);
    case STORE_APPEND:
    case STORE_PREPEND: return w->vivify ? yes : refuse(STORE_NOT_STORED);
    }
    return refuse(STORE_NOT_STORED);
}

static struct judgement
judge_present(const struct store *st, const struct store_write *w, struct place old)
{
    uint64_t cas = item_cas(old.item, &old.segment->base);
    bool matches = !w->compare || (st->options.cas && cas == w->compare_cas);
    switch (w->mode) {
    case STORE_ADD: return refuse(STORE_NOT_STORED);
    case STORE_SET:
    case STORE_REPLACE:
        if (matches) {
            return (struct judgement){VERDICT_STORE, STORE_OK};
        }
        if (st->options.cas && w->stale_if_older && w->compare_cas < cas) {
            return (struct judgement){VERDICT_STORE_STALE, STORE_OK};
        }
        return refuse(STORE_EXISTS);
    case STORE_APPEND:
    case STORE_PREPEND:
        return matches ? (struct judgement){VERDICT_JOIN, STORE_OK} : refuse(STORE_EXISTS);
    }
    return refuse(STORE_NOT_STORED);
}

/* Under the lock: `fresh` takes the place of `old`, if there is one. False if it
 * cannot. */
static bool
store_fresh(struct store_thread *th, struct shard *sh, uint64_t hash, struct store_item *fresh,
            struct place old, const struct store_write *w, bool stale, uint64_t now_ms,
            struct aftermath *after)
{
    if (!item_stamp(th, sh, fresh, w->has_new_cas, w->new_cas, now_ms)) {
        return false;
    }
    uint64_t expiry_ms = stale ? item_expiry_ms(old.item) : expiry_of(w);
    unsigned marks = w->binary_key ? ITEM_BINARY_KEY : 0;
    if (stale) {
        marks |= ITEM_STALE | (item_marks(old.item) & ITEM_TOKEN_TAKEN);
    }
    item_set_flags(fresh, w->flags);
    item_set_expiry_ms(fresh, expiry_ms);
    link_item(th, sh, hash, fresh, marks, old, after);
    return true;
}

/* --- append and prepend --------------------------------------------------------- */

/* The item to join with, held, and its CAS value then. */
struct partner {
    struct store_item *item;
    uint64_t cas;
};

/* Room for both, to be filled by join_piece(). */
static struct store_item *
begin_join(struct store_thread *th, const struct store_key *key, struct store_item *old,
           struct store_item *piece, unsigned layout, uint64_t now_ms, enum store_outcome *why)
{
    struct store_reservation r;
    layout |= item_marks(old) & (ITEM_LAYOUT & ~ITEM_LONG_VALUE);
    *why = reserve(th, key, item_value_bytes(old) + item_value_bytes(piece), layout, now_ms, &r);
    return r.item;
}

/* Copies what stands at `at` in the joined value of first and second, at most a piece of it.
 * Returns where to go on. */
static uint64_t
join_piece(struct store_thread *th, struct store_item *joined, struct span first,
           struct span second, uint64_t at)
{
    struct span from =
        at < first.len ? span_skip(first, (size_t)at) : span_skip(second, (size_t)at - first.len);
    size_t n = from.len < STORE_PIECE_BYTES ? from.len : STORE_PIECE_BYTES;
    char *to = item_value(joined) + at;
    if (item_value_bytes(joined) > STORE_PIECE_BYTES) {
        store_value_grows(th, to, n);
    }
    memcpy(to, from.ptr, n);
    add_effort(th, n);
    return at + n;
}

/* One piece more of the two items' values. */
static uint64_t
join_some(struct store_thread *th, struct store_item *joined, struct store_item *old,
          struct store_item *piece, enum store_mode mode, uint64_t at)
{
    struct span olds = span_make(item_value(old), item_value_bytes(old));
    struct span its = span_make(item_value(piece), item_value_bytes(piece));
    return mode == STORE_APPEND ? join_piece(th, joined, olds, its, at)
                                : join_piece(th, joined, its, olds, at);
}

static struct store_item *
join_values(struct store_thread *th, const struct store_key *key, struct store_item *old,
            struct store_item *piece, const struct store_write *w, unsigned layout, uint64_t now_ms,
            enum store_outcome *why)
{
    struct store_item *joined = begin_join(th, key, old, piece, layout, now_ms, why);
    uint64_t at = 0;
    if (joined == NULL) {
        return NULL;
    }
    while (at < item_value_bytes(joined)) {
        at = join_some(th, joined, old, piece, w->mode, at);
    }
    item_seal(joined);
    return joined;
}

/* --- in pieces ------------------------------------------------------------------ */

struct store_joining {
    struct partner partner;    /* or none, and no `joined` */
    struct store_item *joined; /* or NULL */
    uint64_t at;               /* how far it is written */
    uint64_t room_effort;
    unsigned begun;
};

static void
drop_joined(struct store_thread *th, struct store_joining *j)
{
    if (j->partner.item != NULL) {
        item_unhold(th, j->partner.item);
    }
    item_finish(th, j->joined);
    j->partner.item = j->joined = NULL;
    j->at = 0;
}

static void
stop_joining(struct store_thread *th, struct store_reservation *room)
{
    if (room->joining != NULL) {
        drop_joined(th, room->joining);
        free(room->joining);
        room->joining = NULL;
    }
}

/* One that is not copied in a moment, or may have to wait for its room. */
static bool
is_long(const struct store *st, uint64_t value_bytes)
{
    return value_bytes > STORE_PIECE_BYTES || segments_is_large(&st->segments, value_bytes);
}

/* The item that would be joined with now, held, if that makes a value that is long enough to
 * be worth it. */
static struct partner
find_partner(struct store_thread *th, const struct store_reservation *room,
             const struct store_write *w, uint64_t now_ms)
{
    struct aftermath after = {0};
    struct partner partner = {0};
    struct store_key made = {item_key(room->item), room->hash}, *key = &made;
    uint64_t piece_bytes = item_value_bytes(room->item);
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct place old = find_live(th, sh, key, now_ms, &after);
    if (old.item != NULL && is_long(th->st, item_value_bytes(old.item) + piece_bytes) &&
        judge_present(th->st, w, old).verdict == VERDICT_JOIN) {
        item_hold(th, old.item);
        partner = (struct partner){old.item, item_cas(old.item, &old.segment->base)};
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return partner;
}

/* Is it still the one? If not, that is noted. */
static bool
still_joins(struct store_thread *th, const struct store_reservation *room,
            const struct store_write *w, uint64_t now_ms)
{
    struct store_joining *j = room->joining;
    struct partner now = find_partner(th, room, w, now_ms);
    bool same = now.item == j->partner.item && now.cas == j->partner.cas;
    if (!same) {
        drop_joined(th, j);
        j->partner = now;
    } else if (now.item != NULL) {
        item_unhold(th, now.item);
    }
    return same;
}

/* One step. True if there is nothing more to be done before the commit. */
static bool
step_joining(struct store_thread *th, struct store_reservation *room, const struct store_write *w,
             uint64_t now_ms)
{
    struct store_joining *j = room->joining;
    struct store_key key = {item_key(room->item), room->hash};
    if (j->partner.item == NULL) {
        return true;
    }
    uint64_t bytes = item_value_bytes(j->partner.item) + item_value_bytes(room->item);
    if (j->joined == NULL) {
        enum store_outcome why;
        if (!store_make_way(th, key.key.len, bytes, &j->room_effort, now_ms)) {
            return false;
        }
        j->begun++;
        j->joined = begin_join(th, &key, j->partner.item, room->item, 0, now_ms, &why);
        return j->joined == NULL; /* then it is the commit that says so */
    }
    j->at = join_some(th, j->joined, j->partner.item, room->item, w->mode, j->at);
    if (j->at < bytes) {
        return false;
    }
    item_seal(j->joined);
    return still_joins(th, room, w, now_ms) || j->begun == JOINS_MAX;
}

bool
store_join_some(struct store_thread *th, struct store_reservation *room,
                const struct store_write *w, uint64_t now_ms)
{
    if (w->mode != STORE_APPEND && w->mode != STORE_PREPEND) {
        return true;
    }
    if (room->joining == NULL) {
        struct partner partner = find_partner(th, room, w, now_ms);
        if (partner.item == NULL) {
            return true;
        }
        room->joining = mem_zalloc(sizeof(*room->joining));
        room->joining->partner = partner;
        return false;
    }
    return step_joining(th, room, w, now_ms);
}

/* What was made of these in pieces, if it was, and is whole. */
static struct store_item *
take_joined(struct store_reservation *room, const struct partner *old)
{
    struct store_joining *j = room->joining;
    struct store_item *joined = NULL;
    if (j != NULL && j->joined != NULL && j->partner.item == old->item &&
        j->partner.cas == old->cas && j->at == item_value_bytes(j->joined)) {
        joined = j->joined;
        j->joined = NULL;
    }
    return joined;
}

/* Under the lock, after joining without it: if the key still has the same
 * item, puts the joined one in its place. The cleaner may have moved the item
 * meanwhile; then it is another, and all begins again. */
static bool
swap_joined(struct store_thread *th, const struct store_key *key, const struct partner *old,
            struct store_item *joined, const struct store_write *w, uint64_t now_ms,
            struct store_written *out)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct place place = find_live(th, sh, key, now_ms, &after);
    bool same = place.item != NULL && place.item == old->item &&
                item_cas(place.item, &place.segment->base) == old->cas &&
                item_stamp(th, sh, joined, w->has_new_cas, w->new_cas, now_ms);
    if (same) {
        uint64_t cas = item_cas(joined, base_of(th->st, joined));
        item_set_flags(joined, item_flags(place.item));
        item_set_expiry_ms(joined, item_expiry_ms(place.item));
        *out = (struct store_written){cas, item_value_bytes(joined)};
        link_item(th, sh, key->hash, joined, item_marks(place.item) & ITEM_BINARY_KEY, place,
                  &after);
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return same;
}

/* Returns true when it is done, one way or the other. */
static bool
join(struct store_thread *th, const struct store_key *key, const struct partner *old,
     struct store_reservation *room, const struct store_write *w, unsigned layout, uint64_t now_ms,
     struct store_written *out, enum store_outcome *outcome)
{
    struct store_item *joined = take_joined(room, old);
    if (joined == NULL) {
        joined = join_values(th, key, old->item, room->item, w, layout, now_ms, outcome);
    }
    bool done = joined == NULL || swap_joined(th, key, old, joined, w, now_ms, out);
    item_unhold(th, old->item);
    item_finish(th, joined);
    return done;
}

/* --- commit ------------------------------------------------------------------- */

static void
count_comparison(struct store_thread *th, const struct store_write *w, const struct store_item *old,
                 struct judgement j)
{
    bool compared = w->compare && (w->mode == STORE_SET || w->mode == STORE_REPLACE);
    if (!compared || old == NULL || j.verdict == VERDICT_ANEW) {
        return;
    }
    struct band_counts *band = &th->bands[item_band(old)];
    band_add(j.outcome == STORE_EXISTS ? &band->cas_badval : &band->cas_hits, 1);
}

/* One attempt at a commit. VERDICT_JOIN hands out the item to join with. */
static struct judgement
try_commit(struct store_thread *th, const struct store_key *key, struct store_item *fresh,
           const struct store_write *w, uint64_t now_ms, struct partner *partner,
           struct store_written *out)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct place old = find_live(th, sh, key, now_ms, &after);
    if (after.buried_count > 0) {
        count_reclaimed(th, &after);
    }
    struct judgement j = old.item != NULL ? judge_present(th->st, w, old) : judge_absent(w);
    switch (j.verdict) {
    case VERDICT_STORE:
    case VERDICT_STORE_STALE:
        if (!store_fresh(th, sh, key->hash, fresh, old, w, j.verdict == VERDICT_STORE_STALE, now_ms,
                         &after)) {
            j.verdict = VERDICT_ANEW;
            break;
        }
        *out = (struct store_written){item_cas(fresh, base_of(th->st, fresh)),
                                      item_value_bytes(fresh)};
        break;
    case VERDICT_JOIN:
        item_hold(th, old.item);
        *partner = (struct partner){old.item, item_cas(old.item, &old.segment->base)};
        break;
    case VERDICT_REFUSE:
        if (old.item != NULL && w->mode == STORE_ADD) {
            item_use(old.item, &old.segment->base, now_ms); /* somebody wants it there */
        }
        break;
    case VERDICT_ANEW: break;
    }
    count_comparison(th, w, old.item, j);
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return j;
}

/* The same value in another place. Without memory for it a set leaves nothing: an
 * older value must not be read after it.
 *
 * What is large lacks nothing but the generation, and is alone in its segment, of which
 * nobody else reads anything while it is held and was never linked. */
static enum store_outcome
make_anew(struct store_thread *th, const struct store_key *key, struct store_item **fresh,
          const struct store_write *w, uint64_t now_ms)
{
    struct store_item *old = *fresh;
    struct segment *seg = segments_find(&th->st->segments, old);
    if (seg->large) {
        seg->base.generation = generation_at(th->st, now_ms);
        return STORE_OK;
    }
    unsigned layout = (item_marks(old) & ITEM_LAYOUT) | ITEM_WIDE;
    *fresh = item_create_copy(th, key, item_value_bytes(old), layout, now_ms);
    if (*fresh != NULL) {
        memcpy(item_value(*fresh), item_value(old), item_value_bytes(old));
        item_seal(*fresh);
    } else {
        count(th, METRIC_ID_STORE_REFUSED_MEMORY);
        if (w->mode == STORE_SET && !w->compare) {
            store_delete(th, key, NULL, now_ms);
        }
    }
    item_finish(th, old);
    return *fresh != NULL ? STORE_OK : STORE_NO_MEMORY;
}

/* A long value is copied without the lock, so the item may change meanwhile;
 * then all begins again. Whoever made it change has got further, so somebody
 * always does. */
static enum store_outcome
commit(struct store_thread *th, struct store_reservation *room, const struct store_write *w,
       uint64_t now_ms, struct store_written *out)
{
    unsigned joined_layout = 0;
    enum store_outcome outcome = STORE_OK;
    while (outcome == STORE_OK) {
        struct store_key key = {item_key(room->item), room->hash};
        struct partner partner = {0};
        struct judgement j = try_commit(th, &key, room->item, w, now_ms, &partner, out);
        switch (j.verdict) {
        case VERDICT_STORE:
        case VERDICT_STORE_STALE:
        case VERDICT_REFUSE: return j.outcome;
        case VERDICT_ANEW: outcome = make_anew(th, &key, &room->item, w, now_ms); break;
        case VERDICT_JOIN:
            if (join(th, &key, &partner, room, w, joined_layout, now_ms, out, &outcome)) {
                return outcome;
            }
            joined_layout = ITEM_WIDE;
            break;
        }
    }
    return outcome;
}

enum store_outcome
store_commit(struct store_thread *th, struct store_reservation *reservation,
             const struct store_write *w, uint64_t now_ms, struct store_written *out)
{
    struct store_item *fresh = reservation->item;
    ASSERT((layout_of(w) & ~item_marks(fresh)) == 0);
    item_seal(fresh);
    enum store_outcome outcome = commit(th, reservation, w, now_ms, out);
    store_abandon(th, reservation);
    return outcome;
}
