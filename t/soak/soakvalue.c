#include "t/soak/soakvalue.h"
#include "common/core/assert.h"
#include "common/core/num.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Pieces are windows into one block of noise, so that making and comparing one
 * is a memcpy or memcmp. */
#define NOISE_BYTES (2 * SOAK_PIECE_MAX)

static char noise[NOISE_BYTES];

static void
noise_make(void)
{
    uint64_t x = 0x2545f4914f6cdd1du;
    for (size_t i = 0; i < NOISE_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (char)(x >> 32);
    }
}

static uint64_t
mix(uint32_t id, uint32_t seq)
{
    uint64_t x = ((uint64_t)id << 32 | seq) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 29;
}

static const char *
noise_of(uint32_t id, uint32_t seq)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, noise_make);
    return noise + mix(id, seq) % (NOISE_BYTES - SOAK_PIECE_MAX);
}

enum soak_class
soak_class(uint32_t id)
{
    switch (id % 8) {
    case 0:
    case 1: return SOAK_SMALL;
    case 2: return SOAK_NUMBER;
    default: return SOAK_BLOB;
    }
}

bool
soak_wild(uint32_t id)
{
    return id % 64 == 2;
}

size_t
soak_key(uint32_t id, char *out)
{
    char head[16];
    int n = snprintf(head, sizeof(head), "k%08x", id);
    uint64_t odd = mix(id, 0);
    size_t len = (size_t)n;
    if (odd % 16 == 0) {
        len = SOAK_KEY_MAX;
    } else if (odd % 4 == 0) {
        len += odd >> 8 & 63;
    }
    memcpy(out, head, (size_t)n);
    memset(out + n, odd % 3 == 0 ? 0xe4 : '.', len - (size_t)n);
    return len;
}

uint64_t
soak_flags(uint32_t id, uint32_t seq)
{
    uint64_t flags = mix(id, seq);
    switch (seq % 4) {
    case 0: return 0;
    case 1: return flags | 1ull << 63;
    default: return flags >> 32 | 1;
    }
}

/* The key's number stands in the high digits, so that a counter says whose it
 * is whatever was added to it. */
uint64_t
soak_number(uint32_t id, uint32_t seq)
{
    return (uint64_t)(id + 1) * 10000000000u + 1000000000u + seq % 1000000000u;
}

size_t
soak_content_bytes(const struct soak_content *content)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < content->count; i++) {
        bytes += content->pieces[i].bytes;
    }
    return bytes;
}

/* --- pieces ------------------------------------------------------------------ */
/* "key.seq.bytes.rest\n", the rest being a check of the three before it. */
static void
piece_head(uint32_t id, struct soak_piece piece, char *out)
{
    char text[SOAK_PIECE_MIN + 1];
    uint64_t check = mix(id ^ piece.bytes, piece.seq);
    snprintf(text, sizeof(text), "%08x.%08x.%06x.%06x\n", id, piece.seq, piece.bytes,
             (unsigned)(check >> 40));
    memcpy(out, text, SOAK_PIECE_MIN);
}

static void
small_bytes(uint32_t id, uint32_t seq, char *out)
{
    memcpy(out, noise_of(id, seq), SOAK_SMALL_MAX);
}

void
soak_piece_put(uint32_t id, struct soak_piece piece, struct buf *out)
{
    char *room = buf_room(out, piece.bytes + SOAK_PIECE_MIN);
    ASSERT(room != NULL);
    if (soak_class(id) == SOAK_SMALL) {
        small_bytes(id, piece.seq, room);
    } else {
        piece_head(id, piece, room);
        memcpy(room + SOAK_PIECE_MIN, noise_of(id, piece.seq), piece.bytes - SOAK_PIECE_MIN);
    }
    buf_grew(out, piece.bytes);
}

