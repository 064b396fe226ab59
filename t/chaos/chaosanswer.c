/* Which answer belongs to which command, and what it says of it. */
#include "common/core/assert.h"
#include "common/core/num.h"
#include "t/chaos/chaoscall.h"
#include "t/chaos/chaosvalue.h"

#include <stdio.h>

#define WORDS_MAX 12

struct line {
    struct span text;
    struct span words[WORDS_MAX];
    unsigned count;
    size_t end;        /* in the input, behind it and its value */
    struct span value; /* of VALUE and VA */
};

static void
cut_words(struct line *l)
{
    struct span rest = l->text;
    l->count = 0;
    while (rest.len > 0 && l->count < WORDS_MAX) {
        const char *blank = memchr(rest.ptr, ' ', rest.len);
        size_t n = blank != NULL ? (size_t)(blank - rest.ptr) : rest.len;
        l->words[l->count++] = span_make(rest.ptr, n);
        rest = span_skip(rest, blank != NULL ? n + 1 : n);
    }
}

static bool
is(const struct line *l, const char *word)
{
    return l->count > 0 && span_eq_cstr(l->words[0], word);
}

/* The argument of a meta flag of the answer. */
static bool
flag_of(const struct line *l, char letter, struct span *out)
{
    for (unsigned i = is(l, "VA") ? 2 : 1; i < l->count; i++) {
        if (l->words[i].len > 0 && l->words[i].ptr[0] == letter) {
            *out = span_skip(l->words[i], 1);
            return true;
        }
    }
    return false;
}

/* A whole line, with its value. */
static enum chaos_taken
next_line(struct chaos_client *c, struct line *l)
{
    uint64_t bytes = 0;
    if (!soak_conn_line(&c->conn, 0, &l->text, &l->end)) {
        return CHAOS_TAKEN_NEED_MORE;
    }
    cut_words(l);
    l->value = SPAN_LIT("");
    unsigned at = is(l, "VALUE") ? 3 : is(l, "VA") ? 1 : 0;
    if (at == 0) {
        return CHAOS_TAKEN_ALL;
    }
    if (l->count <= at || !num_parse_u64(l->words[at], &bytes) || bytes > 64u << 20) {
        return CHAOS_TAKEN_WRONG;
    }
    struct span rest = span_skip(buf_span(&c->conn.in), l->end);
    if (rest.len < bytes + 2) {
        return CHAOS_TAKEN_NEED_MORE;
    }
    l->value = span_make(rest.ptr, bytes);
    l->end += bytes + 2;
    return memcmp(rest.ptr + bytes, "\r\n", 2) == 0 ? CHAOS_TAKEN_ALL : CHAOS_TAKEN_WRONG;
}

static void
say_wrong(struct chaos_client *c, unsigned key, const char *what)
{
    char name[CHAOS_KEY_MAX];
    struct span k = chaos_key_name(key, name);
    chaos_wrong(c->run, "client %u, %.*s: %s", c->number, SPAN_FMT(k), what);
}

/* --- what it says ---------------------------------------------------------------------------- */

static void
keep_token(struct chaos_client *c, unsigned key, const struct chaos_seen *seen, struct span cas)
{
    struct chaos_token *t = &c->tokens[key % CHAOS_TOKENS];
    *t = (struct chaos_token){.key = key, .last = seen->seqs[seen->pieces - 1]};
    if (!num_parse_u64(cas, &t->cas)) {
        t->cas = 0;
    }
    /* Numbers that are counted up do not tell who counted. */
    t->last = seen->is_number ? 0 : t->last;
}

