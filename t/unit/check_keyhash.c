#include "common/core/mem.h"
#include "common/fleet/keyhash.h"
#include "t/unit/unit.h"

#include <md5.h>

START_TEST(md5_equals_the_library_at_every_length)
{
    char text[300];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 37 + 11);
    }
    for (size_t len = 0; len <= sizeof(text); len++) {
        uint8_t digest[MD5_DIGEST_LENGTH];
        MD5_CTX md5;
        MD5Init(&md5);
        MD5Update(&md5, (const uint8_t *)text, len);
        MD5Final(digest, &md5);
        uint32_t words[4];
        key_hash_md5(span_make(text, len), words);
        for (unsigned i = 0; i < 16; i++) {
            ck_assert_uint_eq((uint8_t)(words[i / 4] >> (8 * (i % 4))), digest[i]);
        }
    }
}
END_TEST

/* Published answers; the ring vectors cover what has none. */
START_TEST(known_answers)
{
    static const struct {
        enum key_hash kind;
        const char *key;
        uint32_t hash;
    } cases[] = {
        {KEY_HASH_MD5, "", 0xd98c1dd4},
        {KEY_HASH_ONE_AT_A_TIME, "a", 0xca2e9442},
        {KEY_HASH_ONE_AT_A_TIME, "The quick brown fox jumps over the lazy dog", 0x519e91f5},
        {KEY_HASH_CRC32A, "123456789", 0xcbf43926},
        {KEY_HASH_CRC32, "123456789", 0xcbf43926 >> 16 & 0x7fff},
        {KEY_HASH_FNV1_32, "foobar", 0x31f0b262},
        {KEY_HASH_FNV1A_32, "foobar", 0xbf9cf968},
        {KEY_HASH_FNV1_64, "foobar", 0xa4dda9c2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_uint_eq(key_hash(cases[i].kind, span_cstr(cases[i].key)), cases[i].hash);
    }
    /* CRC-16/XMODEM of "123456789" is 0x31c3; the state above it is kept. */
    ck_assert_uint_eq(key_hash(KEY_HASH_CRC16, SPAN_LIT("123456789")) & 0xffff, 0x31c3);
}
END_TEST

START_TEST(every_hash_bears_any_length)
{
    for (enum key_hash kind = 0; kind < KEY_HASH_OWN; kind++) {
        for (size_t len = 0; len < 130; len++) {
            char *exact = mem_alloc(len + 1);
            memset(exact, 0xe9, len);
            char *again = mem_dup(exact, len + 1);
            ck_assert_uint_eq(key_hash(kind, span_make(exact, len)),
                              key_hash(kind, span_make(again, len)));
            free(exact);
            free(again);
        }
    }
}
END_TEST

START_TEST(names_are_found)
{
    for (enum key_hash kind = 0; kind < KEY_HASH_OWN; kind++) {
        ck_assert_int_eq(key_hash_find(span_cstr(key_hash_name(kind))), kind);
    }
    ck_assert_int_eq(key_hash_find(SPAN_LIT("sha1")), KEY_HASH_COUNT);
}
END_TEST

UNIT_MAIN("keyhash", md5_equals_the_library_at_every_length, known_answers,
          every_hash_bears_any_length, names_are_found)
