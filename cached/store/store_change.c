#include "cached/store/engine.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"

/* --- delete ---------------------------------------------------------------- */

/* False: the item has no place for the new CAS value. */
static bool
mark_stale(struct store_thread *th, struct shard *sh, struct place old,
           const struct store_removal *how, uint64_t now_ms)
{
    uint64_t cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas, now_ms);
    if (!item_set_cas(old.item, &old.segment->base, cas)) {
        return false;
    }
    if (how->touch) {
        item_set_expiry_ms(old.item, how->touch_expiry_ms);
    }
    item_mark(old.item, ITEM_STALE, ITEM_TOKEN_TAKEN);
    return true;
}

/* The value may be on its way to a client, so the empty one is a new item. */
static bool
replace_by_empty(struct store_thread *th, struct shard *sh, const struct store_key *key,
                 struct place old, struct store_item *empty, const struct store_removal *how,
                 uint64_t now_ms, struct aftermath *after)
{
    if (!item_stamp(th, sh, empty, how->has_new_cas, how->new_cas, now_ms)) {
        return false;
    }
    item_set_expiry_ms(empty, how->touch ? how->touch_expiry_ms : item_expiry_ms(old.item));
    unsigned marks = item_marks(old.item) & ITEM_BINARY_KEY;
    link_item(th, sh, key->hash, empty, marks | (how->mark_stale ? ITEM_STALE : 0), old, after);
    return true;
}

/* The layout that is missed in the key's item, or in the empty one if that was
 * to take its place; 0 when it is done. */
static unsigned
remove_found(struct store_thread *th, struct shard *sh, const struct store_key *key,
             const struct store_removal *how, struct place old, struct store_item *empty,
             uint64_t now_ms, struct aftermath *after)
{
    if (empty != NULL) {
        return replace_by_empty(th, sh, key, old, empty, how, now_ms, after) ? 0 : ITEM_WIDE;
    }
    if (how->drop_value) {
        return ITEM_HAS_EXPIRY;
    }
    if (!how->mark_stale) {
        unlink_item(th, sh, table_hash(key->hash), old);
        bury_later(after, old.item);
        return 0;
    }
    if (how->touch && !item_can_expire(old.item, how->touch_expiry_ms)) {
        return ITEM_HAS_EXPIRY;
    }
    return mark_stale(th, sh, old, how, now_ms) ? 0 : ITEM_WIDE;
}

static unsigned
remove_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
              const struct store_removal *how, struct store_item *empty, uint64_t now_ms,
              struct aftermath *after, enum store_outcome *outcome)
{
    struct place old = find_live(th, sh, key, now_ms, after);
    *outcome = STORE_NOT_FOUND;
    if (old.item == NULL) {
        return 0;
    }
    *outcome = STORE_EXISTS;
    uint64_t cas = item_cas(old.item, &old.segment->base);
    if (how->compare && !(th->st->options.cas && cas == how->compare_cas)) {
        return 0;
    }
    *outcome = STORE_OK;
    unsigned band = item_band(old.item);
    unsigned missed = remove_found(th, sh, key, how, old, empty, now_ms, after);
    if (missed == 0) {
        band_add(&th->bands[band].deletes, 1);
    }
    return missed;
}

static unsigned
remove_item(struct store_thread *th, const struct store_key *key, const struct store_removal *how,
            struct store_item *empty, uint64_t now_ms, enum store_outcome *outcome)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    unsigned missed = remove_locked(th, sh, key, how, empty, now_ms, &after, outcome);
    shard_unlock(sh);
    settle(th, &after, now_ms);
    return missed;
}

/* Another may have been there in between, so it may take more than one round. */
static enum store_outcome
remove_in_place(struct store_thread *th, const struct store_key *key,
                const struct store_removal *how, uint64_t now_ms)
{
    enum store_outcome outcome;
    unsigned missed;
    while ((missed = remove_item(th, key, how, NULL, now_ms, &outcome)) != 0) {
        prepare_layout(th, key, missed, now_ms);
    }
    return outcome;
}

