#include "t/chaos/chaosvalue.h"
#include "common/core/num.h"
#include "t/soak/soakvalue.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/param.h>

#define NUMBER_OF_KEY 1000000000000u
#define NUMBER_OF_SEQ 10000u

struct span
chaos_key_name(unsigned key, char *out)
{
    int n = snprintf(out, CHAOS_KEY_MAX, "%s:%u", chaos_is_number(key) ? "count" : "blob", key);
    return span_make(out, (size_t)n);
}

unsigned
chaos_key_of(struct span name)
{
    const char *colon = memchr(name.ptr, ':', name.len);
    uint64_t key;
    char again[CHAOS_KEY_MAX];
    if (colon == NULL || !num_parse_u64(span_skip(name, (size_t)(colon + 1 - name.ptr)), &key) ||
        key >= CHAOS_KEYS_MAX || !span_eq(chaos_key_name((unsigned)key, again), name)) {
        return UINT32_MAX;
    }
    return (unsigned)key;
}

/* A number of soakvalue.h that stands for a blob. */
static uint32_t
blob_id(unsigned key)
{
    return key * 8 + 3;
}

void
chaos_value_put(struct buf *out, unsigned key, uint32_t seq, uint32_t bytes)
{
    if (chaos_is_number(key)) {
        buf_append_u64(out, (uint64_t)(key + 1) * NUMBER_OF_KEY + (uint64_t)seq * NUMBER_OF_SEQ);
        return;
    }
    bytes = MAX(bytes, SOAK_PIECE_MIN);
    soak_piece_put(blob_id(key), (struct soak_piece){seq, bytes}, out);
}

static bool
read_number(unsigned key, struct span value, struct chaos_seen *seen)
{
    uint64_t number;
    if (!num_parse_u64(value, &number) || number / NUMBER_OF_KEY != key + 1) {
        return false;
    }
    *seen = (struct chaos_seen){.pieces = 1, .is_number = true};
    seen->seqs[0] = (uint32_t)(number % NUMBER_OF_KEY / NUMBER_OF_SEQ);
    seen->count = (uint32_t)(number % NUMBER_OF_SEQ);
    return true;
}

static bool
read_piece(unsigned key, struct span *value, struct chaos_seen *seen)
{
    char head[SOAK_PIECE_MIN + 1] = {0};
    struct soak_content content = {.count = 1};
    struct soak_piece *piece = &content.pieces[0];
    uint32_t id;
    if (value->len < SOAK_PIECE_MIN || seen->pieces == CHAOS_PIECES_MAX) {
        return false;
    }
    memcpy(head, value->ptr, SOAK_PIECE_MIN);
    if (sscanf(head, "%8x.%8x.%6x.", &id, &piece->seq, &piece->bytes) != 3 ||
        piece->bytes < SOAK_PIECE_MIN || piece->bytes > value->len ||
        !soak_content_equals(blob_id(key), &content, span_make(value->ptr, piece->bytes))) {
        return false;
    }
    seen->seqs[seen->pieces++] = piece->seq;
    *value = span_skip(*value, piece->bytes);
    return true;
}

bool
chaos_value_read(unsigned key, struct span value, struct chaos_seen *seen)
{
    if (chaos_is_number(key)) {
        return read_number(key, value, seen);
    }
    seen->pieces = 0;
    seen->is_number = false;
    do {
        if (!read_piece(key, &value, seen)) {
            return false;
        }
    } while (value.len > 0);
    return true;
}
