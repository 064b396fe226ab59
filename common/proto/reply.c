#include "common/proto/reply.h"

#include "common/core/assert.h"
#include "common/core/num.h"
#include "common/proto/request.h"
#include "common/proto/scan.h"

static const struct span words[] = {
#define X(id, word) {word, sizeof(word) - 1},
    PROTO_REPLIES(X)
#undef X
};

const char *
reply_word(enum reply_kind kind)
{
    return kind < REPLY_NUMBER ? words[kind].ptr : "";
}

enum reply_shape
reply_shape_of(enum proto_command cmd)
{
    ASSERT(cmd < CMD_COUNT);
    if (command_shape(cmd) == SHAPE_GET) {
        return REPLY_SHAPE_VALUES;
    }
    return cmd == CMD_STATS ? REPLY_SHAPE_STATS : REPLY_SHAPE_LINE;
}

static bool
is_number(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return s.len > 0;
}

/* See find_of_length() in command.c. */
static inline __attribute__((always_inline)) enum reply_kind
kind_of_length(const char *word, size_t len)
{
#define X(id, text)                                                                                \
    if (sizeof(text) - 1 == len && memcmp(word, text, sizeof(text) - 1) == 0) {                    \
        return REPLY_##id;                                                                         \
    }
    PROTO_REPLIES(X)
#undef X
    return REPLY_OTHER;
}

static enum reply_kind
find_kind(struct span word)
{
    switch (word.len) {
    case 2: return kind_of_length(word.ptr, 2);
    case 3: return kind_of_length(word.ptr, 3);
    case 4: return kind_of_length(word.ptr, 4);
    case 5: return kind_of_length(word.ptr, 5);
    case 6: return kind_of_length(word.ptr, 6);
    case 7: return kind_of_length(word.ptr, 7);
    case 9: return kind_of_length(word.ptr, 9);
    case 10: return kind_of_length(word.ptr, 10);
    case 12: return kind_of_length(word.ptr, 12);
    default: return REPLY_OTHER;
    }
}

/* VALUE <key> <flags> <bytes> [<cas>] */
static bool
parse_value_line(struct cursor c, struct reply_piece *piece, uint64_t *bytes)
{
    if (scan_word(&c, &piece->key) != WORD_OK || piece->key.len > KEY_MAX_BYTES ||
        scan_u64(&c, &piece->flags) != WORD_OK || scan_u64(&c, bytes) != WORD_OK) {
        return false;
    }
    switch (scan_u64(&c, &piece->cas)) {
    case WORD_NONE: piece->has_cas = false; return true;
    case WORD_OK: piece->has_cas = true; return c.at == c.end;
    case WORD_BAD: return false;
    }
    return false;
}

/* May this line stand in such a reply, and does it end it? A line that may not
 * is the sign that replies and requests are out of step. */
static bool
fits_shape(enum reply_kind kind, enum reply_shape shape, bool *final)
{
    *final = true;
    switch (shape) {
    case REPLY_SHAPE_LINE: return kind != REPLY_VALUE && kind != REPLY_STAT && kind != REPLY_END;
    case REPLY_SHAPE_VALUES:
        *final = kind != REPLY_VALUE;
        return kind == REPLY_VALUE || kind == REPLY_END || reply_is_error(kind);
    case REPLY_SHAPE_STATS:
        /* OTHER: `stats detail dump` and `stats cachedump` have lines of their own. */
        *final = kind != REPLY_STAT && kind != REPLY_OTHER;
        return kind == REPLY_STAT || kind == REPLY_OTHER || kind == REPLY_END ||
               kind == REPLY_RESET || kind == REPLY_OK || reply_is_error(kind);
    }
    UNREACHABLE();
}