/* The flags are those of the write that set it. */
static void
judge_value(struct chaos_client *c, const struct chaos_call *call, unsigned at, struct span value,
            struct span flags, struct span cas, uint64_t now_us)
{
    char reason[CHAOS_REASON_MAX];
    struct chaos_seen seen;
    uint64_t number;
    unsigned key = call->keys[at];
    chaos_count(c->run, CHAOS_COUNT_HITS);
    if (!chaos_value_read(key, value, &seen)) {
        snprintf(reason, sizeof(reason), "no value of this key: %zu bytes, \"%.*s\"", value.len,
                 (int)(value.len < 80 ? value.len : 80), value.ptr);
        say_wrong(c, key, reason);
        return;
    }
    if (chaos_judge(c->run->model, key, &call->views[at], &seen, now_us, reason) != CHAOS_RIGHT) {
        say_wrong(c, key, reason);
    } else if (!num_parse_u64(flags, &number) || number != seen.seqs[0]) {
        say_wrong(c, key, "flags of another write");
    } else if (cas.len > 0) {
        keep_token(c, key, &seen, cas);
    }
}

/* The model needs the base of a cas; of a number it is none. */
static void
end_write(struct chaos_client *c, const struct chaos_call *call, enum chaos_outcome outcome,
          uint64_t now_us)
{
    if (outcome == CHAOS_DONE) {
        chaos_count(c->run, CHAOS_COUNT_WRITES);
    } else if (outcome == CHAOS_UNKNOWN || outcome == CHAOS_NO_ANSWER) {
        chaos_count(c->run, CHAOS_COUNT_UNKNOWN);
    }
    chaos_write_end(c->run->model, call->keys[0], call->seq, outcome, now_us);
}

static void
judge_count(struct chaos_client *c, const struct chaos_call *call, struct span number,
            uint64_t now_us)
{
    char reason[CHAOS_REASON_MAX];
    struct chaos_seen seen;
    if (!chaos_value_read(call->keys[0], number, &seen)) {
        say_wrong(c, call->keys[0], "no number of this key");
    } else if (chaos_judge_count(c->run->model, call->keys[0], &call->views[0], &seen, now_us,
                                 reason) != CHAOS_RIGHT) {
        say_wrong(c, call->keys[0], reason);
    }
}

/* --- whose it is ------------------------------------------------------------------------------ */

/* Nothing was said. A quiet write went well; a noreply one, nobody knows, unless
 * it deletes: that is remembered if it could not be done. */
static void
end_silent(struct chaos_client *c, const struct chaos_call *call, uint64_t now_us)
{
    if (chaos_call_reads(call)) {
        chaos_count(c->run, CHAOS_COUNT_MISSES);
    } else if (call->write == CHAOS_DELETE) {
        end_write(c, call, CHAOS_REMEMBERED, now_us);
    } else if (call->noreply || call->verb == VERB_MA) {
        /* An append to nothing is not done, and then nothing is old; a quiet ma
         * does not tell either. */
        bool sets = call->write == CHAOS_SET;
        end_write(c, call, sets ? CHAOS_UNKNOWN : CHAOS_NO_ANSWER, now_us);
    } else {
        end_write(c, call, CHAOS_DONE, now_us);
    }
}

static bool
is_meta(const struct chaos_call *call)
{
    return call->verb == VERB_MG || call->verb == VERB_MS || call->verb == VERB_MD ||
           call->verb == VERB_MA;
}

/* The call that the line answers: silent ones before it are over. NULL: nobody's. */
static struct chaos_call *
find_call(struct chaos_client *c, const struct line *l, uint64_t now_us)
{
    struct span opaque;
    uint64_t number = 0;
    bool named = flag_of(l, 'O', &opaque) && (is(l, "VA") || l->text.len > 2);
    if (named && (!num_parse_u64(opaque, &number) || is(l, "VALUE"))) {
        named = false;
    }
    for (; c->first < c->count; c->first++) {
        struct chaos_call *call = &c->calls[c->first];
        bool mine = named ? is_meta(call) && call->opaque == number : !call->silent;
        if (mine) {
            return call;
        }
        if (!call->silent) {
            return NULL;
        }
        end_silent(c, call, now_us);
    }
    return NULL;
}

/* --- by command ----------------------------------------------------------------------------------
 */

