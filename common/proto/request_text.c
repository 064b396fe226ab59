/* The classic text commands. Each parser reads its words once, left to right;
 * only a line that is refused is looked at again, to say what can be saved of
 * it: whether the client wants no reply, and how many bytes to swallow. */
#include "common/proto/request_shapes.h"

#include "common/core/assert.h"
#include "common/core/num.h"

/* The last word of `rest` is noreply. Words between it and the arguments mean
 * nothing, as in memcached. */
static bool
ends_in_noreply(struct span rest)
{
    static const char word[] = "noreply";
    const size_t len = sizeof(word) - 1;
    while (rest.len > 0 && rest.ptr[rest.len - 1] == ' ') {
        rest.len--;
    }
    return rest.len >= len && memcmp(rest.ptr + rest.len - len, word, len) == 0 &&
           (rest.len == len || rest.ptr[rest.len - len - 1] == ' ');
}

/* Of a line that is refused: noreply may stand anywhere behind the first
 * argument, since arguments may be missing. */
static bool
wants_no_reply(const struct request *r)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    struct span word;
    if (!scan_any_word(&c, &word) || !scan_any_word(&c, &word)) {
        return false;
    }
    return ends_in_noreply((struct span){c.at, (size_t)(c.end - c.at)});
}

static enum parse_status
refuse(struct request *r, enum proto_error error)
{
    r->noreply = wants_no_reply(r);
    return request_refuse(r, error);
}

/* All arguments are read: what is left is noreply, or nothing that counts. */
static enum parse_status
accept(struct request *r, struct cursor c)
{
    if (c.at != c.end) {
        r->noreply = ends_in_noreply((struct span){c.at, (size_t)(c.end - c.at)});
        r->bare.len = (size_t)(c.at - r->line.ptr);
    }
    return PARSE_OK;
}

/* Inlined into each parser, so that the cursor stays in registers. */
static inline __attribute__((always_inline)) enum word_status
take_key(struct cursor *c, struct request *r)
{
    enum word_status status = scan_word(c, &r->wire_key);
    if (status != WORD_OK) {
        return status;
    }
    if (r->wire_key.len > KEY_MAX_BYTES) {
        return WORD_BAD;
    }
    r->key = r->wire_key;
    return WORD_OK;
}

