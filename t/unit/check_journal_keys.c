#include "proxy/journal_keys.h"
#include "t/unit/unit.h"

#include <stdio.h>

static struct journal_keys keys;

static struct span
key_of(unsigned i)
{
    static char text[2][16];
    char *to = text[i % 2];
    return span_make(to, (size_t)snprintf(to, sizeof(text[0]), "key%u", i));
}

static struct journal_entry *
add(unsigned i, uint32_t worker)
{
    return journal_keys_add(&keys, key_of(i), journal_keys_hash(&keys, key_of(i)), worker);
}

static struct journal_entry *
find(unsigned i, uint32_t worker)
{
    return journal_keys_find(&keys, key_of(i), journal_keys_hash(&keys, key_of(i)), worker);
}

static void
drop(struct journal_entry *e)
{
    journal_keys_remove(&keys, e);
    free(e);
}

START_TEST(each_worker_has_its_entry_of_a_key)
{
    journal_keys_init(&keys);
    struct journal_entry *mine = add(1, 0);
    ck_assert(span_eq(journal_entry_key(mine), key_of(1)));
    ck_assert_int_eq(mine->state, ENTRY_WAITING);
    ck_assert(journal_keys_is_alone(&keys, mine));
    ck_assert_ptr_null(find(1, 3));
    ck_assert_ptr_null(find(2, JOURNAL_ANY_WORKER));
    struct journal_entry *other = add(1, 3);
    ck_assert_ptr_eq(find(1, 0), mine);
    ck_assert_ptr_eq(find(1, 3), other);
    ck_assert(!journal_keys_is_alone(&keys, mine) && !journal_keys_is_alone(&keys, other));
    drop(mine);
    ck_assert_ptr_eq(find(1, JOURNAL_ANY_WORKER), other);
    ck_assert(journal_keys_is_alone(&keys, other));
    drop(other);
    journal_keys_deinit(&keys);
}
END_TEST

START_TEST(all_are_found_when_it_has_grown)
{
    enum { MANY = 5000 };
    journal_keys_init(&keys);
    uint64_t bytes = 0, first_mask = keys.mask;
    for (unsigned i = 0; i < MANY; i++) {
        add(i, i % 4);
        bytes += key_of(i).len;
    }
    ck_assert_uint_gt(keys.mask, first_mask);
    ck_assert_uint_eq(keys.count, MANY);
    ck_assert_uint_eq(keys.bytes, bytes);
    for (unsigned i = 0; i < MANY; i += 2) {
        drop(find(i, i % 4));
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(find(i, i % 4) != NULL, i % 2);
    }
    for (unsigned i = 1; i < MANY; i += 2) {
        drop(find(i, JOURNAL_ANY_WORKER));
    }
    ck_assert_uint_eq(keys.bytes, 0);
    journal_keys_deinit(&keys);
}
END_TEST

UNIT_MAIN("journal_keys", each_worker_has_its_entry_of_a_key, all_are_found_when_it_has_grown)
