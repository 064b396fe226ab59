/* form.h - what a read wants to be told of an item, and the telling. Pure.
 *
 * Reads of one key differ in what they want to know and in how it is written:
 * `get` without the CAS value, `gets` with it, `mg` with any of a dozen flags in
 * any order. A form is the set of what is wanted; a read may share the answer of
 * another whose form covers its own, and is told from that answer in its own
 * words: its opaque, its order of flags, nothing if it is quiet and the key is
 * missing.
 *
 * Text and meta reads do not share: a text reply does not tell that an item is
 * stale. */
#pragma once
#include "common/core/base64.h"
#include "common/proto/reply.h"
#include "common/proto/request.h"

struct buf;

/* clang-format off */
/*    id      mg's flag: returned as a word of the reply */
#define FORM_WORDS(X)                                                                              \
    X(FLAGS,  'f')                                                                                 \
    X(SIZE,   's')                                                                                 \
    X(CAS,    'c') /* of text: gets */                                                             \
    X(TTL,    't')                                                                                 \
    X(KEY,    'k')
/* clang-format on */

enum form_word {
#define X(id, letter) FORM_WORD_##id,
    FORM_WORDS(X)
#undef X
        FORM_WORD_COUNT,
};

enum form_bit {
#define X(id, letter) FORM_##id = 1 << FORM_WORD_##id,
    FORM_WORDS(X)
#undef X
        FORM_VALUE = 1 << FORM_WORD_COUNT, /* mg v */
    FORM_TEXT = FORM_VALUE << 1,           /* get, gets */
    FORM_META = FORM_TEXT << 1,            /* mg */
};
#define FORM_NONE 0 /* may not be shared */

/* The form of a request, of each of its keys. FORM_NONE if answering it changes
 * anything, or tells what depends on who asks when. */
uint8_t form_of(const struct request *r);

/* Of an mg all of whose flags are among those that may be shared: b, q, v, O and the words'. */
static inline uint8_t
form_of_mg_flags(uint64_t present)
{
    unsigned form = FORM_META | ((present & meta_bit('v')) != 0 ? FORM_VALUE : 0);
#define X(id, letter) form |= (present & meta_bit(letter)) != 0 ? FORM_##id : 0;
    FORM_WORDS(X)
#undef X
    return (uint8_t)form;
}

/* May it change the item, or what is told of it? Not so reads that may not be
 * shared only because they ask for more. */
bool form_changes_item(const struct request *r);

static inline bool
form_covers(uint8_t have, uint8_t want)
{
    return (have & want) == want;
}

/* A request of this form for the key, as one of ours would be. False when the
 * system has no memory. */
bool form_put_request(struct buf *out, uint8_t form, struct span key);

/* "<verb> <key>[ <rest>][ b]", the key in base64 if it must be. */
bool form_put_meta_line(struct buf *out, const char *verb, struct span key, const char *rest);

/* An answer, taken apart. Spans point into the piece. */
struct fetched {
    enum reply_kind kind;               /* VALUE, VA, HD; END, EN: a miss; else an error line */
    struct span line;                   /* of an error, without CRLF */
    struct span value;                  /* VALUE, VA; its CRLF stands behind it */
    uint64_t flags, cas;                /* VALUE */
    struct span words[FORM_WORD_COUNT]; /* VA, HD: with their letters; empty if not told */
    bool key_is_binary;                 /* the key's word is base64, and `b` follows it */
    bool won, stale, taken;             /* VA, HD: W, X, Z */
};

void fetched_read(const struct reply_piece *piece, struct fetched *out);

/* A hit of an mg with `v f`, and `c` if the CAS value is wanted, as `get` or `gets`
 * would have brought it. */
void fetched_as_text(struct fetched *f);

/* As if the node had told the key by this word too; into `word`, of FORM_KEY_WORD_MAX. */
#define FORM_KEY_WORD_MAX (1 + BASE64_ENCODED_BYTES(KEY_MAX_BYTES))
void fetched_set_key(struct fetched *f, struct span key, char *word);

/* Its CAS value, if it was told as a word. */
bool fetched_cas(const struct fetched *f, uint64_t *cas);

/* A number among the words; false if it was not told. */
bool fetched_number(const struct fetched *f, enum form_word word, int64_t *out);

static inline bool
fetched_is_hit(const struct fetched *f)
{
    return f->kind == REPLY_VALUE || f->kind == REPLY_VA || f->kind == REPLY_HD;
}

/* Room for the line before a value. */
#define FORM_HEAD_MAX 1024

/* "VALUE <key> <flags> <bytes>[ <cas>]\r\n" of a hit; returns its length. */
size_t form_text_head(const struct fetched *f, struct span key, bool with_cas, char *head);

/* The line of a reply to an mg (VA, HD or EN), with CRLF; if it begins with V,
 * the value follows. `ask` is "<key as on the wire> <flags>". W goes to at
 * most one of those who share an answer: to whom `may_win`; all others are told
 * Z, as if they had asked a moment later. 0: the reply is hidden. */
size_t form_meta_head(const struct fetched *f, struct span ask, bool may_win, char *head);
