/* request.h - reads memcached's text and meta requests from a byte stream.
 * Written once; node and proxy both read clients with it.
 *
 * A request is a line, and for the storage commands a value block of a length
 * that the line gives. This room parses the line and says how long the block
 * is; the caller moves the block's bytes where it wants them (a node straight
 * into the item, a proxy into its buffer), so a large value is never copied
 * here and the parser holds no bytes of its own.
 *
 *     for (;;) {
 *         switch (request_parse(&parser, input, &request)) {
 *         case PARSE_NEED_MORE:  read more, call again with the longer input
 *         case PARSE_OK:         consume request.line_bytes, then take
 *                                request.block_bytes (value + CRLF) if any
 *         case PARSE_ERROR:      answer error_line(request.error) unless
 *                                request.noreply; consume request.line_bytes
 *                                and throw away request.block_bytes that follow
 *         case PARSE_CLOSE:      answer request.error if there is one, or
 *                                request.binary_reply; close
 *         }
 *     }
 *
 * Any split of the bytes gives the same result: input must always begin at the
 * first byte not yet consumed. Pure, no allocation. One parser per connection,
 * used by one thread. Spans in a request point into `input`; the decoded key
 * points into the request itself, so a request is not copied by assignment. */
#pragma once
#include "common/proto/command.h"
#include "common/proto/errorline.h"

#include <stdint.h>

#define KEY_MAX_BYTES          250
#define REQUEST_LINE_MAX       65536 /* key lines of get, gets, gat, gats, mg */
#define REQUEST_LINE_MAX_OTHER 2048
#define META_FLAGS_MAX         18 /* with verb and key 20 words, memcached's limit */
#define OPAQUE_MAX_BYTES       31
#define REQUEST_VALUE_MAX      2147483645 /* longer <bytes> are malformed */

/* --- meta flags --------------------------------------------------------- */
struct meta_flag {
    char letter;
    struct span arg; /* bytes behind the letter, maybe none */
};

enum meta_mode { /* of ms and ma */
    MODE_DEFAULT, /* ms: set, ma: incr */
    MODE_SET,
    MODE_ADD,
    MODE_REPLACE,
    MODE_APPEND,
    MODE_PREPEND,
    MODE_INCR,
    MODE_DECR,
};

struct meta_args {
    uint64_t present;                    /* meta_bit(letter) of every flag given */
    unsigned count;
    struct meta_flag flags[META_FLAGS_MAX]; /* in the order given: replies keep it */
    enum meta_mode mode;
    int64_t ttl;         /* T */
    int64_t vivify_ttl;  /* N */
    int64_t recache_ttl; /* R */
    uint64_t client_flags; /* F */
    uint64_t cas;        /* C: compare */
    uint64_t new_cas;    /* E: the CAS value to store */
    uint64_t delta;      /* D, 1 if not given */
    uint64_t initial;    /* J, 0 if not given */
    struct span opaque;  /* O */
};

static inline uint64_t
meta_bit(char letter)
{
    unsigned i = letter >= 'a' ? (unsigned)(letter - 'a') : 26u + (unsigned)(letter - 'A');
    return i < 52 ? 1ull << i : 0;
}

static inline bool
meta_has(const struct meta_args *m, char letter)
{
    return (m->present & meta_bit(letter)) != 0;
}

/* --- a request ----------------------------------------------------------- */
struct request {
    enum proto_command cmd; /* CMD_UNKNOWN when the verb is */
    enum proto_error error; /* with PARSE_ERROR and PARSE_CLOSE */
    bool noreply;           /* the client expects no bytes at all (text only) */
    bool quiet;             /* meta q */
    bool binary_key;        /* meta b: wire_key is base64 of key */
    bool binary_reply;      /* with PARSE_CLOSE: answer binary_refusal() first */

    size_t line_bytes;   /* the command line with its newline */
    uint64_t block_bytes; /* what follows the line: value_bytes + 2, else 0 */
    uint64_t value_bytes;

