#include "common/core/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
base64_encode(struct span in, char *out)
{
    const unsigned char *p = (const unsigned char *)in.ptr;
    char *to = out;
    size_t i = 0;
    for (; i + 2 < in.len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = alphabet[v >> 6 & 63];
        *to++ = alphabet[v & 63];
    }
    if (i < in.len) {
        bool two = i + 1 < in.len;
        uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = two ? alphabet[v >> 6 & 63] : '=';
        *to++ = '=';
    }
    return (size_t)(to - out);
}

static int
sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t
base64_decode(struct span in, char *out)
{
    if (in.len % 4 != 0) {
        return -1;
    }
    char *to = out;
    for (size_t i = 0; i < in.len; i += 4) {
        const char *p = in.ptr + i;
        bool last = i + 4 == in.len;
        unsigned pad = last && p[3] == '=' ? (p[2] == '=' ? 2 : 1) : 0;
        int a = sextet(p[0]), b = sextet(p[1]);
        int c = pad == 2 ? 0 : sextet(p[2]), d = pad >= 1 ? 0 : sextet(p[3]);
        if (a < 0 || b < 0 || c < 0 || d < 0) {
            return -1;
        }
        uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        *to++ = (char)(v >> 16);
        if (pad < 2) {
            *to++ = (char)(v >> 8);
        }
        if (pad < 1) {
            *to++ = (char)v;
        }
    }
    return to - out;
}
