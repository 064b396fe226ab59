#include "cached/store/engine.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"

/* --- delete ---------------------------------------------------------------- */

static void
mark_stale(struct store_thread *th, struct shard *sh, struct store_item *it,
           const struct store_removal *how, uint64_t now_ms)
{
    if (how->touch) {
        item_set_expiry_ms(it, how->touch_expiry_ms);
    }
    item_mark(it, ITEM_STALE, ITEM_TOKEN_TAKEN);
    item_store64(it->cas, next_cas(th->st, sh, how->has_new_cas, how->new_cas, now_ms));
}

/* The value may be on its way to a client, so the empty one is a new item. */
static void
replace_by_empty(struct store_thread *th, struct shard *sh, const struct store_key *key,
                 struct place old, struct store_item *empty, const struct store_removal *how,
                 uint64_t now_ms, struct aftermath *after)
{
    item_set_expiry_ms(empty, how->touch ? how->touch_expiry_ms : item_expiry_ms(old.item));
    item_mark(empty, (item_marks(old.item) & ITEM_BINARY_KEY) | (how->mark_stale ? ITEM_STALE : 0),
              0);
    item_store64(empty->cas, next_cas(th->st, sh, how->has_new_cas, how->new_cas, now_ms));
    link_item(th, sh, key->hash, empty, old, now_ms, after);
}

/* False: the item has no place for the expiry, and must get one first. */
static bool
remove_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
              const struct store_removal *how, struct store_item *empty, uint64_t now_ms,
              struct aftermath *after, enum store_outcome *outcome)
{
    struct place old = find_live(th, sh, key, now_ms, after);
    unsigned band = old.item != NULL ? item_band(old.item) : 0;
    *outcome = STORE_OK;
    if (old.item == NULL) {
        *outcome = STORE_NOT_FOUND;
    } else if (how->compare && !(th->st->options.cas && item_cas(old.item) == how->compare_cas)) {
        *outcome = STORE_EXISTS;
    } else if (empty != NULL) {
        replace_by_empty(th, sh, key, old, empty, how, now_ms, after);
    } else if (!how->mark_stale) {
        unlink_item(th, sh, table_hash(key->hash), old);
        bury_later(after, old.item);
    } else if (how->touch && !item_can_expire(old.item, how->touch_expiry_ms)) {
        return false;
    } else {
        mark_stale(th, sh, old.item, how, now_ms);
    }
    if (*outcome == STORE_OK) {
        band_add(&th->bands[band].deletes, 1);
    }
    return true;
}

static enum store_outcome
remove_item(struct store_thread *th, const struct store_key *key, const struct store_removal *how,
            struct store_item *empty, uint64_t now_ms)
{
    struct shard *sh = shard_of(th->st, key->hash);
    enum store_outcome outcome;
    bool done;
    do {
        struct aftermath after = {0};
        shard_lock(sh);
        done = remove_locked(th, sh, key, how, empty, now_ms, &after, &outcome);
        shard_unlock(sh);
        settle(th, &after, now_ms);
        if (!done) {
            prepare_expiry(th, key, how->touch_expiry_ms, now_ms);
        }
    } while (!done);
    return outcome;
}

