#include "control/deflate.h"

#include <zlib.h>

#define STEP_BYTES 65536

bool
deflate_span(struct span in, struct buf *out)
{
    uLongf bytes = compressBound(in.len);
    char *to = buf_room(out, bytes);
    if (to == NULL ||
        compress2((Bytef *)to, &bytes, (const Bytef *)in.ptr, in.len, Z_BEST_COMPRESSION) != Z_OK) {
        return false;
    }
    buf_grew(out, bytes);
    return true;
}

static bool
inflate_all(z_stream *z, size_t max_bytes, struct buf *out)
{
    size_t before = buf_len(out);
    for (;;) {
        char *to = buf_room(out, STEP_BYTES);
        if (to == NULL) {
            return false;
        }
        z->next_out = (Bytef *)to;
        z->avail_out = STEP_BYTES;
        int status = inflate(z, Z_NO_FLUSH);
        buf_grew(out, STEP_BYTES - z->avail_out);
        if (buf_len(out) - before > max_bytes) {
            return false;
        }
        if (status == Z_STREAM_END) {
            return z->avail_in == 0;
        }
        if (status != Z_OK) {
            return false;
        }
    }
}

bool
inflate_span(struct span in, size_t max_bytes, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)in.ptr, .avail_in = (uInt)in.len};
    if (in.len > UINT32_MAX || inflateInit(&z) != Z_OK) {
        return false;
    }
    size_t before = buf_len(out);
    bool ok = inflate_all(&z, max_bytes, out);
    inflateEnd(&z);
    if (!ok) {
        out->tail -= buf_len(out) - before;
    }
    return ok;
}
