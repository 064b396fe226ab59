#include "cached/store/engine.h"
#include "common/core/assert.h"

enum verdict {
    VERDICT_STORE,
    VERDICT_STORE_STALE, /* an outdated writer's value, kept but marked */
    VERDICT_JOIN,        /* append or prepend to what is there */
    VERDICT_REFUSE,
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
    unsigned layout = item_layout_for(w->flags, expiry_of(w));
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

/* The key had a dead item, which makes room for the new one. */
static void
count_reclaimed(struct store_thread *th, const struct aftermath *after)
{
    count(th, METRIC_ID_STORE_RECLAIMED);
    band_add(&th->bands[item_band(after->buried[0])].reclaimed, 1);
}

/* A commit that has nothing to compare and nothing to refuse. */
static void
put_in_place(struct store_thread *th, const struct store_key *key, struct store_item *fresh,
             uint64_t now_ms)
{
    struct aftermath after = {.buried_count = 0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct place old = find_live(th, sh, key, now_ms, &after);
    if (__builtin_expect(after.buried_count > 0, 0)) {
        count_reclaimed(th, &after);
    }
    item_store64(fresh->cas, next_cas(th->st, sh, false, 0, now_ms));
    link_item(th, sh, key->hash, fresh, old, now_ms, &after);
    shard_unlock(sh);
    settle(th, &after, now_ms);
}

enum store_outcome
store_set(struct store_thread *th, const struct store_key *key, struct span value, uint64_t flags,
          uint64_t expiry_ms, uint64_t now_ms)
{
    struct store_reservation r;
    enum store_outcome outcome =
        reserve(th, key, value.len, item_layout_for(flags, expiry_ms), now_ms, &r);
    if (outcome != STORE_OK) {
        return outcome;
    }
    memcpy(r.value, value.ptr, value.len);
    item_set_flags(r.item, flags);
    item_set_expiry_ms(r.item, expiry_ms);
    put_in_place(th, key, r.item, now_ms);
    item_finish(th, r.item);
    return STORE_OK;
}

void
store_abandon(struct store_thread *th, struct store_reservation *reservation)
{
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
judge_present(const struct store *st, const struct store_write *w, const struct store_item *old)
{
    uint64_t cas = item_cas(old);
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

/* Under the lock: `fresh` takes the place of `old`, if there is one. */
static void
store_fresh(struct store_thread *th, struct shard *sh, uint64_t hash, struct store_item *fresh,
            struct place old, const struct store_write *w, bool stale, uint64_t now_ms,
            struct aftermath *after)
{
    uint64_t expiry_ms = stale ? item_expiry_ms(old.item) : expiry_of(w);
    unsigned marks = w->binary_key ? ITEM_BINARY_KEY : 0;
    if (stale) {
        marks |= ITEM_STALE | (item_marks(old.item) & ITEM_TOKEN_TAKEN);
    }
    item_set_flags(fresh, w->flags);
    item_set_expiry_ms(fresh, expiry_ms);
    item_store64(fresh->cas, next_cas(th->st, sh, w->has_new_cas, w->new_cas, now_ms));
    item_mark(fresh, marks, 0);
    link_item(th, sh, hash, fresh, old, now_ms, after);
}

static struct store_item *
join_values(struct store_thread *th, const struct store_key *key, struct store_item *old,
            struct store_item *piece, enum store_mode mode, uint64_t now_ms,
            enum store_outcome *why)
{
    struct store_reservation r;
    *why = reserve(th, key, (uint64_t)old->value_bytes + piece->value_bytes,
                   item_marks(old) & ITEM_LAYOUT, now_ms, &r);
    if (*why != STORE_OK) {
        return NULL;
    }
    struct store_item *first = mode == STORE_APPEND ? old : piece;
    struct store_item *second = mode == STORE_APPEND ? piece : old;
    memcpy(r.value, item_value(first), first->value_bytes);
    memcpy(r.value + first->value_bytes, item_value(second), second->value_bytes);
    item_seal(r.item);
    return r.item;
}

/* Under the lock, after joining without it: if the key still has the same
 * item, puts the joined one in its place. The cleaner may have moved the item
 * meanwhile; then it is another, and all begins again. */
static bool
swap_joined(struct store_thread *th, struct shard *sh, const struct store_key *key,
            struct store_item *old, uint64_t old_cas, struct store_item *joined,
            const struct store_write *w, uint64_t now_ms, struct store_written *out)
{
    struct aftermath after = {0};
    shard_lock(sh);
    struct place place = find_live(th, sh, key, now_ms, &after);
    bool same = place.item == old && item_cas(old) == old_cas;
    if (same) {
        uint64_t cas = next_cas(th->st, sh, w->has_new_cas, w->new_cas, now_ms);
        item_set_flags(joined, item_flags(old));
        item_set_expiry_ms(joined, item_expiry_ms(old));
        item_mark(joined, item_marks(old) & ITEM_BINARY_KEY, 0);
        item_store64(joined->cas, cas);
        *out = (struct store_written){cas, joined->value_bytes};
        link_item(th, sh, key->hash, joined, place, now_ms, &after);
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return same;
}

static void
count_comparison(struct store_thread *th, const struct store_item *old, struct judgement j)
{
    struct band_counts *band = &th->bands[item_band(old)];
    band_add(j.outcome == STORE_EXISTS ? &band->cas_badval : &band->cas_hits, 1);
}

/* One attempt at a commit. VERDICT_JOIN hands out a reference to the item to
 * join with, and its CAS value. */
static struct judgement
try_commit(struct store_thread *th, struct shard *sh, const struct store_key *key,
           struct store_item *fresh, const struct store_write *w, uint64_t now_ms,
           struct store_item **old_ref, uint64_t *old_cas, struct store_written *out)
{
    struct aftermath after = {0};
    shard_lock(sh);
    struct place old = find_live(th, sh, key, now_ms, &after);
    if (after.buried_count > 0) {
        count_reclaimed(th, &after);
    }
    struct judgement j = old.item != NULL ? judge_present(th->st, w, old.item) : judge_absent(w);
    if (w->compare && old.item != NULL && (w->mode == STORE_SET || w->mode == STORE_REPLACE)) {
        count_comparison(th, old.item, j);
    }
    switch (j.verdict) {
    case VERDICT_STORE:
    case VERDICT_STORE_STALE:
        store_fresh(th, sh, key->hash, fresh, old, w, j.verdict == VERDICT_STORE_STALE, now_ms,
                    &after);
        *out = (struct store_written){item_cas(fresh), fresh->value_bytes};
        break;
    case VERDICT_JOIN:
        item_hold(th, old.item);
        *old_ref = old.item;
        *old_cas = item_cas(old.item);
        break;
    case VERDICT_REFUSE:
        if (old.item != NULL && w->mode == STORE_ADD) {
            item_bump(old.item, now_ms); /* somebody wants it there */
        }
        break;
    }
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return j;
}

/* A long value is copied without the lock, so the item may change meanwhile;
 * then all begins again. Whoever made it change has got further, so somebody
 * always does. */
static enum store_outcome
commit(struct store_thread *th, const struct store_key *key, struct store_item *fresh,
       const struct store_write *w, uint64_t now_ms, struct store_written *out)
{
    struct shard *sh = shard_of(th->st, key->hash);
    for (;;) {
        struct store_item *old = NULL;
        uint64_t old_cas = 0;
        struct judgement j = try_commit(th, sh, key, fresh, w, now_ms, &old, &old_cas, out);
        if (j.verdict != VERDICT_JOIN) {
            return j.outcome;
        }
        enum store_outcome why;
        struct store_item *joined = join_values(th, key, old, fresh, w->mode, now_ms, &why);
        bool done =
            joined != NULL && swap_joined(th, sh, key, old, old_cas, joined, w, now_ms, out);
        item_unhold(th, old);
        if (joined == NULL) {
            return why;
        }
        item_finish(th, joined);
        if (done) {
            return STORE_OK;
        }
    }
}

enum store_outcome
store_commit(struct store_thread *th, struct store_reservation *reservation,
             const struct store_write *w, uint64_t now_ms, struct store_written *out)
{
    struct store_item *fresh = reservation->item;
    struct store_key key = {item_key(fresh), reservation->hash};
    ASSERT((layout_of(w) & ~item_marks(fresh)) == 0);
    item_seal(fresh);
    enum store_outcome outcome = commit(th, &key, fresh, w, now_ms, out);
    store_abandon(th, reservation);
    return outcome;
}