enum store_outcome
store_delete(struct store_thread *th, const struct store_key *key, const struct store_removal *how,
             uint64_t now_ms)
{
    static const struct store_removal plain;
    how = how != NULL ? how : &plain;
    struct store_item *empty = NULL;
    if (how->drop_value) {
        empty = item_create(th, key, 0, ITEM_HAS_EXPIRY, now_ms);
        if (empty == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
    enum store_outcome outcome = remove_item(th, key, how, empty, now_ms);
    item_finish(th, empty);
    return outcome;
}

/* --- incr and decr --------------------------------------------------------- */

struct digits {
    char text[NUM_MAX_DIGITS];
    size_t len;
};

static struct digits
digits_of(uint64_t n)
{
    struct digits d;
    d.len = num_format_u64(n, d.text);
    return d;
}

static uint64_t
apply_delta(const struct store_arith *how, uint64_t n)
{
    if (!how->decrement) {
        return n + how->delta;
    }
    return n > how->delta ? n - how->delta : 0;
}

static void
write_number(struct store_item *it, const struct digits *d)
{
    memcpy(item_value(it), d->text, d->len);
    memset(item_value(it) + d->len, ' ', it->value_bytes - d->len);
}

/* Under the lock: gives the spare item the number and its CAS value. A value
 * that readers may be looking at never changes, so a number is always a new
 * item. */
static void
finish_number(struct store_thread *th, struct shard *sh, struct store_item *spare,
              const struct digits *d, const struct store_arith *how, uint64_t now_ms,
              struct store_number *out)
{
    write_number(spare, d);
    uint64_t cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas, now_ms);
    item_store64(spare->cas, cas);
    out->cas = cas;
    out->expiry_ms = item_expiry_ms(spare);
}

/* What is needed of a spare item. */
struct need {
    uint64_t value_bytes; /* 0: nothing */
    unsigned layout;
};

static bool
suits(const struct store_item *spare, const struct need *need)
{
    return spare != NULL && spare->value_bytes == need->value_bytes &&
           (item_marks(spare) & ITEM_LAYOUT) == need->layout;
}

/* As in memcached, a number that has grown out of its item is a fresh item; one
 * that would have fitted keeps its marks. */
static void
inherit_marks(struct store_item *spare, const struct store_item *old, bool grown)
{
    unsigned kept = ITEM_BINARY_KEY | (grown ? 0 : ITEM_STALE | ITEM_TOKEN_TAKEN);
    item_mark(spare, item_marks(old) & kept, 0);
    if (!grown) {
        atomic_store_explicit(&spare->heat, atomic_load_explicit(&old->heat, memory_order_relaxed),
                              memory_order_relaxed);
    }
}

/* Under the lock. *need: the spare item does not suit, but such a one would. */
static void
change_number(struct store_thread *th, struct shard *sh, const struct store_key *key,
              struct place old, struct store_item *spare, const struct store_arith *how,
              uint64_t now_ms, struct aftermath *after, struct store_number *out, struct need *need)
{
    struct digits d = digits_of(out->value);
    bool grown = d.len > old.item->value_bytes;
    uint64_t flags = item_flags(old.item);
    out->expiry_before_ms = item_expiry_ms(old.item);
    uint64_t expiry_ms = how->touch ? how->touch_expiry_ms : out->expiry_before_ms;
    struct need this = {grown ? d.len : old.item->value_bytes, item_layout_for(flags, expiry_ms)};
    if (!suits(spare, &this)) {
        *need = this;
        return;
    }
    item_set_expiry_ms(spare, expiry_ms);
    item_set_flags(spare, flags);
    inherit_marks(spare, old.item, grown);
    finish_number(th, sh, spare, &d, how, now_ms, out);
    link_item(th, sh, key->hash, spare, old, now_ms, after);
    item_use(spare, now_ms);
    struct band_counts *band = &th->bands[item_band(spare)];
    band_add(how->decrement ? &band->decrements : &band->increments, 1);
}

static void
make_number(struct store_thread *th, struct shard *sh, const struct store_key *key,
            struct store_item *spare, const struct store_arith *how, uint64_t now_ms,
            struct aftermath *after, struct store_number *out, struct need *need)
{
    struct digits d = digits_of(how->initial);
    struct need this = {d.len, item_layout_for(0, how->vivify_expiry_ms)};
    if (!suits(spare, &this)) {
        *need = this;
        return;
    }
    out->value = how->initial;
    out->made = true;
    item_set_expiry_ms(spare, how->vivify_expiry_ms);
    out->expiry_before_ms = EXPIRES_NEVER;
    item_mark(spare, how->binary_key ? ITEM_BINARY_KEY : 0, 0);
    finish_number(th, sh, spare, &d, how, now_ms, out);
    link_item(th, sh, key->hash, spare, (struct place){0}, now_ms, after);
}

/* STORE_OK with need set: a spare item like that is wanted. */
static enum store_outcome
arith_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
             const struct store_arith *how, struct store_item *spare, uint64_t now_ms,
             struct aftermath *after, struct store_number *out, struct need *need)
{
    struct place old = find_live(th, sh, key, now_ms, after);
    struct store_item *it = old.item;
    if (it == NULL && !how->vivify) {
        return STORE_NOT_FOUND;
    }
    if (it == NULL) {
        make_number(th, sh, key, spare, how, now_ms, after, out, need);
        return STORE_OK;
    }
    if (it->value_bytes == 0) {
        return STORE_NON_NUMERIC;
    }
    if (how->compare && !(th->st->options.cas && item_cas(it) == how->compare_cas)) {
        return STORE_EXISTS;
    }
    uint64_t n;
    if (!item_number(it, &n)) {
        return STORE_NON_NUMERIC;
    }
    out->value = apply_delta(how, n);
    change_number(th, sh, key, old, spare, how, now_ms, after, out, need);
    return STORE_OK;
}

/* Memory is found without the lock, so the item may change meanwhile and need
 * a spare of another length; whoever changed it has got further. */
enum store_outcome
store_arith(struct store_thread *th, const struct store_key *key, const struct store_arith *how,
            uint64_t now_ms, struct store_number *out)
{
    struct shard *sh = shard_of(th->st, key->hash);
    struct store_item *spare = NULL;
    for (;;) {
        struct aftermath after = {0};
        struct need need = {0};
        *out = (struct store_number){0};
        shard_lock(sh);
        enum store_outcome outcome =
            arith_locked(th, sh, key, how, spare, now_ms, &after, out, &need);
        shard_unlock(sh);
        settle(th, &after, now_ms);
        item_finish(th, spare);
        if (outcome != STORE_OK || need.value_bytes == 0) {
            return outcome;
        }
        spare = item_create(th, key, need.value_bytes, need.layout, now_ms);
        if (spare == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
}
