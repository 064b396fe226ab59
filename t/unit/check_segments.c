/* The memory of items, against what the system says is resident. */
#include "cached/store/segments.h"
#include "config.h"
#include "t/unit/unit.h"

#include <string.h>
#include <sys/mman.h>

#define MB (1024u * 1024u)

static const struct item_base base;
static struct segments s;
static struct guard guard;

static void
begin(uint64_t limit)
{
    segments_init(&s, limit, NULL);
    guard = (struct guard){0};
    epochs_join(&s.epochs, &guard);
}

/* What is in memory of the range; looked at where there may be any. */
static uint64_t
resident(void)
{
    static unsigned char map[1024];
    uint64_t pages = 0;
    uint32_t in_run = 0;
    for (uint32_t n = 0; n < s.count_max; n++) {
        const struct segment *seg = &s.all[n];
        in_run = seg->state != SEGMENT_FREE ? seg->run : in_run - (in_run > 0);
        if (in_run == 0 && seg->bytes == 0 && seg->end == 0) {
            continue; /* never used */
        }
        ck_assert(mincore(segment_memory(&s, seg), s.segment_bytes, map) == 0);
        for (uint32_t i = 0; i < s.segment_bytes / s.page_bytes; i++) {
            pages += map[i] & 1;
        }
    }
    return pages * s.page_bytes;
}

static struct segment *
take_full(uint32_t item_bytes)
{
    struct segment *seg = segments_take(&s, &base, false);
    ck_assert_ptr_nonnull(seg);
    while (seg->end + item_bytes <= seg->bytes) {
        memset(segment_memory(&s, seg) + seg->end, 'x', item_bytes);
        seg->end += item_bytes;
    }
    atomic_store(&seg->live, seg->end);
    return seg;
}

static struct segment *
take_run(uint32_t bytes)
{
    struct segment *seg = segments_take_large(&s, &base, bytes, false, &guard);
    if (seg != NULL) {
        memset(segment_memory(&s, seg), 'x', bytes);
    }
    return seg;
}

static void
drop(struct segment *seg)
{
    if (seg->large) {
        guard_drop(&guard, (uint32_t)(seg - s.all));
    }
    segments_drop_bytes(&s, seg, atomic_load(&seg->live));
    segments_reclaim(&s);
}

static uint64_t
used(void)
{
    return atomic_load(&s.used);
}

START_TEST(a_run_counts_the_pages_it_fills)
{
    begin(64 * MB);
    struct segment *seg = take_run(MB + 100);
    ck_assert_uint_eq(used(), MB + s.page_bytes);
    ck_assert_uint_eq(resident(), used());
    ck_assert_uint_eq(seg->run, MB / s.segment_bytes + 1);
    drop(seg);
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(s.warm_bytes, MB + s.page_bytes);
    segments_give_back(&s, UINT64_MAX);
    ck_assert_uint_eq(s.warm_bytes, resident());
    segments_deinit(&s);
}
END_TEST

START_TEST(a_sealed_segment_counts_the_pages_it_fills)
{
    begin(64 * MB);
    struct segment *seg = take_full(22000); /* two to a segment */
    ck_assert_uint_eq(used(), s.segment_bytes);
    segments_seal(&s, seg);
    ck_assert_uint_eq(used(), 45056);
    ck_assert_uint_eq(segments_warm_bytes(&s), s.segment_bytes - 45056);
    segments_chill(&s);
    ck_assert_uint_eq(segments_warm_bytes(&s), 0);
    ck_assert_uint_eq(resident(), used());
    drop(seg);
    seg = take_full(100);
    ck_assert_uint_eq(used(), s.segment_bytes);
    ck_assert_uint_eq(s.warm_bytes, 0);
    ck_assert_uint_eq(resident(), s.segment_bytes);
    segments_seal(&s, seg);
    ck_assert_uint_eq(used(), s.segment_bytes); /* a page more or less is not worth it */
    segments_deinit(&s);
}
END_TEST

/* What is left behind the items is a small piece each time: they wait for each other, and
 * one that is free before that is free as a whole. */
START_TEST(tails_go_back_together)
{
    enum { SOME = 100 };
    struct segment *all[SOME];
    begin(64 * MB);
    for (int i = 0; i < SOME; i++) {
        all[i] = take_full(22000);
        segments_seal(&s, all[i]);
        uint64_t waiting = s.purge.tail_bytes;
        ck_assert_uint_le(waiting, PURGE_TAILS_MAX * (s.segment_bytes - 45056));
        ck_assert_uint_eq(resident(), used() + waiting);
    }
    struct segment *last = all[SOME - 1];
    uint64_t waiting = s.purge.tail_bytes;
    ck_assert_uint_gt(last->tail_bytes, 0);
    drop(last);
    ck_assert_uint_eq(s.purge.tail_bytes, waiting - (s.segment_bytes - 45056));
    ck_assert_uint_eq(s.warm_bytes, s.segment_bytes);
    ck_assert_ptr_eq(take_full(100), last);
    segments_chill(&s);
    ck_assert_uint_eq(resident(), used());
    for (const char *p = segment_memory(&s, last); p < segment_memory(&s, last) + last->end; p++) {
        ck_assert_int_eq(*p, 'x');
    }
    segments_deinit(&s);
}
END_TEST

