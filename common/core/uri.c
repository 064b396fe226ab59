#include "common/core/uri.h"

static bool
stands_for_itself(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '-' || ch == '.' || ch == '_' || ch == '~';
}

size_t
uri_encode(struct span text, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *p = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (stands_for_itself(text.ptr[i])) {
            *p++ = text.ptr[i];
        } else {
            *p++ = '%';
            *p++ = digits[byte >> 4];
            *p++ = digits[byte & 15];
        }
    }
    return (size_t)(p - out);
}
