/* near_cache.h - values of the hottest keys, kept in the proxy. Pure.
 *
 *     admit: the sketch says the key is hot, for a while
 *     find:  NEAR_COLD      not hot: nothing of this is its business
 *            NEAR_WANTED    hot, and no value that may be told: ask, then keep
 *            NEAR_WRITTEN   the same; there was one, but the key was written since
 *            NEAR_HIT       the value
 *
 * A value may be told while the key's write mark (write_marks.h) is what it was
 * before the value was asked for, and for `ttl_us` from then on: so it is never
 * older than a write that this proxy has acknowledged, and at most `ttl_us` older
 * than one through another. Misses, and items that are marked stale or whose
 * refill somebody has been told to bring, are not kept.
 *
 * A key has up to two values, one that a text reply brought and one of a meta
 * reply: a text reply does not tell that an item is stale, so what it brought is
 * told to text reads only.
 *
 * One for each pool, worker and routing table, so nothing outlives its table.
 * At most NEAR_KEYS keys, and `bytes` of values with their lines; a value longer
 * than a quarter of that is not kept. Worker's thread only. */
#pragma once
#include "proxy/form.h"
#include "proxy/lookup_key.h"

#define NEAR_SETS   64
#define NEAR_WAYS   4
#define NEAR_KEYS   (NEAR_SETS * NEAR_WAYS)
#define NEAR_HOT_US 60000000 /* a key that is not seen to be hot again is not any more */

/* Hot is a key with at least one of so many reads of the last minutes, and at
 * least so many of them. */
#define NEAR_SHARE     200
#define NEAR_READS_MIN 1024

static inline bool
near_is_hot(uint64_t reads, uint64_t all_reads)
{
    return reads >= NEAR_READS_MIN && reads >= all_reads / NEAR_SHARE;
}

struct near_cache;

struct near_cache *near_cache_create(uint64_t bytes, uint64_t ttl_us);
void near_cache_destroy(struct near_cache **n);

/* The key is hot now. May take the place of the one that was longest ago. */
void near_cache_admit(struct near_cache *n, const struct lookup_key *key, uint64_t now_us);

enum near_verdict { NEAR_COLD, NEAR_WANTED, NEAR_WRITTEN, NEAR_HIT };

/* A read of this form, whose key has this write mark now. With NEAR_HIT *found is
 * the answer, valid until the next call. */
enum near_verdict near_cache_find(struct near_cache *n, const struct lookup_key *key, uint8_t form,
                                  uint32_t mark, uint64_t now_us, const struct fetched **found);

/* What a read of this form has brought, that was asked for at `asked_us`, when the
 * key's mark was `mark`. True if it is kept. */
bool near_cache_keep(struct near_cache *n, const struct lookup_key *key, uint8_t form,
                     uint32_t mark, uint64_t asked_us, uint64_t now_us, const struct fetched *f);

/* Of values, now. */
uint64_t near_cache_bytes(const struct near_cache *n);
