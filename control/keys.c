#include "control/keys.h"
#include "common/core/assert.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const paths[] = {
#define X(id, path) path,
    KEY_FAMILIES(X)
#undef X
};

static bool
name_byte_ok(unsigned char c)
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
        if (!name_byte_ok((unsigned char)name.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* Families whose path ends in a slash hold one key for each name. */
static bool
is_folder(const char *path)
{
    return path[strlen(path) - 1] == '/';
}

enum key_family
key_classify(struct span key, struct span *name)
{
    for (unsigned f = 0; f < KEY_FAMILY_COUNT; f++) {
        struct span path = span_cstr(paths[f]);
        if (!span_starts_with(key, path)) {
            continue;
        }
        *name = span_skip(key, path.len);
        if (is_folder(paths[f]) ? name_ok(*name) : name->len == 0) {
            return (enum key_family)f;
        }
    }
    return KEY_FAMILY_COUNT;
}

struct key
key_make(enum key_family family, struct span name)
{
    ASSERT(is_folder(paths[family]) ? name_ok(name) : name.len == 0);

    struct key key;
    snprintf(key.text, sizeof(key.text), "%s%.*s", paths[family], SPAN_FMT(name));
    return key;
}

struct key
key_hist(uint64_t epoch)
{
    /* Padded, so that keys sort by epoch. */
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof(name), "%020" PRIu64, epoch);
    return key_make(KEY_HIST, span_cstr(name));
}

const char *
key_path(enum key_family family)
{
    return paths[family];
}

bool
key_prefix(struct span cluster, char *out)
{
    if (!name_ok(cluster)) {
        return false;
    }
    snprintf(out, PREFIX_MAX_BYTES, "/memfleet/v1/%.*s/", SPAN_FMT(cluster));
    return true;
}
