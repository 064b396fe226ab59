#include "t/unit/unit.h"

#include "common/core/base64.h"

/* RFC 4648, section 10. */
static const struct {
    const char *plain;
    const char *coded;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

START_TEST(vectors_of_the_rfc)
{
    char out[16];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct span plain = span_cstr(vectors[i].plain), coded = span_cstr(vectors[i].coded);
        ck_assert_uint_eq(BASE64_ENCODED_BYTES(plain.len), coded.len);
        ck_assert(span_eq(span_make(out, base64_encode(plain, out)), coded));
        ssize_t len = base64_decode(coded, out);
        ck_assert_int_ge(len, 0);
        ck_assert(span_eq(span_make(out, (size_t)len), plain));
    }
}
END_TEST

START_TEST(all_bytes_come_back)
{
    char plain[256], coded[BASE64_ENCODED_BYTES(256)], back[BASE64_DECODED_BYTES(sizeof(coded))];
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (char)(i * 167 + 13);
    }
    for (size_t len = 0; len <= sizeof(plain); len++) {
        size_t n = base64_encode(span_make(plain, len), coded);
        ck_assert_int_eq(base64_decode(span_make(coded, n), back), (ssize_t)len);
        ck_assert_mem_eq(back, plain, len);
    }
}
END_TEST

START_TEST(anything_else_is_refused)
{
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",  "Zg==Zg==", "Z===",  "====", "=m9v",
        "Zm=v", "Zm9-", "Zm9_", "Zm9 ",     "Zm9\n", "==",   "Zm9v=",
    };
    char out[16];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(base64_decode(span_cstr(bad[i]), out) == -1, "%s", bad[i]);
    }
    ck_assert_int_eq(base64_decode(span_make("Zm9\0", 4), out), -1);
    ck_assert_int_eq(base64_decode(span_make("Zm9\xff", 4), out), -1);
}
END_TEST

UNIT_MAIN("base64", vectors_of_the_rfc, all_bytes_come_back, anything_else_is_refused)