static bool
piece_equals(uint32_t id, struct soak_piece piece, const char *p)
{
    char head[SOAK_PIECE_MIN];
    if (soak_class(id) == SOAK_SMALL) {
        small_bytes(id, piece.seq, head);
        return memcmp(p, head, piece.bytes) == 0;
    }
    piece_head(id, piece, head);
    return memcmp(p, head, sizeof(head)) == 0 &&
           memcmp(p + sizeof(head), noise_of(id, piece.seq), piece.bytes - sizeof(head)) == 0;
}

/* A number that became shorter has blanks behind it. */
static bool
number_equals(uint64_t number, struct span value)
{
    uint64_t there;
    while (value.len > 1 && value.ptr[value.len - 1] == ' ') {
        value.len--;
    }
    return num_parse_u64(value, &there) && there == number;
}

bool
soak_content_equals(uint32_t id, const struct soak_content *content, struct span value)
{
    if (soak_class(id) == SOAK_NUMBER) {
        return number_equals(content->number, value);
    }
    if (value.len != soak_content_bytes(content)) {
        return false;
    }
    const char *p = value.ptr;
    for (unsigned i = 0; i < content->count; i++) {
        if (!piece_equals(id, content->pieces[i], p)) {
            return false;
        }
        p += content->pieces[i].bytes;
    }
    return true;
}

/* --- for readers --------------------------------------------------------------- */

static bool
read_pieces(uint32_t id, struct span value, struct soak_content *out)
{
    while (value.len > 0) {
        char head[SOAK_PIECE_MIN + 1] = {0};
        struct soak_piece piece;
        uint32_t named;
        if (value.len < SOAK_PIECE_MIN || out->count == SOAK_PIECES_MAX) {
            return false;
        }
        memcpy(head, value.ptr, SOAK_PIECE_MIN);
        if (sscanf(head, "%8x.%8x.%6x.", &named, &piece.seq, &piece.bytes) != 3 || named != id ||
            piece.bytes < SOAK_PIECE_MIN || piece.bytes > value.len ||
            !piece_equals(id, piece, value.ptr)) {
            return false;
        }
        out->pieces[out->count++] = piece;
        value = span_skip(value, piece.bytes);
    }
    return true;
}

static bool
read_small(uint32_t id, struct span value, uint32_t from, uint32_t to, struct soak_content *out)
{
    for (uint32_t seq = to; value.len <= SOAK_SMALL_MAX && seq >= from && seq > 0; seq--) {
        struct soak_piece piece = {seq, (uint32_t)value.len};
        if (piece_equals(id, piece, value.ptr) &&
            (out->flags == 0 || out->flags == soak_flags(id, seq))) {
            out->pieces[out->count++] = piece;
            return true;
        }
    }
    return false;
}

static bool
read_number(uint32_t id, struct span value, struct soak_content *out)
{
    while (value.len > 1 && value.ptr[value.len - 1] == ' ') {
        value.len--;
    }
    return num_parse_u64(value, &out->number) &&
           (soak_wild(id) || out->number / 10000000000u == id + 1);
}

/* `out->flags` is what was received. append keeps the flags of what it is
 * appended to. */
static bool
flags_possible(uint32_t id, uint64_t flags, uint32_t to)
{
    for (uint32_t seq = to; flags != 0 && seq > 0 && to - seq < SOAK_FLAGS_CHECK; seq--) {
        if (flags == soak_flags(id, seq)) {
            return true;
        }
    }
    return flags == 0;
}

bool
soak_content_read(uint32_t id, struct span value, uint32_t from, uint32_t to,
                  struct soak_content *out)
{
    out->count = 0;
    switch (soak_class(id)) {
    case SOAK_BLOB: return read_pieces(id, value, out) && flags_possible(id, out->flags, to);
    case SOAK_SMALL: return read_small(id, value, from, to, out);
    case SOAK_NUMBER: return read_number(id, value, out) && flags_possible(id, out->flags, to);
    }
    return false;
}

uint32_t
soak_content_seq(const struct soak_content *content)
{
    uint32_t seq = 0;
    for (unsigned i = 0; i < content->count; i++) {
        seq = content->pieces[i].seq > seq ? content->pieces[i].seq : seq;
    }
    return seq;
}
