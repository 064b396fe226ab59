#include "proxy/promotion.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <stdlib.h>

void
promotion_init(struct promotion *p, unsigned percent, unsigned owners)
{
    ASSERT(percent >= 1 && percent <= 100);
    *p = (struct promotion){.percent = percent, .owners = owners};
    p->noted = mem_zalloc(owners * sizeof(p->noted[0]));
}

void
promotion_deinit(struct promotion *p)
{
    free(p->noted);
}

/* --- noting -------------------------------------------------------------------------- */

static bool
is_key(const struct promotion_key *k, const struct lookup_key *key)
{
    return k->key_bytes > 0 && k->hash == key->hash &&
           span_eq(span_make(k->key, k->key_bytes), key->bytes);
}

/* A key that is promoted, or on its way there, is not driven out by others. */
static bool
may_go(const struct promotion_key *k)
{
    return !k->promoted && k->over == 0;
}

/* One that is free, or that was noted least of those that may go. */
static struct promotion_key *
find_place(struct promotion *p)
{
    struct promotion_key *least = NULL;
    for (unsigned i = 0; i < PROMOTION_CANDIDATES; i++) {
        struct promotion_key *k = &p->keys[i];
        if (k->key_bytes == 0) {
            return k;
        }
        if (may_go(k) && (least == NULL || k->noted < least->noted)) {
            least = k;
        }
    }
    return least;
}

void
promotion_note(struct promotion *p, const struct lookup_key *key, unsigned owner)
{
    ASSERT(owner < p->owners && key->bytes.len > 0 && key->bytes.len <= KEY_MAX_BYTES);

    p->noted[owner]++;
    for (unsigned i = 0; i < PROMOTION_CANDIDATES; i++) {
        if (is_key(&p->keys[i], key)) {
            p->keys[i].noted++;
            return;
        }
    }
    struct promotion_key *k = find_place(p);
    if (k == NULL) {
        return;
    }
    uint32_t inherited = k->key_bytes > 0 ? k->noted : 0;
    *k = (struct promotion_key){.hash = key->hash, .inherited = inherited, .owner = owner};
    k->noted = inherited + 1;
    k->key_bytes = (uint8_t)key->bytes.len;
    memcpy(k->key, key->bytes.ptr, key->bytes.len);
}

/* --- judging --------------------------------------------------------------------------- */

void
promotion_judge(struct promotion_key *k, unsigned percent, uint32_t noted, uint32_t of_owner,
                bool room)
{
    uint64_t share = (uint64_t)noted * 100; /* times of_owner */
    bool over = of_owner >= PROMOTION_NOTED_MIN && share >= (uint64_t)percent * of_owner;
    bool under = of_owner < PROMOTION_NOTED_MIN || share * 2 < (uint64_t)percent * of_owner;
    k->over = over ? k->over + (k->over < PROMOTION_WINDOWS) : 0;
    k->under = under ? k->under + (k->under < PROMOTION_WINDOWS_OUT) : 0;
    if (!k->promoted && k->over == PROMOTION_WINDOWS && room) {
        k->promoted = true;
        k->under = 0;
    } else if (k->promoted && k->under == PROMOTION_WINDOWS_OUT) {
        k->promoted = false;
    }
}

static void
end_window(struct promotion *p, struct promotion_changes *changes)
{
    for (unsigned i = 0; i < PROMOTION_CANDIDATES; i++) {
        struct promotion_key *k = &p->keys[i];
        if (k->key_bytes == 0) {
            continue;
        }
        bool before = k->promoted;
        promotion_judge(k, p->percent, k->noted - k->inherited, p->noted[k->owner],
                        p->promoted < PROMOTION_KEYS_MAX);
        changes->promoted += !before && k->promoted;
        changes->demoted += before && !k->promoted;
        p->promoted = p->promoted + k->promoted - before;
        k->noted = k->inherited = 0;
        if (may_go(k)) {
            k->key_bytes = 0;
        }
    }
    memset(p->noted, 0, p->owners * sizeof(p->noted[0]));
}

/* Windows that ended while nobody looked were empty, and so many are enough to
 * demote whatever there is. */
struct promotion_changes
promotion_step(struct promotion *p, uint64_t now_us)
{
    struct promotion_changes changes = {0, 0};
    if (p->window_ends_us == 0) {
        p->window_ends_us = now_us + PROMOTION_WINDOW_US;
    }
    if (now_us < p->window_ends_us) {
        return changes;
    }
    uint64_t windows = 1 + (now_us - p->window_ends_us) / PROMOTION_WINDOW_US;
    p->window_ends_us += windows * PROMOTION_WINDOW_US;
    for (uint64_t i = 0; i < windows && i <= PROMOTION_WINDOWS_OUT; i++) {
        end_window(p, &changes);
    }
    return changes;
}