enum store_outcome
store_delete(struct store_thread *th, const struct store_key *key, const struct store_removal *how,
             uint64_t now_ms)
{
    static const struct store_removal plain;
    how = how != NULL ? how : &plain;
    if (!how->drop_value) {
        return remove_in_place(th, key, how, now_ms);
    }
    /* Most have no value to drop, so room is found when there is one. */
    struct store_item *empty = NULL;
    unsigned layout = 0, missed;
    enum store_outcome outcome;
    while ((missed = remove_item(th, key, how, empty, now_ms, &outcome)) != 0) {
        item_finish(th, empty);
        layout |= missed;
        empty = item_create(th, key, 0, layout, now_ms);
        if (empty == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
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
    memset(item_value(it) + d->len, ' ', item_value_bytes(it) - d->len);
}

/* What is needed of a spare item. */
struct need {
    uint64_t value_bytes; /* 0: nothing */
    unsigned layout;
};

static bool
suits(const struct store_item *spare, const struct need *need)
{
    return spare != NULL && item_value_bytes(spare) == need->value_bytes &&
           (need->layout & ~item_marks(spare)) == 0;
}

/* What an operation under the lock works with. */
struct counting {
    struct store_thread *th;
    struct shard *sh;
    const struct store_key *key;
    const struct store_arith *how;
    uint64_t now_ms;
    struct store_item *spare; /* or NULL */
    struct aftermath after;
    struct store_number *out;
    struct need need;
};

/* Gives the spare item the number and its CAS value; false: such a one is needed
 * first. A value that readers may be looking at never changes, so a number is
 * always a new item. */
static bool
make_spare_the_number(struct counting *c, const struct digits *d, const struct need *need)
{
    const struct store_arith *how = c->how;
    c->need = *need;
    if (!suits(c->spare, need)) {
        return false;
    }
    if (!item_stamp(c->th, c->sh, c->spare, how->has_new_cas, how->new_cas, c->now_ms)) {
        c->need.layout |= ITEM_WIDE;
        return false;
    }
    c->need = (struct need){0};
    write_number(c->spare, d);
    c->out->cas = item_cas(c->spare, base_of(c->th->st, c->spare));
    return true;
}

/* As in memcached, a number that has grown out of its item is a fresh item; one
 * that would have fitted keeps its marks. */
static unsigned
inherit(struct store_item *spare, const struct store_item *old, bool grown)
{
    if (!grown) {
        atomic_store_explicit(&spare->heat, atomic_load_explicit(&old->heat, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return item_marks(old) & (ITEM_BINARY_KEY | (grown ? 0 : ITEM_STALE | ITEM_TOKEN_TAKEN));
}

static void
change_number(struct counting *c, struct place old)
{
    const struct store_arith *how = c->how;
    struct digits d = digits_of(c->out->value);
    uint64_t old_bytes = item_value_bytes(old.item), flags = item_flags(old.item);
    bool grown = d.len > old_bytes;
    c->out->expiry_before_ms = item_expiry_ms(old.item);
    uint64_t expiry_ms = how->touch ? how->touch_expiry_ms : c->out->expiry_before_ms;
    struct need need = {grown ? d.len : old_bytes, 0};
    need.layout = item_layout_for(flags, expiry_ms, need.value_bytes);
    if (!make_spare_the_number(c, &d, &need)) {
        return;
    }
    item_set_expiry_ms(c->spare, expiry_ms);
    item_set_flags(c->spare, flags);
    c->out->expiry_ms = item_expiry_ms(c->spare);
    unsigned marks = inherit(c->spare, old.item, grown);
    link_item(c->th, c->sh, c->key->hash, c->spare, marks, old, &c->after);
    item_use(c->spare, base_of(c->th->st, c->spare), c->now_ms);
    struct band_counts *band = &c->th->bands[item_band(c->spare)];
    band_add(how->decrement ? &band->decrements : &band->increments, 1);
}

static void
make_number(struct counting *c)
{
    const struct store_arith *how = c->how;
    struct digits d = digits_of(how->initial);
    struct need need = {d.len, item_layout_for(0, how->vivify_expiry_ms, d.len)};
    if (!make_spare_the_number(c, &d, &need)) {
        return;
    }
    item_set_expiry_ms(c->spare, how->vivify_expiry_ms);
    c->out->value = how->initial;
    c->out->made = true;
    c->out->expiry_ms = item_expiry_ms(c->spare);
    c->out->expiry_before_ms = EXPIRES_NEVER;
    link_item(c->th, c->sh, c->key->hash, c->spare, how->binary_key ? ITEM_BINARY_KEY : 0,
              (struct place){0}, &c->after);
}

/* STORE_OK with need set: a spare item like that is wanted. */
static enum store_outcome
arith_locked(struct counting *c)
{
    const struct store_arith *how = c->how;
    struct place old = find_live(c->th, c->sh, c->key, c->now_ms, &c->after);
    struct store_item *it = old.item;
    if (it == NULL && !how->vivify) {
        return STORE_NOT_FOUND;
    }
    if (it == NULL) {
        make_number(c);
        return STORE_OK;
    }
    if (item_value_bytes(it) == 0) {
        return STORE_NON_NUMERIC;
    }
    if (how->compare &&
        !(c->th->st->options.cas && item_cas(it, &old.segment->base) == how->compare_cas)) {
        return STORE_EXISTS;
    }
    uint64_t n;
    if (!item_number(it, &n)) {
        return STORE_NON_NUMERIC;
    }
    c->out->value = apply_delta(how, n);
    change_number(c, old);
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
        struct counting c = {
            .th = th,
            .sh = sh,
            .key = key,
            .how = how,
            .now_ms = now_ms,
            .spare = spare,
            .out = out,
        };
        *out = (struct store_number){0};
        shard_lock(sh);
        enum store_outcome outcome = arith_locked(&c);
        shard_unlock(sh);
        settle(th, &c.after, now_ms);
        item_finish(th, spare);
        if (outcome != STORE_OK || c.need.value_bytes == 0) {
            return outcome;
        }
        spare = item_create(th, key, c.need.value_bytes, c.need.layout, now_ms);
        if (spare == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
}