/* The value block behind a line of `line_bytes`. */
static enum reply_status
take_block(struct reply_parser *p, struct span input, size_t line_bytes, uint64_t bytes,
           uint64_t value_max, struct reply_piece *piece)
{
    if (bytes > value_max || bytes > SIZE_MAX - line_bytes - 2) {
        return REPLY_GARBAGE;
    }
    size_t total = line_bytes + (size_t)bytes + 2;
    if (input.len < total) {
        p->scanned = line_bytes - 1; /* where the line's end will be found at once */
        p->need = total;
        return REPLY_NEED_MORE;
    }
    if (memcmp(input.ptr + total - 2, "\r\n", 2) != 0) {
        return REPLY_GARBAGE;
    }
    piece->value = (struct span){input.ptr + line_bytes, (size_t)bytes};
    piece->raw.len = total;
    *p = REPLY_PARSER_INIT;
    return REPLY_PIECE;
}

static enum reply_status
parse_value(struct reply_parser *p, struct span input, struct cursor c, uint64_t value_max,
            struct reply_piece *piece)
{
    uint64_t bytes;
    return parse_value_line(c, piece, &bytes)
               ? take_block(p, input, piece->raw.len, bytes, value_max, piece)
               : REPLY_GARBAGE;
}

static enum reply_status
parse_line(struct reply_parser *p, struct span input, enum reply_shape shape, uint64_t value_max,
           struct reply_piece *piece)
{
    struct cursor c = {piece->line.ptr, piece->line.ptr + piece->line.len};
    if (shape == REPLY_SHAPE_VALUES && span_starts_with(piece->line, SPAN_LIT("VALUE "))) {
        piece->kind = REPLY_VALUE; /* what mostly comes need not be looked up */
        piece->final = false;
        c.at += sizeof("VALUE") - 1;
        return parse_value(p, input, c, value_max, piece);
    }
    c.at = scan_key_bytes(c.at, c.end);
    struct span word = {piece->line.ptr, (size_t)(c.at - piece->line.ptr)};
    if (word.len == 0 || (c.at != c.end && *c.at != ' ')) {
        return REPLY_GARBAGE;
    }
    piece->kind = find_kind(word);
    if (piece->kind == REPLY_OTHER && is_number(word)) {
        piece->kind = REPLY_NUMBER;
    }
    if (!fits_shape(piece->kind, shape, &piece->final)) {
        return REPLY_GARBAGE;
    }
    if (piece->kind == REPLY_VALUE) {
        return REPLY_GARBAGE; /* without a blank behind it */
    }
    if (piece->kind == REPLY_VA) {
        uint64_t bytes;
        return scan_u64(&c, &bytes) == WORD_OK
                   ? take_block(p, input, piece->raw.len, bytes, value_max, piece)
                   : REPLY_GARBAGE;
    }
    *p = REPLY_PARSER_INIT;
    return REPLY_PIECE;
}

/* --- what comes most often ------------------------------------------------- */

#define PLAIN_DIGITS_MAX 19 /* no such number exceeds 64 bits */

/* A blank and a number. */
static inline bool
plain_number(const char **at, const char *end, uint64_t *out)
{
    const char *p = *at;
    if (p == end || *p != ' ') {
        return false;
    }
    const char *digits = ++p;
    uint64_t v = 0;
    for (; p < end && (unsigned char)(*p - '0') <= 9; p++) {
        v = v * 10 + (unsigned char)(*p - '0');
    }
    *at = p;
    *out = v;
    return p != digits && p - digits <= PLAIN_DIGITS_MAX;
}

