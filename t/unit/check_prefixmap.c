#include "common/fleet/prefixmap.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define NONE 999

static unsigned
find(const struct prefixmap *map, const char *key)
{
    return prefixmap_find(map, span_cstr(key), NONE);
}

START_TEST(the_longest_prefix_wins)
{
    struct prefixmap map = PREFIXMAP_EMPTY;
    static const char *const prefixes[] = {"b:", "a:", "a:b:c:", "a:b:", "a", "a:bb", "z"};
    for (unsigned i = 0; i < 7; i++) {
        prefixmap_add(&map, span_cstr(prefixes[i]), i);
    }
    prefixmap_seal(&map);
    ck_assert_uint_eq(find(&map, "a:b:c:d"), 2);
    ck_assert_uint_eq(find(&map, "a:b:c:"), 2);
    ck_assert_uint_eq(find(&map, "a:b:c"), 3);
    ck_assert_uint_eq(find(&map, "a:b:z"), 3);
    ck_assert_uint_eq(find(&map, "a:bb"), 5);
    ck_assert_uint_eq(find(&map, "a:bba"), 5);
    ck_assert_uint_eq(find(&map, "a:c"), 1);
    ck_assert_uint_eq(find(&map, "a:"), 1);
    ck_assert_uint_eq(find(&map, "ab"), 4);
    ck_assert_uint_eq(find(&map, "b"), NONE);
    ck_assert_uint_eq(find(&map, "b:"), 0);
    ck_assert_uint_eq(find(&map, "c"), NONE);
    ck_assert_uint_eq(find(&map, "zz"), 6);
    ck_assert_uint_eq(find(&map, "\xff"), NONE);
    ck_assert_uint_eq(find(&map, "A"), NONE);
    prefixmap_deinit(&map);
}
END_TEST

START_TEST(an_empty_map_has_no_prefix)
{
    struct prefixmap map = PREFIXMAP_EMPTY;
    prefixmap_seal(&map);
    ck_assert_uint_eq(find(&map, "a"), NONE);
    prefixmap_deinit(&map);
}
END_TEST

/* A word of up to `bytes` letters out of two, so that much lies within much. */
static size_t
draw(char *out, unsigned bytes)
{
    size_t len = 1 + (size_t)rand() % bytes;
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)('a' + rand() % 2);
    }
    out[len] = '\0';
    return len;
}

START_TEST(it_agrees_with_looking_at_all)
{
    for (unsigned round = 0; round < 300; round++) {
        srand(round);
        struct prefixmap map = PREFIXMAP_EMPTY;
        char words[24][12], key[16];
        unsigned count = 0, wanted = (unsigned)rand() % 24;
        for (unsigned i = 0; i < wanted; i++) {
            draw(words[count], 10);
            bool known = false;
            for (unsigned k = 0; k < count; k++) {
                known = known || strcmp(words[k], words[count]) == 0;
            }
            if (!known) {
                prefixmap_add(&map, span_cstr(words[count]), count);
                count++;
            }
        }
        prefixmap_seal(&map);
        for (unsigned i = 0; i < 100; i++) {
            draw(key, 14);
            unsigned expected = NONE;
            for (unsigned k = 0; k < count; k++) {
                if (strncmp(key, words[k], strlen(words[k])) == 0 &&
                    (expected == NONE || strlen(words[k]) > strlen(words[expected]))) {
                    expected = k;
                }
            }
            ck_assert_msg(find(&map, key) == expected, "round %u: %s", round, key);
        }
        prefixmap_deinit(&map);
    }
}
END_TEST

UNIT_MAIN("prefixmap", the_longest_prefix_wins, an_empty_map_has_no_prefix,
          it_agrees_with_looking_at_all)
