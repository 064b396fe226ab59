#include "cached/store/image_segment.h"
#include "common/core/hash.h"

static uint64_t
seed_of(const struct image_segment *is)
{
    return hash_span_seeded(span_make(&is->base, sizeof(is->base)), is->number);
}

uint64_t
image_segment_checksum(const struct image_segment *is, const char *memory)
{
    return hash_span_seeded(span_make(memory, is->end), seed_of(is));
}

static bool
read_in_pieces(const struct segments *s, const struct image_segment *is, uint64_t from, char *room,
               uint64_t *checksum)
{
    XXH3_state_t sum;
    XXH3_INITSTATE(&sum);
    XXH3_64bits_reset_withSeed(&sum, seed_of(is));
    for (uint32_t at = 0, n; at < is->end; at += n) {
        n = is->end - at < s->segment_bytes ? is->end - at : s->segment_bytes;
        if (!memory_file_read(s->file, from + at, room, n)) {
            return false;
        }
        XXH3_64bits_update(&sum, room, n);
    }
    *checksum = XXH3_64bits_digest(&sum);
    return true;
}

bool
image_segment_read(const struct segments *s, const struct image_segment *is, char *room,
                   uint64_t *checksum)
{
    uint64_t from = (uint64_t)is->number << s->segment_shift;
    if (is->end > s->segment_bytes) {
        return read_in_pieces(s, is, from, room, checksum) &&
               memory_file_read(s->file, from, room, s->segment_bytes);
    }
    if (!memory_file_read(s->file, from, room, is->end)) {
        return false;
    }
    *checksum = image_segment_checksum(is, room);
    return true;
}
