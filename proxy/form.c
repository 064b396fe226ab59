#include "proxy/form.h"
#include "common/core/assert.h"
#include "common/core/buf.h"
#include "common/core/num.h"
#include "common/proto/scan.h"

#define WORD_BYTES_MAX (1 + NUM_MAX_DIGITS)

static const char letters[FORM_WORD_COUNT] = {
#define X(id, letter) letter,
    FORM_WORDS(X)
#undef X
};

/* --- asking -------------------------------------------------------------------- */

static uint8_t
form_of_mg(const struct meta_args *m)
{
    uint64_t harmless = meta_bit('O') | meta_bit('q') | meta_bit('b') | meta_bit('v');
    for (unsigned i = 0; i < FORM_WORD_COUNT; i++) {
        harmless |= meta_bit(letters[i]);
    }
    return (m->present & ~harmless) == 0 ? form_of_mg_flags(m->present) : FORM_NONE;
}

uint8_t
form_of(const struct request *r)
{
    if (r->cmd == CMD_GET || r->cmd == CMD_GETS) {
        return r->cmd == CMD_GETS ? FORM_TEXT | FORM_CAS : FORM_TEXT;
    }
    return r->cmd == CMD_MG ? form_of_mg(&r->meta) : FORM_NONE;
}

bool
form_changes_item(const struct request *r)
{
    static const char reads[] = "Oqbvfsctk" /* those above */ "hlu"
                                "LP";
    if (r->cmd != CMD_MG) {
        return r->cmd != CMD_GET && r->cmd != CMD_GETS && r->cmd != CMD_ME;
    }
    uint64_t harmless = 0;
    for (const char *letter = reads; *letter != '\0'; letter++) {
        harmless |= meta_bit(*letter);
    }
    return (r->meta.present & ~harmless) != 0;
}

static bool
is_text_key(struct span key)
{
    return scan_key_bytes(key.ptr, key.ptr + key.len) == key.ptr + key.len;
}

static bool
put_meta_request(struct buf *out, uint8_t form, struct span key)
{
    char line[FORM_HEAD_MAX] = "mg ";
    size_t at = 3;
    bool binary = !is_text_key(key);
    if (binary) {
        at += base64_encode(key, line + at);
    } else {
        memcpy(line + at, key.ptr, key.len);
        at += key.len;
    }
    for (unsigned i = 0; i < FORM_WORD_COUNT; i++) {
        if (form & 1u << i) {
            line[at++] = ' ';
            line[at++] = letters[i];
        }
    }
    const char *rest =
        form & FORM_VALUE ? (binary ? " v b\r\n" : " v\r\n") : (binary ? " b\r\n" : "\r\n");
    return buf_append(out, line, at) && buf_append_span(out, span_cstr(rest));
}

bool
form_put_request(struct buf *out, uint8_t form, struct span key)
{
    ASSERT(key.len > 0 && key.len <= KEY_MAX_BYTES);

    if (form & FORM_META) {
        return put_meta_request(out, form, key);
    }
    return buf_append_span(out, form & FORM_CAS ? SPAN_LIT("gets ") : SPAN_LIT("get ")) &&
           buf_append_span(out, key) && buf_append(out, "\r\n", 2);
}

bool
form_put_meta_line(struct buf *out, const char *verb, struct span key, const char *rest)
{
    char base64[BASE64_ENCODED_BYTES(KEY_MAX_BYTES)];
    bool binary = !is_text_key(key);
    struct span word = binary ? span_make(base64, base64_encode(key, base64)) : key;
    return buf_append_span(out, span_cstr(verb)) && buf_append(out, " ", 1) &&
           buf_append_span(out, word) && buf_append(out, " ", rest[0] != '\0' ? 1 : 0) &&
           buf_append_span(out, span_cstr(rest)) &&
           buf_append_span(out, binary ? SPAN_LIT(" b\r\n") : SPAN_LIT("\r\n"));
}

/* --- what came ------------------------------------------------------------------- */

static void
take_word(struct fetched *f, struct span word, struct span previous)
{
    for (unsigned i = 0; i < FORM_WORD_COUNT; i++) {
        size_t max = i == FORM_WORD_KEY ? FORM_KEY_WORD_MAX : WORD_BYTES_MAX;
        if (word.ptr[0] == letters[i] && word.len <= max) {
            f->words[i] = word;
        }
    }
    if (word.len == 1) {
        f->won |= word.ptr[0] == 'W';
        f->stale |= word.ptr[0] == 'X';
        f->taken |= word.ptr[0] == 'Z';
        f->key_is_binary |= word.ptr[0] == 'b' && previous.ptr == f->words[FORM_WORD_KEY].ptr;
    }
}

/* "VA <bytes> <word>..." or "HD <word>..." */
static void
take_words(struct fetched *f, struct span line)
{
    struct cursor c = {line.ptr, line.ptr + line.len};
    struct span word, previous = SPAN_LIT("");
    scan_any_word(&c, &previous);
    if (f->kind == REPLY_VA) {
        scan_any_word(&c, &previous);
    }
    while (scan_any_word(&c, &word)) {
        take_word(f, word, previous);
        previous = word;
    }
}

void
fetched_read(const struct reply_piece *piece, struct fetched *out)
{
    *out = (struct fetched){
        .kind = piece->kind,
        .line = piece->line,
        .value = piece->value,
        .flags = piece->flags,
        .cas = piece->cas,
    };
    if (piece->kind == REPLY_VA || piece->kind == REPLY_HD) {
        take_words(out, piece->line);
    }
}

