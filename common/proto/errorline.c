#include "common/proto/errorline.h"

#include "common/core/assert.h"

static const struct span lines[] = {[PROTO_OK] = {"", 0},
#define X(id, text) [PROTO_ERR_##id] = {text "\r\n", sizeof(text) + 1},
                                    PROTO_ERRORS(X)
#undef X
};

struct span
error_line(enum proto_error error)
{
    ASSERT((size_t)error < sizeof(lines) / sizeof(lines[0]));
    return lines[error];
}