/* --- get, gets, gat, gats ------------------------------------------------- */
static enum parse_status
refuse_gat(struct request *r, struct cursor c)
{
    struct span exptime, key;
    if (!scan_any_word(&c, &exptime) || !scan_any_word(&c, &key)) {
        return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    return request_refuse(r, PROTO_ERR_BAD_EXPTIME);
}

/* The loop of a large multiget, on two pointers instead of a cursor. */
static bool
are_keys(const char *p, const char *end, unsigned *count)
{
    for (;;) {
        while (p < end && *p == ' ') {
            p++;
        }
        if (p == end) {
            return true;
        }
        const char *stop = scan_key_bytes(p, end);
        if ((stop != end && *stop != ' ') || stop - p > KEY_MAX_BYTES) {
            return false;
        }
        p = stop;
        ++*count;
    }
}

enum parse_status
request_parse_get(struct request *r, struct cursor c)
{
    if (r->cmd == CMD_GAT || r->cmd == CMD_GATS) {
        struct cursor args = c;
        if (scan_i64(&c, &r->exptime) != WORD_OK) {
            return refuse_gat(r, args);
        }
    }
    if (take_key(&c, r) != WORD_OK) {
        r->wire_key = r->key = (struct span){NULL, 0};
        return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    r->keys = (struct span){r->key.ptr, (size_t)(c.end - r->key.ptr)};
    r->key_count = 1;
    if (c.at != c.end && !are_keys(c.at, c.end, &r->key_count)) {
        return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    return PARSE_OK;
}

bool
request_next_key(struct span *keys, struct span *key)
{
    const char *p = keys->ptr;
    const char *end = p + keys->len;
    while (p < end && *p == ' ') {
        p++;
    }
    if (p == end) {
        keys->len = 0;
        return false;
    }
    const char *stop = memchr(p, ' ', (size_t)(end - p)); /* its bytes are known to be good */
    stop = stop != NULL ? stop : end;
    *key = (struct span){p, (size_t)(stop - p)};
    *keys = (struct span){stop, (size_t)(end - stop)};
    return true;
}

/* --- set, add, replace, append, prepend, cas -------------------------------- */

/* Behind the length stand the unique number of cas and noreply, or not. More
 * words on a refused line may mean that a key with a space in it has moved them
 * all, and that the length is another word. */
static bool
has_surplus(const struct request *r, struct cursor c)
{
    struct span word;
    bool more = scan_any_word(&c, &word);
    if (more && r->cmd == CMD_CAS && !span_eq(word, SPAN_LIT("noreply"))) {
        more = scan_any_word(&c, &word);
    }
    return more && (!span_eq(word, SPAN_LIT("noreply")) || scan_any_word(&c, &word));
}

/* A value follows the line. If its length is known it is thrown away; otherwise
 * what follows could be a value with commands in it, which must never run. */
static enum parse_status
refuse_store(struct request *r)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    struct span word = {NULL, 0};
    unsigned count = 0;
    while (count < 5 && scan_any_word(&c, &word)) {
        count++;
    }
    r->noreply = wants_no_reply(r);
    uint64_t bytes;
    if (count < 5 || !num_parse_u64(word, &bytes) || bytes > REQUEST_VALUE_MAX ||
        has_surplus(r, c)) {
        return request_close(r, PROTO_ERR_BAD_FORMAT);
    }
    r->value_bytes = bytes;
    r->block_bytes = bytes + 2;
    return request_refuse(r, PROTO_ERR_BAD_FORMAT);
}

/* A word behind the arguments that is no name may be the length, all words having
 * moved because the key has a blank and a number in it: "set a 5 0 0 30". What
 * was read as the length is then another number, and the value would be taken
 * for commands. */
static bool
hides_a_length(struct cursor c)
{
    struct span word;
    if (!scan_any_word(&c, &word)) {
        return false;
    }
    char first = (char)(word.ptr[0] | 0x20);
    return first < 'a' || first > 'z';
}

enum parse_status
request_parse_store(struct request *r, struct cursor c)
{
    uint64_t bytes;
    if (take_key(&c, r) != WORD_OK || scan_u64(&c, &r->flags) != WORD_OK ||
        scan_i64(&c, &r->exptime) != WORD_OK || scan_u64(&c, &bytes) != WORD_OK ||
        bytes > REQUEST_VALUE_MAX || (r->cmd == CMD_CAS && scan_u64(&c, &r->cas) != WORD_OK)) {
        return refuse_store(r);
    }
    if (c.at != c.end && hides_a_length(c)) {
        return refuse_store(r); /* which closes, since there are words too many */
    }
    r->value_bytes = bytes;
    r->block_bytes = bytes + 2;
    return accept(r, c);
}

/* --- delete, incr, decr, touch ----------------------------------------------- */

/* Behind the key may stand a 0 (old clients send the time of a delayed delete,
 * which memcached once had) and noreply. Anything else is a mistake that must
 * not delete: it may be the rest of a key with a space in it. */
enum parse_status
request_parse_delete(struct request *r, struct cursor c)
{
    if (take_key(&c, r) != WORD_OK) {
        return refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    r->bare.len = (size_t)(c.at - r->line.ptr);
    struct span word;
    bool more = scan_any_word(&c, &word);
    if (more && span_eq(word, SPAN_LIT("0"))) {
        more = scan_any_word(&c, &word);
    }
    if (more) {
        struct span surplus;
        if (!span_eq(word, SPAN_LIT("noreply")) || scan_any_word(&c, &surplus)) {
            return refuse(r, PROTO_ERR_BAD_DELETE);
        }
        r->noreply = true;
    }
    return PARSE_OK;
}

enum parse_status
request_parse_arith(struct request *r, struct cursor c)
{
    if (take_key(&c, r) != WORD_OK) {
        return refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    switch (scan_u64(&c, &r->delta)) {
    case WORD_OK: return accept(r, c);
    case WORD_NONE: return refuse(r, PROTO_ERR_BAD_FORMAT);
    case WORD_BAD: return refuse(r, PROTO_ERR_BAD_DELTA);
    }
    UNREACHABLE();
}

enum parse_status
request_parse_touch(struct request *r, struct cursor c)
{
    if (take_key(&c, r) != WORD_OK) {
        return refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    switch (scan_i64(&c, &r->exptime)) {
    case WORD_OK: return accept(r, c);
    case WORD_NONE: return refuse(r, PROTO_ERR_BAD_FORMAT);
    case WORD_BAD: return refuse(r, PROTO_ERR_BAD_EXPTIME);
    }
    UNREACHABLE();
}

/* --- administration ------------------------------------------------------- */
static bool
takes_noreply(enum proto_command cmd)
{
    return cmd == CMD_FLUSH_ALL || cmd == CMD_VERBOSITY || cmd == CMD_CACHE_MEMLIMIT ||
           cmd == CMD_SLABS || cmd == CMD_LRU || cmd == CMD_WATCH || cmd == CMD_REFRESH_CERTS;
}

static enum parse_status
check_flush_all(struct request *r, struct cursor c)
{
    r->exptime = 0;
    struct cursor args = c;
    struct span word;
    if (!scan_any_word(&args, &word) || (r->noreply && span_eq(word, SPAN_LIT("noreply")))) {
        return PARSE_OK;
    }
    if (scan_i64(&c, &r->exptime) != WORD_OK) {
        return request_refuse(r, PROTO_ERR_BAD_EXPTIME);
    }
    return PARSE_OK;
}

static enum parse_status
check_verbosity(struct request *r, struct cursor c)
{
    uint64_t level;
    switch (scan_u64(&c, &level)) {
    case WORD_OK: return PARSE_OK;
    case WORD_NONE: return request_refuse(r, PROTO_ERR_UNKNOWN_COMMAND);
    case WORD_BAD: return request_refuse(r, PROTO_ERR_BAD_FORMAT);
    }
    UNREACHABLE();
}

/* The bare line ends before the noreply that ends the line, or several. */
static void
cut_noreply(struct request *r, struct cursor args)
{
    struct span rest = {args.at, (size_t)(args.end - args.at)};
    while (ends_in_noreply(rest)) {
        while (rest.ptr[rest.len - 1] == ' ') {
            rest.len--;
        }
        rest.len -= sizeof("noreply") - 1;
    }
    r->bare.len = (size_t)(rest.ptr + rest.len - r->line.ptr);
}

enum parse_status
request_parse_admin(struct request *r, struct cursor c)
{
    if (takes_noreply(r->cmd) && ends_in_noreply((struct span){c.at, (size_t)(c.end - c.at)})) {
        r->noreply = true;
        cut_noreply(r, c);
    }
    if (r->cmd == CMD_FLUSH_ALL) {
        return check_flush_all(r, c);
    }
    if (r->cmd == CMD_VERBOSITY) {
        return check_verbosity(r, c);
    }
    return PARSE_OK;
}

unsigned
request_admin_words(const struct request *r, struct span *words, unsigned max)
{
    struct cursor c = {r->line.ptr, r->line.ptr + r->line.len};
    struct span word;
    unsigned count = 0;
    scan_any_word(&c, &word); /* the verb */
    while (scan_any_word(&c, &word)) {
        if (count < max) {
            words[count] = word;
        }
        count++;
    }
    return count;
}