static bool
take_get(struct chaos_client *c, struct chaos_call *call, const struct line *l, uint64_t now_us,
         bool *ends)
{
    if (is(l, "END") && l->count == 1) {
        *ends = true;
        for (; call->at < call->count; call->at++) {
            chaos_count(c->run, CHAOS_COUNT_MISSES);
        }
        return true;
    }
    if (!is(l, "VALUE") || l->count != (call->with_cas ? 5u : 4u)) {
        return false;
    }
    unsigned key = chaos_key_of(l->words[1]);
    while (call->at < call->count && call->keys[call->at] != key) {
        chaos_count(c->run, CHAOS_COUNT_MISSES);
        call->at++;
    }
    if (call->at == call->count) {
        return false;
    }
    judge_value(c, call, call->at++, l->value, l->words[2],
                call->with_cas ? l->words[4] : SPAN_LIT(""), now_us);
    return true;
}

static bool
take_mg(struct chaos_client *c, struct chaos_call *call, const struct line *l, uint64_t now_us)
{
    struct span key, flags, size, cas = SPAN_LIT("");
    uint64_t bytes;
    if (is(l, "EN") && !call->silent) {
        chaos_count(c->run, CHAOS_COUNT_MISSES);
        return true;
    }
    if (!is(l, "VA") || !flag_of(l, 'k', &key) || !flag_of(l, 'f', &flags) ||
        !flag_of(l, 's', &size) || (call->with_cas && !flag_of(l, 'c', &cas)) ||
        chaos_key_of(key) != call->keys[0] || !num_parse_u64(size, &bytes) ||
        bytes != l->value.len) {
        return false;
    }
    judge_value(c, call, 0, l->value, flags, cas, now_us);
    return true;
}

/* Error lines, of text and meta alike. */
static bool
take_error(struct chaos_client *c, struct chaos_call *call, const struct line *l, uint64_t now_us)
{
    bool down = span_eq_cstr(l->text, "SERVER_ERROR backend down");
    bool late = span_eq_cstr(l->text, "SERVER_ERROR backend timeout");
    bool known = down || late || span_eq_cstr(l->text, "SERVER_ERROR overloaded") ||
                 span_eq_cstr(l->text, "SERVER_ERROR no route") ||
                 span_starts_with(l->text, SPAN_LIT("SERVER_ERROR out of memory"));
    chaos_count(c->run, CHAOS_COUNT_ERRORS);
    bool deletes = call->write == CHAOS_DELETE;
    if (!known || chaos_call_reads(call) || (deletes && !c->run->moves)) {
        return false;
    }
    if (late && c->run->moves && call->write == CHAOS_INCR) {
        end_write(c, call, CHAOS_NO_ANSWER, now_us); /* the old owner has counted, and is read */
        return true;
    }
    bool doubt = late || (down && deletes); /* done by one of two owners */
    end_write(c, call, doubt ? CHAOS_UNKNOWN : down ? CHAOS_NOT_SENT : CHAOS_NOT_DONE, now_us);
    return true;
}

static bool
take_text_write(struct chaos_client *c, struct chaos_call *call, const struct line *l,
                uint64_t now_us)
{
    enum chaos_write write = call->write;
    bool deletes = write == CHAOS_DELETE, counts = write == CHAOS_INCR;
    if (l->count != 1) {
        return false;
    }
    if (is(l, "STORED") && !deletes && !counts) {
        end_write(c, call, CHAOS_DONE, now_us);
    } else if (is(l, "DELETED") && deletes) {
        end_write(c, call, CHAOS_DONE, now_us);
    } else if (is(l, "NOT_FOUND") && deletes) {
        end_write(c, call, CHAOS_REMEMBERED, now_us);
    } else if ((is(l, "NOT_STORED") && write == CHAOS_APPEND) ||
               ((is(l, "EXISTS") || is(l, "NOT_FOUND")) && write == CHAOS_CAS) ||
               (is(l, "NOT_FOUND") && counts)) {
        end_write(c, call, CHAOS_NOT_DONE, now_us);
    } else if (counts && l->text.len > 0 && l->text.ptr[0] >= '0' && l->text.ptr[0] <= '9') {
        judge_count(c, call, l->text, now_us);
        end_write(c, call, CHAOS_DONE, now_us);
    } else {
        return false;
    }
    return true;
}

