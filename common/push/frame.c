#include "common/push/frame.h"

#include <arpa/inet.h>

#define LENGTH_BYTES 4
#define LENGTH_MIN   (FRAME_HEAD_BYTES - LENGTH_BYTES)
#define LENGTH_MAX   (FRAME_BYTES_MAX - LENGTH_BYTES)

enum frame_status
frame_parse(struct span input, struct frame *out)
{
    if (input.len < LENGTH_BYTES) {
        return FRAME_NEED_MORE;
    }
    uint32_t length;
    memcpy(&length, input.ptr, sizeof(length));
    length = ntohl(length);
    if (length < LENGTH_MIN || length > LENGTH_MAX) {
        return FRAME_BAD;
    }
    size_t bytes = (size_t)length + LENGTH_BYTES;
    if (input.len < bytes) {
        return FRAME_NEED_MORE;
    }
    *out = (struct frame){
        .type = (uint8_t)input.ptr[LENGTH_BYTES],
        .flags = (uint8_t)input.ptr[LENGTH_BYTES + 1],
        .body = span_make(input.ptr + FRAME_HEAD_BYTES, bytes - FRAME_HEAD_BYTES),
        .bytes = bytes,
    };
    return FRAME_OK;
}

bool
frame_put(struct buf *out, enum frame_type type, struct span body)
{
    if (body.len > FRAME_BYTES_MAX - FRAME_HEAD_BYTES) {
        return false;
    }
    char *to = buf_room(out, FRAME_HEAD_BYTES + body.len);
    if (to == NULL) {
        return false;
    }
    uint32_t length = htonl((uint32_t)body.len + LENGTH_MIN);
    memcpy(to, &length, sizeof(length));
    to[LENGTH_BYTES] = (char)type;
    to[LENGTH_BYTES + 1] = 0;
    if (body.len > 0) {
        memcpy(to + FRAME_HEAD_BYTES, body.ptr, body.len);
    }
    buf_grew(out, FRAME_HEAD_BYTES + body.len);
    return true;
}

const char *
frame_type_name(unsigned type)
{
    switch (type) {
#define X(id, number, name)                                                                        \
    case number: return name;
        FRAME_TYPES(X)
#undef X
    }
    return "unknown";
}