/* A VALUE that is there whole and has nothing unusual about it, in one pass. */
static bool
take_plain_value(struct span input, uint64_t value_max, struct reply_piece *piece)
{
    const char *p = input.ptr, *end = p + input.len;
    if (input.len < 6 || memcmp(p, "VALUE ", 6) != 0) {
        return false;
    }
    const char *key = p + 6;
    uint64_t flags, bytes, cas = 0;
    p = scan_key_bytes(key, end);
    size_t key_bytes = (size_t)(p - key);
    if (key_bytes == 0 || key_bytes > KEY_MAX_BYTES || !plain_number(&p, end, &flags) ||
        !plain_number(&p, end, &bytes) || bytes > value_max) {
        return false;
    }
    bool has_cas = p < end && *p == ' ';
    if (has_cas && !plain_number(&p, end, &cas)) {
        return false;
    }
    size_t left = (size_t)(end - p);
    if (left < 4 || bytes > left - 4 || memcmp(p, "\r\n", 2) != 0 ||
        memcmp(p + 2 + bytes, "\r\n", 2) != 0) {
        return false;
    }
    size_t line_bytes = (size_t)(p - input.ptr);
    *piece = (struct reply_piece){
        .kind = REPLY_VALUE,
        .raw = {input.ptr, line_bytes + 2 + (size_t)bytes + 2},
        .line = {input.ptr, line_bytes},
        .key = {key, key_bytes},
        .value = {p + 2, (size_t)bytes},
        .flags = flags,
        .cas = cas,
        .has_cas = has_cas,
    };
    return true;
}

static inline bool
take_plain_line(struct span input, struct span line, enum reply_kind kind,
                struct reply_piece *piece)
{
    if (input.len < line.len || memcmp(input.ptr, line.ptr, line.len) != 0) {
        return false;
    }
    *piece = (struct reply_piece){
        .kind = kind,
        .final = true,
        .raw = {input.ptr, line.len},
        .line = {input.ptr, line.len - 2},
    };
    return true;
}

/* Takes what it knows at a glance; of all else the general way decides what it is. */
static bool
take_plain(struct span input, enum reply_shape shape, uint64_t value_max, struct reply_piece *piece)
{
    switch (shape) {
    case REPLY_SHAPE_VALUES:
        return take_plain_value(input, value_max, piece) ||
               take_plain_line(input, SPAN_LIT("END\r\n"), REPLY_END, piece);
    case REPLY_SHAPE_LINE:
        return take_plain_line(input, SPAN_LIT("STORED\r\n"), REPLY_STORED, piece) ||
               take_plain_line(input, SPAN_LIT("HD\r\n"), REPLY_HD, piece);
    case REPLY_SHAPE_STATS: return false;
    }
    UNREACHABLE();
}

/* --- any reply ------------------------------------------------------------- */

enum reply_status
reply_parse(struct reply_parser *p, struct span input, enum reply_shape shape, uint64_t value_max,
            struct reply_piece *piece)
{
    ASSERT(p->scanned <= input.len);

    if (p->scanned == 0 && take_plain(input, shape, value_max, piece)) {
        return REPLY_PIECE;
    }

    if (input.len < p->need || input.len == p->scanned) {
        return REPLY_NEED_MORE;
    }
    if (shape == REPLY_SHAPE_VALUES && span_starts_with(input, SPAN_LIT("END\r\n"))) {
        *p = REPLY_PARSER_INIT;
        *piece = (struct reply_piece){
            .kind = REPLY_END, .final = true, .raw = {input.ptr, 5}, .line = {input.ptr, 3}};
        return REPLY_PIECE;
    }
    const char *newline = memchr(input.ptr + p->scanned, '\n', input.len - p->scanned);
    if (newline == NULL) {
        p->scanned = input.len;
        return input.len > REPLY_LINE_MAX ? REPLY_GARBAGE : REPLY_NEED_MORE;
    }
    size_t len = (size_t)(newline - input.ptr);
    if (len > REPLY_LINE_MAX || len < 2 || newline[-1] != '\r') {
        return REPLY_GARBAGE;
    }
    piece->raw = (struct span){input.ptr, len + 1};
    piece->line = (struct span){input.ptr, len - 1};
    piece->key = (struct span){NULL, 0};
    piece->value = (struct span){NULL, 0};
    piece->flags = 0;
    piece->cas = 0;
    piece->has_cas = false;
    return parse_line(p, input, shape, value_max, piece);
}
