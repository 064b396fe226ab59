#include "proxy/moving_request.h"
#include "common/core/base64.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/fanout.h"
#include "proxy/leg_queue.h"
#include "proxy/moving.h"
#include "proxy/pending.h"
#include "proxy/tell.h"

#include <inttypes.h>
#include <stdio.h>

#define WIRE_KEY_MAX BASE64_ENCODED_BYTES(KEY_MAX_BYTES)

bool
moving_put_request(struct buf *out, const struct request *r, struct span key, bool whole)
{
    if (command_shape(r->cmd) == SHAPE_GET) {
        return request_put_get_begin(out, r) &&
               request_put_get_key(out, whole ? r->wire_key : key) && request_put_get_end(out);
    }
    return request_put_line(out, r);
}

const char *
moving_put_look(char rest[MOVING_REST_MAX], const char *words, bool with_claim)
{
    int len = snprintf(rest, MOVING_REST_MAX, "%s", words);
    if (with_claim) {
        snprintf(rest + len, MOVING_REST_MAX - (size_t)len, " N%d", MOVING_CLAIM_S);
    }
    return rest;
}

const char *
moving_put_cas(char rest[MOVING_REST_MAX], uint64_t cas)
{
    snprintf(rest, MOVING_REST_MAX, "C%" PRIu64, cas);
    return rest;
}

bool
moving_put_store(struct buf *out, const struct moving *m, const struct fetched *f, int64_t ttl,
                 bool with_cas)
{
    char rest[MOVING_REST_MAX];
    int64_t flags = 0, cas = 0;
    (void)fetched_number(f, FORM_WORD_FLAGS, &flags);
    int len =
        snprintf(rest, sizeof(rest), "%zu C%" PRIu64 " F%" PRId64, f->value.len, m->claim, flags);
    if (ttl > 0) {
        len += snprintf(rest + len, sizeof(rest) - (size_t)len, " T%" PRId64, ttl);
    }
    if (with_cas && fetched_number(f, FORM_WORD_CAS, &cas) && cas > 0) {
        snprintf(rest + len, sizeof(rest) - (size_t)len, " E%" PRId64, cas);
    }
    return form_put_meta_line(out, "ms", span_make(m->key, m->key_bytes), rest) &&
           buf_append_span(out, f->value) && buf_append(out, "\r\n", 2);
}

uint64_t
moving_claim_of(const struct fetched *f)
{
    int64_t size = (int64_t)f->value.len, cas = 0;
    bool claimed = fetched_is_hit(f) && (f->won || f->taken) && !f->stale;
    if (f->kind == REPLY_HD && !fetched_number(f, FORM_WORD_SIZE, &size)) {
        return 0;
    }
    return claimed && size == 0 && fetched_number(f, FORM_WORD_CAS, &cas) ? (uint64_t)cas : 0;
}

static bool
counts_more(const struct moving *m, enum reply_kind kind)
{
    bool had = m->reply.mem != NULL && buf_len(&m->reply) > 0;
    bool was_good = m->reply_kind == REPLY_DELETED || m->reply_kind == REPLY_HD;
    return !had || (!reply_is_error(m->reply_kind) && (reply_is_error(kind) || !was_good));
}

bool
moving_keep_reply(struct moving *m, const struct reply_piece *piece)
{
    bool whole = m->part == MOVING_WHOLE;
    if (!m->answered) {
        m->answered = true;
        m->passes_over = !counts_more(m, piece->kind);
        if (!m->passes_over) {
            m->reply_kind = piece->kind;
            bufpool_give_back(&m->worker->bufs, &m->reply);
            m->reply = bufpool_borrow(&m->worker->bufs);
        }
    }
    bool wanted = !m->passes_over && (whole || piece->kind == REPLY_VALUE);
    return !wanted || (whole && m->pending != NULL ? answer_put_piece(m->pending, piece, &m->reply)
                                                   : buf_append_span(&m->reply, piece->raw));
}

/* The key as the client has written it. */
static struct span
key_word(struct span ask, char word[1 + WIRE_KEY_MAX])
{
    const char *end = memchr(ask.ptr, ' ', ask.len);
    size_t len = end != NULL ? (size_t)(end - ask.ptr) : ask.len;
    len = len < WIRE_KEY_MAX ? len : WIRE_KEY_MAX;
    word[0] = 'k';
    memcpy(word + 1, ask.ptr, len);
    return span_make(word, len + 1);
}

void
moving_tell(struct moving *m, const struct fetched *fetched)
{
    struct fetched f = *fetched;
    struct span key = span_make(m->key, m->key_bytes);
    if (f.kind == REPLY_VA && (m->form & FORM_META) == 0) {
        fetched_as_text(&f);
    } else if (f.kind == REPLY_EN && (m->form & FORM_META) == 0) {
        f.line = SPAN_LIT("END");
    }
    if (m->part != MOVING_WHOLE) {
        tell_part(m->pending, m->part, &f);
    } else if (m->form & FORM_META) {
        char word[1 + WIRE_KEY_MAX];
        f.words[FORM_WORD_KEY] = key_word(buf_span(&m->ask), word);
        f.key_is_binary = m->binary_key;
        tell_meta(m->pending, buf_span(&m->ask), &f, true);
    } else {
        tell_text(m->pending, key, &f);
    }
}

void
moving_give_win_back(struct moving *m, struct backend *b, const struct fetched *f)
{
    char rest[MOVING_REST_MAX];
    int64_t cas = 0;
    size_t mark = backend_mark(b);
    (void)fetched_number(f, FORM_WORD_CAS, &cas);
    snprintf(rest, sizeof(rest), "I C%" PRId64 " E%" PRId64, cas, cas);
    if (!fanout_is_open(b) ||
        !form_put_meta_line(&b->out, "md", span_make(m->key, m->key_bytes), rest)) {
        backend_undo(b, mark);
        return;
    }
    struct leg *leg = leg_create(m->worker, NULL, LEG_ASIDE, CMD_MD, m->roster);
    leg_queue_append(b, leg, mark, b->request_timeout_us);
}