/* What is over the limit then is not what the next one who takes memory has to give back. */
START_TEST(a_lower_limit_is_reached_bit_by_bit)
{
    enum { RUNS = 60 };
    struct segment *runs[RUNS];
    begin(64 * MB);
    for (int i = 0; i < RUNS; i++) {
        runs[i] = take_run(MB);
    }
    for (int i = 0; i < RUNS; i++) {
        drop(runs[i]);
    }
    ck_assert_uint_ge(segments_warm_bytes(&s), RUNS * MB);
    segments_set_limit(&s, 8 * MB);
    uint64_t before = segments_warm_bytes(&s);
    for (int i = 0; i < RUNS && before > 4 * MB; i++) {
        drop(take_full(100));
        uint64_t now = segments_warm_bytes(&s);
        ck_assert_uint_lt(now, before);
        ck_assert_uint_le(before - now, MB);
        before = now;
    }
    while (segments_give_back(&s, UINT64_MAX)) {
    }
    ck_assert_uint_le(resident(), 8 * MB);
    segments_deinit(&s);
}
END_TEST

/* Where a run was, segments stand, and a run again; the tail of the second is not
 * what the first has left behind. */
START_TEST(memory_goes_from_one_shape_to_the_other)
{
    begin(4 * MB);
    struct segment *runs[32];
    unsigned n = 0;
    while ((runs[n] = take_run(200 * 1024)) != NULL) {
        n++;
    }
    ck_assert_uint_eq(n, 20);
    ck_assert_uint_le(resident(), 4 * MB);
    while (n > 0) {
        drop(runs[--n]);
    }
    struct segment *logs[1024];
    while (n < 1024 && (logs[n] = segments_take(&s, &base, false)) != NULL) {
        memset(segment_memory(&s, logs[n]), 'y', s.segment_bytes);
        logs[n]->end = s.segment_bytes;
        atomic_store(&logs[n]->live, s.segment_bytes);
        segments_seal(&s, logs[n++]);
    }
    ck_assert_uint_eq(n, 4 * MB / s.segment_bytes);
    ck_assert_uint_eq(resident(), 4 * MB);
    while (n > 0) {
        drop(logs[--n]);
    }
    while (n < 4 && (runs[n] = take_run(900 * 1024 + 1)) != NULL) {
        n++;
    }
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_le(resident(), 4 * MB);
    ck_assert_uint_le(used() + segments_warm_bytes(&s), 4 * MB);
    segments_deinit(&s);
}
END_TEST

/* A segment may stand where a run was, far from all others. What was never used
 * is not looked at on the way there: in a store of any size that is most. */
START_TEST(sparse_segments_are_found_anywhere)
{
    begin(64 * MB);
    drop(take_run(MB));
    struct segment *seg = take_full(1000);
    ck_assert_uint_gt(seg - s.all, s.count_max / 2);
    segments_seal(&s, seg);
    segments_drop_bytes(&s, seg, s.segment_bytes / 2);
    struct segment *found = NULL;
    ck_assert_uint_eq(segments_sparse(&s, &found, 1, 100, 0, 2), 1);
    ck_assert_ptr_eq(found, seg);
    ck_assert_uint_eq(segments_sparse(&s, &found, 1, 100, 0, UINT32_MAX), 0);
    segments_put_back(&s, seg);
    ck_assert_uint_eq(segments_sparse(&s, &found, 1, 100, 0, UINT32_MAX), 1);
    segments_deinit(&s);
}
END_TEST

/* Any mix: never more is resident than the limit, and the books are right. */
START_TEST(residence_keeps_the_limit)
{
    enum { KEPT = 64, ROUNDS = 3000 };
    static struct segment *kept[KEPT];
    unsigned seed = 7;
    begin(8 * MB);
    for (int i = 0; i < ROUNDS; i++) {
        unsigned at = (unsigned)rand_r(&seed) % KEPT;
        if (kept[at] != NULL) {
            drop(kept[at]);
            kept[at] = NULL;
        } else if (rand_r(&seed) % 2) {
            kept[at] = take_run(s.segment_bytes / 2 + 1 + (uint32_t)rand_r(&seed) % (MB / 2));
        } else {
            kept[at] = segments_take(&s, &base, false);
            if (kept[at] != NULL) {
                kept[at]->end = 1 + (uint32_t)rand_r(&seed) % s.segment_bytes;
                memset(segment_memory(&s, kept[at]), 'z', kept[at]->end);
                atomic_store(&kept[at]->live, kept[at]->end);
                segments_seal(&s, kept[at]);
            }
        }
        ck_assert_uint_le(used() + segments_warm_bytes(&s), 8 * MB + 8 * MB / 32);
        if (i % 100 == 0) {
            ck_assert_uint_le(resident(), used() + segments_warm_bytes(&s));
        }
    }
    segments_deinit(&s);
}
END_TEST

UNIT_MAIN("segments", a_run_counts_the_pages_it_fills, a_sealed_segment_counts_the_pages_it_fills,
          tails_go_back_together, a_lower_limit_is_reached_bit_by_bit,
          memory_goes_from_one_shape_to_the_other, sparse_segments_are_found_anywhere,
          residence_keeps_the_limit)
