/* The table alone: what is put in is found, through growth and removal, and a
 * walk sees each item once. */
#include "cached/store/assoc.h"
#include "common/core/hash.h"
#include "t/unit/unit.h"

#include <stdio.h>

enum { ITEMS = 3000 };

static const struct item_base base;
static struct segments segments;
static struct assoc assoc;
static locator at[ITEMS];
static struct store_key keys[ITEMS];
static char names[ITEMS][16];

static uint64_t
hash_of(const struct store_item *it)
{
    return hash_span(item_key(it));
}

static void
begin(void)
{
    segments_init(&segments, 4 << 20, NULL);
    assoc = (struct assoc){0};
    assoc_init(&assoc);
    struct segment *seg = NULL;
    for (unsigned i = 0; i < ITEMS; i++) {
        keys[i] = store_key(
            span_make(names[i], (size_t)snprintf(names[i], sizeof(names[i]), "key%u", i)));
        if (seg == NULL || seg->end + 64 > seg->bytes) {
            seg = segments_take(&segments, &base, false);
        }
        struct store_item *it = (void *)(segment_memory(&segments, seg) + seg->end);
        seg->end += 64;
        item_init(it, &base, keys[i].key, 0, 0, 1000);
        item_mark(it, ITEM_LINKED, 0);
        at[i] = segments_locate(&segments, it);
    }
}

static void
end(void)
{
    assoc_deinit(&assoc);
    segments_deinit(&segments);
}

static void
put_all(void)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        ck_assert(assoc_insert(&assoc, keys[i].hash, bucket_tag(keys[i].hash), at[i]));
        assoc_grow(&assoc, &segments, hash_of);
    }
}

START_TEST(finds_what_is_there)
{
    begin();
    for (unsigned i = 0; i < ITEMS; i++) {
        ck_assert_ptr_null(assoc_find(&assoc, &segments, keys[i].hash, &keys[i]).item);
        ck_assert(assoc_insert(&assoc, keys[i].hash, bucket_tag(keys[i].hash), at[i]));
        assoc_grow(&assoc, &segments, hash_of);
    }
    ck_assert_uint_ge(atomic_load(&assoc.buckets), ITEMS / BUCKET_PLACES);
    for (unsigned i = 0; i < ITEMS; i++) {
        struct place where = assoc_find(&assoc, &segments, keys[i].hash, &keys[i]);
        ck_assert_ptr_eq(where.item, segments_item(&segments, at[i]));
        if (i % 3 != 0) {
            assoc_remove(&assoc, keys[i].hash, where);
        }
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        bool found = assoc_find(&assoc, &segments, keys[i].hash, &keys[i]).item != NULL;
        ck_assert_int_eq(found, i % 3 == 0);
    }
    ck_assert_uint_eq(assoc.count, ITEMS / 3);
    end();
}
END_TEST

/* One home bucket for all: they go on in spill buckets, which come back. */
START_TEST(chains_come_and_go)
{
    begin();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++) {
            ck_assert(assoc_insert(&assoc, 1, bucket_tag(keys[i].hash), at[i]));
        }
        for (unsigned i = 0; i < 100; i++) {
            struct place where = assoc_find(&assoc, &segments, 1, &keys[i]);
            ck_assert_ptr_nonnull(where.item);
            assoc_remove(&assoc, 1, where);
        }
        ck_assert_uint_eq(assoc.count, 0);
        ck_assert_ptr_null(assoc_next(&assoc, assoc_home(&assoc, 1)));
    }
    ck_assert_uint_le(assoc.spill_end, 100 / BUCKET_PLACES + 1);
    end();
}
END_TEST

static bool
is_at(void *arg, locator other)
{
    return other == *(const locator *)arg;
}

