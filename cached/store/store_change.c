#include "cached/store/engine.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"

/* --- delete ---------------------------------------------------------------- */

static void
mark_stale(struct store_thread *th, struct shard *sh, struct store_item *it,
           const struct store_removal *how)
{
    if (how->touch) {
        it->expiry_ms = how->touch_expiry_ms;
    }
    it->marks |= ITEM_STALE;
    it->marks &= (uint8_t)~ITEM_TOKEN_TAKEN;
    it->cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas);
}

/* The value may be on its way to a client, so the empty one is a new item. */
static void
replace_by_empty(struct store_thread *th, struct shard *sh, struct store_item *old,
                 struct store_item *empty, const struct store_removal *how, uint64_t now_ms,
                 struct aftermath *after)
{
    empty->expiry_ms = how->touch ? how->touch_expiry_ms : old->expiry_ms;
    empty->marks |= old->marks & ITEM_BINARY_KEY;
    if (how->mark_stale) {
        empty->marks |= ITEM_STALE;
    }
    empty->cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas);
    link_item(th, sh, empty, old, now_ms, after);
}

static enum store_outcome
remove_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
              const struct store_removal *how, struct store_item *empty, uint64_t now_ms,
              struct aftermath *after)
{
    struct store_item *it = find_live(th, sh, key, now_ms, after);
    if (it == NULL) {
        return STORE_NOT_FOUND;
    }
    if (how->compare && !(th->st->options.cas && it->cas == how->compare_cas)) {
        return STORE_EXISTS;
    }
    if (empty != NULL) {
        replace_by_empty(th, sh, it, empty, how, now_ms, after);
    } else if (how->mark_stale) {
        mark_stale(th, sh, it, how);
    } else {
        unlink_item(th, sh, it);
        drop_later(after, it);
    }
    return STORE_OK;
}

enum store_outcome
store_delete(struct store_thread *th, const struct store_key *key, const struct store_removal *how,
             uint64_t now_ms)
{
    static const struct store_removal plain;
    how = how != NULL ? how : &plain;
    struct store_item *empty = NULL;
    if (how->drop_value) {
        empty = item_create(th, key, 0, now_ms);
        if (empty == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    enum store_outcome outcome = remove_locked(th, sh, key, how, empty, now_ms, &after);
    shard_unlock(sh);
    settle(th, sh, &after, now_ms);
    store_release(th, &empty);
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

/* Under the lock: gives `it`, old or fresh, the number and its new CAS value. */
static void
finish_number(struct store_thread *th, struct shard *sh, struct store_item *it,
              const struct digits *d, const struct store_arith *how, struct store_number *out)
{
    write_number(it, d);
    it->cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas);
    out->cas = it->cas;
    out->expiry_ms = it->expiry_ms;
}

/* What a replacement inherits. As in memcached, a number that has grown out of
 * its item is a fresh item; one that would have fitted keeps its marks, since
 * only a reader who happened to be there has made it need another. */
static uint8_t
kept_marks(const struct store_item *it, size_t digits)
{
    bool grown = digits > it->value_bytes;
    return it->marks & (uint8_t)(grown ? ITEM_BINARY_KEY : ~ITEM_LINKED);
}

/* Under the lock: the number goes into the item itself if nobody is reading it
 * and there is room, else into `spare`, which replaces it. *need is how long a
 * spare value must be when there is none that fits. */
static void
change_number(struct store_thread *th, struct shard *sh, struct store_item *it,
              struct store_item *spare, const struct store_arith *how, uint64_t now_ms,
              struct aftermath *after, struct store_number *out, uint64_t *need)
{
    struct digits d = digits_of(out->value);
    uint64_t len = d.len > it->value_bytes ? d.len : it->value_bytes;
    out->expiry_before_ms = it->expiry_ms;
    if (d.len <= it->value_bytes && item_unshared(it)) {
        it->expiry_ms = how->touch ? how->touch_expiry_ms : it->expiry_ms;
        finish_number(th, sh, it, &d, how, out);
        shard_use(it, now_ms);
        return;
    }
    if (spare == NULL || spare->value_bytes != len) {
        *need = len;
        return;
    }
    spare->expiry_ms = how->touch ? how->touch_expiry_ms : it->expiry_ms;
    spare->flags = it->flags;
    spare->marks |= kept_marks(it, d.len);
    finish_number(th, sh, spare, &d, how, out);
    link_item(th, sh, spare, it, now_ms, after);
}

static void
make_number(struct store_thread *th, struct shard *sh, struct store_item *spare,
            const struct store_arith *how, uint64_t now_ms, struct aftermath *after,
            struct store_number *out, uint64_t *need)
{
    struct digits d = digits_of(how->initial);
    if (spare == NULL || spare->value_bytes != d.len) {
        *need = d.len;
        return;
    }
    out->value = how->initial;
    out->made = true;
    spare->expiry_ms = how->vivify_expiry_ms;
    out->expiry_before_ms = EXPIRES_NEVER;
    spare->marks |= how->binary_key ? ITEM_BINARY_KEY : 0;
    finish_number(th, sh, spare, &d, how, out);
    link_item(th, sh, spare, NULL, now_ms, after);
}

/* STORE_OK with *need set: a spare item with a value of that length is wanted. */
static enum store_outcome
arith_locked(struct store_thread *th, struct shard *sh, const struct store_key *key,
             const struct store_arith *how, struct store_item *spare, uint64_t now_ms,
             struct aftermath *after, struct store_number *out, uint64_t *need)
{
    struct store_item *it = find_live(th, sh, key, now_ms, after);
    if (it == NULL && !how->vivify) {
        return STORE_NOT_FOUND;
    }
    if (it == NULL) {
        make_number(th, sh, spare, how, now_ms, after, out, need);
        return STORE_OK;
    }
    if (it->value_bytes == 0) {
        return STORE_NON_NUMERIC;
    }
    if (how->compare && !(th->st->options.cas && it->cas == how->compare_cas)) {
        return STORE_EXISTS;
    }
    uint64_t n;
    if (!item_number(it, &n)) {
        return STORE_NON_NUMERIC;
    }
    out->value = apply_delta(how, n);
    change_number(th, sh, it, spare, how, now_ms, after, out, need);
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
        uint64_t need = 0;
        *out = (struct store_number){0};
        shard_lock(sh);
        enum store_outcome outcome =
            arith_locked(th, sh, key, how, spare, now_ms, &after, out, &need);
        shard_unlock(sh);
        settle(th, sh, &after, now_ms);
        store_release(th, &spare);
        if (outcome != STORE_OK || need == 0) {
            return outcome;
        }
        spare = item_create(th, key, need, now_ms);
        if (spare == NULL) {
            count(th, METRIC_ID_STORE_REFUSED_MEMORY);
            return STORE_NO_MEMORY;
        }
    }
}
