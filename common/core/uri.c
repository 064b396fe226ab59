#include "common/core/uri.h"

static bool
stands_for_itself(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '-' || ch == '.' || ch == '_' || ch == '~';
}

static char *
put_encoded(char *p, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    p[0] = '%';
    p[1] = digits[byte >> 4];
    p[2] = digits[byte & 15];
    return p + 3;
}

size_t
uri_encode(struct span text, char *out)
{
    char *p = out;
    for (size_t i = 0; i < text.len; i++) {
        if (stands_for_itself(text.ptr[i])) {
            *p++ = text.ptr[i];
        } else {
            p = put_encoded(p, (unsigned char)text.ptr[i]);
        }
    }
    return (size_t)(p - out);
}

size_t
uri_encode_blanks(struct span text, char *out)
{
    char *p = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte <= ' ' || byte == 0x7f) {
            p = put_encoded(p, byte);
        } else {
            *p++ = text.ptr[i];
        }
    }
    return (size_t)(p - out);
}