void
fetched_set_key(struct fetched *f, struct span key, char *word)
{
    word[0] = 'k';
    f->key_is_binary = !is_text_key(key);
    if (f->key_is_binary) {
        f->words[FORM_WORD_KEY] = span_make(word, 1 + base64_encode(key, word + 1));
    } else {
        memcpy(word + 1, key.ptr, key.len);
        f->words[FORM_WORD_KEY] = span_make(word, 1 + key.len);
    }
}

bool
fetched_cas(const struct fetched *f, uint64_t *cas)
{
    struct span text = f->words[FORM_WORD_CAS];
    return text.len > 1 && num_parse_u64(span_skip(text, 1), cas);
}

bool
fetched_number(const struct fetched *f, enum form_word word, int64_t *out)
{
    struct span text = f->words[word];
    return text.len > 1 && num_parse_i64(span_skip(text, 1), out);
}

void
fetched_as_text(struct fetched *f)
{
    struct span flags = f->words[FORM_WORD_FLAGS], cas = f->words[FORM_WORD_CAS];
    f->kind = REPLY_VALUE;
    if (flags.len > 1) {
        (void)num_parse_u64(span_skip(flags, 1), &f->flags);
    }
    if (cas.len > 1) {
        (void)num_parse_u64(span_skip(cas, 1), &f->cas);
    }
}

/* --- telling ----------------------------------------------------------------------- */

struct head {
    char *text;
    size_t len;
};

static void
put(struct head *h, struct span s)
{
    ASSERT(h->len + s.len <= FORM_HEAD_MAX);
    memcpy(h->text + h->len, s.ptr, s.len);
    h->len += s.len;
}

static void
put_number(struct head *h, uint64_t n)
{
    char digits[NUM_MAX_DIGITS];
    put(h, SPAN_LIT(" "));
    put(h, span_make(digits, num_format_u64(n, digits)));
}

static void
put_word(struct head *h, struct span word)
{
    if (word.len > 0) {
        put(h, SPAN_LIT(" "));
        put(h, word);
    }
}

size_t
form_text_head(const struct fetched *f, struct span key, bool with_cas, char *head)
{
    struct head h = {head, 0};
    put(&h, SPAN_LIT("VALUE "));
    put(&h, key);
    put_number(&h, f->flags);
    put_number(&h, f->value.len);
    if (with_cas) {
        put_number(&h, f->cas);
    }
    put(&h, SPAN_LIT("\r\n"));
    return h.len;
}

/* What is told of a key that is missing: O and k, as they were given. */
static size_t
put_miss(struct head *h, struct span key, struct span flags)
{
    struct cursor c = {flags.ptr, flags.ptr + flags.len};
    struct span flag;
    bool binary = false, quiet = false;
    for (struct cursor look = c; scan_any_word(&look, &flag);) {
        binary |= flag.ptr[0] == 'b';
        quiet |= flag.ptr[0] == 'q';
    }
    if (quiet) {
        return 0;
    }
    put(h, SPAN_LIT("EN"));
    while (scan_any_word(&c, &flag)) {
        if (flag.ptr[0] == 'O') {
            put_word(h, flag);
        } else if (flag.ptr[0] == 'k') {
            put(h, SPAN_LIT(" k"));
            put(h, key);
            put(h, binary ? SPAN_LIT(" b") : SPAN_LIT(""));
        }
    }
    put(h, SPAN_LIT("\r\n"));
    return h->len;
}

static void
put_flag(struct head *h, const struct fetched *f, struct span flag)
{
    if (flag.ptr[0] == 'O') {
        put_word(h, flag);
        return;
    }
    for (unsigned i = 0; i < FORM_WORD_COUNT; i++) {
        if (flag.ptr[0] == letters[i]) {
            put_word(h, f->words[i]);
        }
    }
    if (flag.ptr[0] == 'k' && f->key_is_binary) {
        put(h, SPAN_LIT(" b"));
    }
}

static void
put_marks(struct head *h, const struct fetched *f, bool may_win)
{
    bool wins = f->won && may_win;
    if (f->taken || (f->won && !wins)) {
        put(h, SPAN_LIT(" Z"));
    }
    if (f->stale) {
        put(h, SPAN_LIT(" X"));
    }
    if (wins) {
        put(h, SPAN_LIT(" W"));
    }
}

size_t
form_meta_head(const struct fetched *f, struct span ask, bool may_win, char *head)
{
    struct head h = {head, 0};
    struct cursor c = {ask.ptr, ask.ptr + ask.len};
    struct span key = SPAN_LIT(""), flag;
    scan_any_word(&c, &key);
    struct span flags = span_make(c.at, (size_t)(c.end - c.at));
    if (f->kind == REPLY_EN) {
        return put_miss(&h, key, flags);
    }
    bool with_value = false;
    for (struct cursor look = c; scan_any_word(&look, &flag);) {
        with_value |= flag.ptr[0] == 'v' && f->kind == REPLY_VA;
    }
    put(&h, with_value ? SPAN_LIT("VA") : SPAN_LIT("HD"));
    if (with_value) {
        put_number(&h, f->value.len);
    }
    while (scan_any_word(&c, &flag)) {
        put_flag(&h, f, flag);
    }
    put_marks(&h, f, may_win);
    put(&h, SPAN_LIT("\r\n"));
    return h.len;
}
