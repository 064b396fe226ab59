#include "proxy/promoter.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct promoter {
    _Atomic uint32_t version; /* grows when other keys are promoted */
    pthread_mutex_t lock;     /* covers: */
    struct promotion promotion;
};

struct promoter *
promoter_create(unsigned percent, unsigned owners)
{
    struct promoter *pr = mem_zalloc(sizeof(*pr));
    pthread_mutex_init(&pr->lock, NULL);
    promotion_init(&pr->promotion, percent, owners);
    return pr;
}

void
promoter_destroy(struct promoter **promoter)
{
    struct promoter *pr = *promoter;
    *promoter = NULL;
    if (pr != NULL) {
        promotion_deinit(&pr->promotion);
        pthread_mutex_destroy(&pr->lock);
        free(pr);
    }
}

/* Under the lock. */
static struct promotion_changes
step(struct promoter *pr, uint64_t now_us)
{
    struct promotion_changes changes = promotion_step(&pr->promotion, now_us);
    if (changes.promoted + changes.demoted > 0) {
        atomic_fetch_add_explicit(&pr->version, 1, memory_order_release);
    }
    return changes;
}

struct promotion_changes
promoter_note(struct promoter *pr, const struct lookup_key *key, unsigned owner, uint64_t now_us)
{
    pthread_mutex_lock(&pr->lock);
    struct promotion_changes changes = step(pr, now_us);
    promotion_note(&pr->promotion, key, owner);
    pthread_mutex_unlock(&pr->lock);
    return changes;
}

struct promotion_changes
promoter_step(struct promoter *pr, uint64_t now_us)
{
    pthread_mutex_lock(&pr->lock);
    struct promotion_changes changes = step(pr, now_us);
    pthread_mutex_unlock(&pr->lock);
    return changes;
}

static void
learn(struct promoter *pr, struct promoted *known)
{
    pthread_mutex_lock(&pr->lock);
    known->version = atomic_load_explicit(&pr->version, memory_order_relaxed);
    known->count = 0;
    for (unsigned i = 0; i < PROMOTION_CANDIDATES; i++) {
        const struct promotion_key *k = &pr->promotion.keys[i];
        if (k->key_bytes > 0 && k->promoted) {
            known->keys[known->count].hash = k->hash;
            known->keys[known->count].bytes = k->key_bytes;
            memcpy(known->keys[known->count].text, k->key, k->key_bytes);
            known->count++;
        }
    }
    pthread_mutex_unlock(&pr->lock);
}

void
promoter_learn(struct promoter *pr, struct promoted *known)
{
    if (atomic_load_explicit(&pr->version, memory_order_acquire) != known->version) {
        learn(pr, known);
    }
}

bool
promoted_has(const struct promoted *known, const struct lookup_key *key)
{
    for (unsigned i = 0; i < known->count; i++) {
        if (known->keys[i].hash == key->hash &&
            span_eq(span_make(known->keys[i].text, known->keys[i].bytes), key->bytes)) {
            return true;
        }
    }
    return false;
}
