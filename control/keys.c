#include "control/keys.h"
#include "common/core/assert.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const paths[] = {
#define X(id, path) path,
    KEY_FAMILIES(X)
#undef X
};

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
