#include "common/core/name.h"

static bool
byte_ok(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:@-", c) != NULL);
}

bool
name_ok(struct span name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!byte_ok((unsigned char)name.ptr[i])) {
            return false;
        }
    }
    return true;
}