/* NS of a quiet set says that it failed, and not how. */
static bool
take_meta_write(struct chaos_client *c, struct chaos_call *call, const struct line *l,
                uint64_t now_us)
{
    bool sets = call->write == CHAOS_SET, deletes = call->write == CHAOS_DELETE;
    if (is(l, "VA") && call->verb == VERB_MA) {
        judge_count(c, call, l->value, now_us);
        end_write(c, call, CHAOS_DONE, now_us);
    } else if (is(l, "HD") && call->verb != VERB_MA) {
        end_write(c, call, CHAOS_DONE, now_us);
    } else if (is(l, "NF") && !sets) {
        end_write(c, call, deletes ? CHAOS_REMEMBERED : CHAOS_NOT_DONE, now_us);
    } else if (is(l, "NS") && (!deletes || c->run->moves)) {
        end_write(c, call, sets || deletes ? CHAOS_UNKNOWN : CHAOS_NO_ANSWER, now_us);
    } else {
        return false;
    }
    return true;
}

/* False if it is no answer to this. */
static bool
take(struct chaos_client *c, struct chaos_call *call, const struct line *l, uint64_t now_us,
     bool *ends)
{
    *ends = call->verb != VERB_GET;
    if (is(l, "SERVER_ERROR")) {
        *ends = true;
        return take_error(c, call, l, now_us);
    }
    switch (call->verb) {
    case VERB_GET: return take_get(c, call, l, now_us, ends);
    case VERB_MG: return take_mg(c, call, l, now_us);
    case VERB_MN: return is(l, "MN");
    case VERB_SET:
    case VERB_DELETE:
    case VERB_APPEND:
    case VERB_CAS:
    case VERB_INCR: return take_text_write(c, call, l, now_us);
    case VERB_MS:
    case VERB_MD:
    case VERB_MA: return take_meta_write(c, call, l, now_us);
    case CHAOS_VERBS: break;
    }
    UNREACHABLE();
}

enum chaos_taken
chaos_answers_take(struct chaos_client *c, uint64_t now_us)
{
    while (c->first < c->count) {
        struct line l;
        enum chaos_taken whole = next_line(c, &l);
        if (whole == CHAOS_TAKEN_NEED_MORE) {
            return whole;
        }
        struct chaos_call *call = find_call(c, &l, now_us);
        bool ends = false;
        if (whole == CHAOS_TAKEN_WRONG || call == NULL || !take(c, call, &l, now_us, &ends)) {
            chaos_wrong(c->run, "client %u: not an answer to command %u of %u (verb %d): \"%.*s\"",
                        c->number, c->first, c->count, call != NULL ? (int)call->verb : -1,
                        (int)(l.text.len < 100 ? l.text.len : 100), l.text.ptr);
            return CHAOS_TAKEN_WRONG;
        }
        if (ends) {
            chaos_count(c->run, CHAOS_COUNT_COMMANDS);
            c->first++;
        }
        buf_consume(&c->conn.in, l.end);
    }
    if (buf_len(&c->conn.in) > 0) {
        chaos_wrong(c->run, "client %u: bytes that nobody asked for", c->number);
        return CHAOS_TAKEN_WRONG;
    }
    return CHAOS_TAKEN_ALL;
}

void
chaos_batch_lost(struct chaos_client *c, uint64_t now_us)
{
    for (; c->first < c->count; c->first++) {
        if (!chaos_call_reads(&c->calls[c->first])) {
            end_write(c, &c->calls[c->first], CHAOS_NO_ANSWER, now_us);
        }
    }
}