/* As many buckets at once as it would have grown to, and each key once. */
START_TEST(is_filled_in_one_go)
{
    begin();
    put_all();
    uint32_t grown = atomic_load(&assoc.buckets);
    assoc_deinit(&assoc);
    assoc = (struct assoc){0};
    assoc_init(&assoc);
    assoc_expect(&assoc, ITEMS);
    ck_assert_uint_ge(atomic_load(&assoc.buckets), grown - 1);
    ck_assert_uint_le(atomic_load(&assoc.buckets), grown);
    for (unsigned i = 0; i < ITEMS; i++) {
        ck_assert(assoc_insert_new(&assoc, assoc_home(&assoc, keys[i].hash),
                                   bucket_tag(keys[i].hash), at[i], is_at, &at[i]));
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        ck_assert(!assoc_insert_new(&assoc, assoc_home(&assoc, keys[i].hash),
                                    bucket_tag(keys[i].hash), at[i], is_at, &at[i]));
        ck_assert_ptr_eq(assoc_find(&assoc, &segments, keys[i].hash, &keys[i]).item,
                         segments_item(&segments, at[i]));
    }
    ck_assert_uint_eq(assoc.count, ITEMS);
    end();
}
END_TEST

START_TEST(a_walk_passes_each_bucket_once)
{
    begin();
    put_all();
    uint64_t position = 0;
    unsigned seen = 0, buckets = 0;
    do {
        bool inside;
        for (struct bucket *b = assoc_walk(&assoc, position, &position, &inside); b != NULL;
             b = assoc_next(&assoc, b)) {
            for (unsigned i = 0; i < BUCKET_PLACES; i++) {
                seen += bucket_at(b, i) != 0;
            }
        }
        buckets++;
        ck_assert(!inside);
    } while (position != 0);
    ck_assert_uint_eq(seen, ITEMS);
    ck_assert_uint_eq(buckets, atomic_load(&assoc.buckets));
    end();
}
END_TEST

static void
remove_but_each(unsigned nth)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        struct place where = assoc_find(&assoc, &segments, keys[i].hash, &keys[i]);
        if (where.item != NULL && i % nth != 0) {
            assoc_remove(&assoc, keys[i].hash, where);
        }
    }
}

START_TEST(shrinks_to_what_its_items_need)
{
    begin();
    for (unsigned round = 0; round < 2; round++) {
        put_all();
        uint64_t bytes = assoc_bytes(&assoc);
        ck_assert(!assoc_shrink(&assoc));
        remove_but_each(100);
        while (assoc_shrink(&assoc)) {
            for (unsigned i = 0; i < ITEMS; i += 100) {
                ck_assert_ptr_nonnull(assoc_find(&assoc, &segments, keys[i].hash, &keys[i]).item);
            }
        }
        ck_assert_uint_eq(assoc.count, (ITEMS + 99) / 100);
        ck_assert_uint_le(assoc_bytes(&assoc), bytes / 40);
        for (unsigned i = 0; i < ITEMS; i++) {
            struct place where = assoc_find(&assoc, &segments, keys[i].hash, &keys[i]);
            ck_assert_int_eq(where.item != NULL, i % 100 == 0);
        }
        remove_but_each(ITEMS + 1);
        assoc_remove(&assoc, keys[0].hash, assoc_find(&assoc, &segments, keys[0].hash, &keys[0]));
        while (assoc_shrink(&assoc)) {
        }
        ck_assert_uint_eq(assoc.count, 0);
        ck_assert_uint_eq(assoc_bytes(&assoc), 4 * sizeof(struct bucket));
    }
    end();
}
END_TEST

/* Whatever comes and goes, only the last bucket of a chain has free places. */
static void
check_chains(void)
{
    for (uint32_t n = 0; n < atomic_load(&assoc.buckets); n++) {
        struct bucket *b = shelves_at(&assoc.homes, n);
        for (struct bucket *next; (next = assoc_next(&assoc, b)) != NULL; b = next) {
            ck_assert_uint_eq(bucket_free_place(b), BUCKET_PLACES);
            ck_assert(!bucket_is_empty(next));
        }
    }
}