    struct span line;     /* the command line without CR and LF */
    struct span bare;     /* the same without noreply and words that mean nothing */
    struct span key;      /* decoded: 1..KEY_MAX_BYTES bytes. SHAPE_GET: the first key */
    struct span wire_key; /* as it stands on the line */
    struct span keys;     /* SHAPE_GET: from the first key to the end of the line */
    unsigned key_count;   /* SHAPE_GET: so many they are; valid only on PARSE_OK */

    uint64_t flags;    /* SHAPE_STORE */
    int64_t exptime;   /* SHAPE_STORE, SHAPE_TOUCH, gat, gats, flush_all; as given (not yet
                        * absolute) */
    uint64_t cas;      /* cas */
    uint64_t delta;    /* SHAPE_ARITH */
    struct meta_args meta;
    char key_room[KEY_MAX_BYTES + 2];
};

struct request_parser {
    size_t scanned; /* bytes of input already searched for a newline */
};
#define REQUEST_PARSER_INIT ((struct request_parser){0})

enum parse_status { PARSE_OK, PARSE_NEED_MORE, PARSE_ERROR, PARSE_CLOSE };

/* See the top. On PARSE_NEED_MORE nothing in *request is valid. Otherwise the
 * fields up to `keys` are, spans that do not apply being empty; those behind
 * them only on PARSE_OK and for the shapes named beside them (it would cost more
 * to clear them than to parse a get).
 *
 * PARSE_CLOSE is for lines after which nobody can say where the next command
 * begins: a storage command without a usable length, a line that does not end,
 * another protocol. A client that asked for no reply is closed without a line,
 * so request.error is PROTO_OK there. */
enum parse_status request_parse(struct request_parser *p, struct span input,
                                struct request *request);

/* SHAPE_GET: takes the next key off *keys (start with request->keys). All keys
 * of a request that was PARSE_OK are valid; false after the last. */
bool request_next_key(struct span *keys, struct span *key);

/* SHAPE_ADMIN: the words behind the verb, at most `max`; returns how many there
 * are in all. noreply counts as a word. The delay of flush_all is already in
 * request->exptime, and verbosity is known to have a number. */
unsigned request_admin_words(const struct request *request, struct span *words, unsigned max);

/* The value block's last two bytes must be CRLF, or the client gets
 * PROTO_ERR_BAD_CHUNK and nothing is stored. */
static inline bool
request_block_ends_well(const char *last_two)
{
    return last_two[0] == '\r' && last_two[1] == '\n';
}

/* The answer to a binary-protocol request, which we do not serve: a response
 * header with status 0x0081 (unknown command) and its text, so that a binary
 * client fails at once and not by timeout. `input` begins with the 0x80 byte;
 * opcode and opaque are echoed as far as they have arrived. Returns the length
 * written to `out` (64 bytes of room). */
size_t binary_refusal(struct span input, char *out);

/* --- composing towards a backend ------------------------------------------ */
struct buf;

/* Appends the request's line as a backend shall see it: noreply and meta q
 * taken out, so that every request has exactly one reply to match by position,
 * and so are surplus words, which older memcacheds take for an error; all else,
 * flag order and opaque included, as the client wrote it. The value block, if
 * any, is the caller's to append. SHAPE_GET: see request_put_get_begin(). False
 * when the system has no memory, as for the three below. */
bool request_put_line(struct buf *out, const struct request *request);

/* A request that deletes `key`, which may be any bytes: `delete`, or `md` with
 * its base64. *cmd says which. */
bool request_put_delete(struct buf *out, struct span key, enum proto_command *cmd);

/* "<verb> [<exptime>] <key>..." in pieces: begin, then each key, then end. */
bool request_put_get_begin(struct buf *out, const struct request *request);
bool request_put_get_key(struct buf *out, struct span key);
bool request_put_get_end(struct buf *out);
