#include "cached/store/shard.h"

/* Enough to turn a heavily used clock, few enough to hold the lock briefly. */
#define CLOCK_STEPS_MAX 128

bool
shard_init(struct shard *sh)
{
    list_init(&sh->clock);
    atomic_init(&sh->oldest_ms, SHARD_EMPTY_MS);
    pthread_mutex_init(&sh->lock, NULL);
    return assoc_init(&sh->assoc, ASSOC_BITS_FIRST);
}

void
shard_deinit(struct shard *sh)
{
    assoc_deinit(&sh->assoc);
    pthread_mutex_destroy(&sh->lock);
}

static struct store_item *
clock_back(const struct shard *sh)
{
    return list_empty(&sh->clock) ? NULL : LIST_ENTRY(sh->clock.prev, struct store_item, queue);
}

static void
publish_oldest(struct shard *sh)
{
    const struct store_item *back = clock_back(sh);
    atomic_store_explicit(&sh->oldest_ms, back != NULL ? back->accessed_ms : SHARD_EMPTY_MS,
                          memory_order_relaxed);
}

void
shard_link(struct shard *sh, struct store_item *it)
{
    bool first = list_empty(&sh->clock);
    assoc_insert(&sh->assoc, it);
    list_push_front(&sh->clock, &it->queue);
    it->marks |= ITEM_LINKED;
    if (first) {
        publish_oldest(sh);
    }
}

void
shard_unlink(struct shard *sh, struct store_item *it)
{
    bool back = clock_back(sh) == it;
    assoc_remove(&sh->assoc, it);
    list_remove(&it->queue);
    it->marks &= (uint8_t)~ITEM_LINKED;
    if (back) {
        publish_oldest(sh);
    }
}

struct store_item *
shard_victim(struct shard *sh)
{
    struct store_item *unused = NULL, *used = NULL;
    for (int i = 0; i < CLOCK_STEPS_MAX && unused == NULL; i++) {
        struct store_item *it = clock_back(sh);
        if (it == NULL) {
            break;
        }
        /* Removing an item that a client is being sent would free nothing. */
        bool removable = item_unshared(it);
        if (removable && it->uses == 0) {
            unused = it;
            break;
        }
        if (removable && used == NULL) {
            used = it;
        }
        it->uses -= it->uses > 0;
        list_remove(&it->queue);
        list_push_front(&sh->clock, &it->queue);
    }
    publish_oldest(sh);
    return unused != NULL ? unused : used;
}