START_TEST(chains_have_no_holes)
{
    begin();
    for (unsigned round = 0; round < 5; round++) {
        put_all();
        check_chains();
        remove_but_each(2 + round);
        check_chains();
        while (assoc_shrink(&assoc)) {
        }
        check_chains();
        for (unsigned i = 0; i < ITEMS; i++) {
            struct place where = assoc_find(&assoc, &segments, keys[i].hash, &keys[i]);
            ck_assert_int_eq(where.item != NULL, i % (2 + round) == 0);
        }
        remove_but_each(ITEMS + 1);
        assoc_remove(&assoc, keys[0].hash, assoc_find(&assoc, &segments, keys[0].hash, &keys[0]));
    }
    end();
}
END_TEST

/* In the middle of a walk the table gets much smaller, then larger again. */
START_TEST(a_walk_sees_each_once_while_the_table_changes)
{
    static unsigned seen[ITEMS];
    unsigned insides = 0;
    begin();
    put_all();
    remove_but_each(3);
    uint64_t position = 0;
    for (unsigned step = 0; step == 0 || position != 0; step++) {
        bool inside;
        uint64_t from = position;
        struct bucket *b = assoc_walk(&assoc, from, &position, &inside);
        insides += inside;
        for (; b != NULL; b = assoc_next(&assoc, b)) {
            for (unsigned i = 0; i < BUCKET_PLACES; i++) {
                const struct store_item *it = segments_item(&segments, bucket_at(b, i));
                if (bucket_at(b, i) != 0 && (!inside || assoc_is_ahead(from, hash_of(it)))) {
                    seen[((const char *)it - segments.base) / 64 - (segments.segment_bytes / 64)]++;
                }
            }
        }
        for (unsigned i = 0; i < 400; i++) {
            if (step / 8 % 2 == 0) {
                assoc_shrink(&assoc);
            }
        }
        for (unsigned i = step; step / 8 % 2 == 1 && i < step + 100; i++) {
            unsigned key = i * 7 % ITEMS;
            if (key % 3 != 0 &&
                assoc_find(&assoc, &segments, keys[key].hash, &keys[key]).item == NULL) {
                ck_assert(
                    assoc_insert(&assoc, keys[key].hash, bucket_tag(keys[key].hash), at[key]));
                assoc_grow(&assoc, &segments, hash_of);
            }
        }
    }
    for (unsigned i = 0; i < ITEMS; i += 3) {
        ck_assert_uint_eq(seen[i], 1);
    }
    ck_assert_uint_gt(insides, 0);
    end();
}
END_TEST

START_TEST(tags_are_compared_at_once)
{
    struct bucket b = {0};
    ck_assert_uint_eq(bucket_free_place(&b), 0);
    for (unsigned i = 0; i < BUCKET_PLACES; i++) {
        bucket_set(&b, i, (uint8_t)(0x80 + i), i + 1);
    }
    ck_assert_uint_eq(bucket_free_place(&b), BUCKET_PLACES);
    for (unsigned i = 0; i < BUCKET_PLACES; i++) {
        ck_assert(bucket_match(&b, (uint8_t)(0x80 + i)) & 1u << i);
        ck_assert_uint_eq(bucket_tag_at(&b, i), 0x80 + i);
    }
    ck_assert_uint_eq(bucket_match(&b, 0x70), 0);
    bucket_set(&b, 9, 0, 0);
    ck_assert_uint_eq(bucket_free_place(&b), 9);
}
END_TEST

UNIT_MAIN("assoc", finds_what_is_there, chains_come_and_go, is_filled_in_one_go,
          a_walk_passes_each_bucket_once, shrinks_to_what_its_items_need, chains_have_no_holes,
          a_walk_sees_each_once_while_the_table_changes, tags_are_compared_at_once)
