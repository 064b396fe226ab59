#include "cached/store/engine.h"

void
store_prefetch(struct store_thread *th, const struct store_key *keys, unsigned n)
{
    /* The buckets may move while a shard grows, so only the shards are safe to
     * look at without their locks. */
    for (unsigned i = 0; i < n; i++) {
        __builtin_prefetch(shard_of(th->st, keys[i].hash));
    }
}

void
store_release(struct store_thread *th, struct store_item **item)
{
    if (*item != NULL) {
        item_drop(th, *item);
        *item = NULL;
    }
}

/* Decides who refills the item; `view` shows it as it was. */
static void
hand_out_token(struct store_item *it, const struct store_lookup *how, struct store_view *view)
{
    if (view->taken) {
        return;
    }
    uint64_t expiry_ms = how->recache_after_touch ? view->expiry_ms : view->expiry_before_ms;
    bool soon = how->recache && expiry_ms != 0 && expiry_ms < how->recache_before_ms;
    if (soon || view->stale) {
        view->won = true;
        it->marks |= ITEM_TOKEN_TAKEN;
    }
}

static void
apply_hit(struct store_item *it, const struct store_lookup *how, uint64_t now_ms,
          struct store_view *view)
{
    item_show(it, view);
    item_ref(it);
    view->item = it;
    if (how == NULL) {
        shard_bump(it, now_ms);
        return;
    }
    if (how->touch) {
        it->expiry_ms = how->touch_expiry_ms;
        view->expiry_ms = how->touch_expiry_ms;
    }
    hand_out_token(it, how, view);
    if (!how->peek) {
        shard_bump(it, now_ms);
    }
}

static void
count_lookup_of_corpse(struct store_thread *th, const struct aftermath *after, uint64_t now_ms)
{
    if (after->dropped_count == 0) {
        return;
    }
    const struct store_item *it = after->dropped[0];
    bool expired = it->expiry_ms != 0 && it->expiry_ms <= now_ms;
    count(th, expired ? METRIC_ID_STORE_GET_EXPIRED : METRIC_ID_STORE_GET_FLUSHED);
}

/* An empty item whose maker holds the token. Somebody may have stored the key
 * since we looked: then that is the hit. */
static enum store_outcome
vivify(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
       uint64_t now_ms, struct store_view *view)
{
    struct store_item *fresh = item_create(th, key, 0, now_ms);
    view->item = NULL;
    if (fresh == NULL) {
        count(th, METRIC_ID_STORE_REFUSED_MEMORY);
        return STORE_NOT_FOUND;
    }
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct store_item *old = find_live(th, sh, key, now_ms, &after);
    if (old != NULL) {
        apply_hit(old, how, now_ms, view);
    } else {
        fresh->cas = next_cas(th->st, sh, how->has_new_cas, how->new_cas);
        fresh->marks |= ITEM_TOKEN_TAKEN | (how->vivify_binary_key ? ITEM_BINARY_KEY : 0);
        fresh->expiry_ms = how->vivify_expiry_ms;
        item_show(fresh, view);
        item_ref(fresh);
        view->item = fresh;
        view->taken = false;
        view->won = view->made = true;
        link_item(th, sh, fresh, NULL, now_ms, &after);
    }
    shard_unlock(sh);
    settle(th, sh, &after, now_ms);
    item_drop(th, fresh);
    return STORE_OK;
}

enum store_outcome
store_get(struct store_thread *th, const struct store_key *key, const struct store_lookup *how,
          uint64_t now_ms, struct store_view *view)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct store_item *it = find_live(th, sh, key, now_ms, &after);
    if (it != NULL) {
        apply_hit(it, how, now_ms, view);
    }
    shard_unlock(sh);
    if (it != NULL) {
        return STORE_OK;
    }
    count_lookup_of_corpse(th, &after, now_ms);
    settle(th, sh, &after, now_ms);
    if (how != NULL && how->vivify) {
        return vivify(th, key, how, now_ms, view);
    }
    view->item = NULL;
    return STORE_NOT_FOUND;
}

enum store_outcome
store_touch(struct store_thread *th, const struct store_key *key, uint64_t expiry_ms,
            uint64_t now_ms)
{
    struct aftermath after = {0};
    struct shard *sh = shard_of(th->st, key->hash);
    shard_lock(sh);
    struct store_item *it = find_live(th, sh, key, now_ms, &after);
    if (it != NULL) {
        it->expiry_ms = expiry_ms;
        shard_bump(it, now_ms);
    }
    shard_unlock(sh);
    settle(th, sh, &after, now_ms);
    return it != NULL ? STORE_OK : STORE_NOT_FOUND;
}
