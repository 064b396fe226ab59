#include "proxy/moving_tell.h"
#include "common/core/base64.h"
#include "proxy/answer.h"
#include "proxy/client.h"
#include "proxy/fanout.h"
#include "proxy/moving_request.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/tell.h"

#define WIRE_KEY_MAX BASE64_ENCODED_BYTES(KEY_MAX_BYTES)

/* --- what was read ------------------------------------------------------------------------- */

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

static void
tell_value(struct moving *m, const struct fetched *fetched)
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

/* The pending is the caller's to answer. */
static struct pending *
release(struct moving *m)
{
    struct pending *p = m->pending;
    m->pending = NULL;
    p->legs--;
    if (m->stalls && p->client != NULL) {
        p->client->moving--;
        client_busy(p->client);
    }
    return p;
}

static void
end_part(const struct moving *m, struct pending *p)
{
    if (!m->starting) {
        answer_complete(p);
    }
}

/* What has been read. What remains to be done nobody waits for. */
void
moving_tell_read(struct moving *m, const struct fetched *f)
{
    struct worker *w = m->worker;
    m->deadline_us = worker_now_us(w) + m->timeout_us;
    tell_value(m, f);
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (whole) {
        pending_done(p);
    } else {
        end_part(m, p);
    }
}

void
moving_tell_miss(struct moving *m)
{
    static const struct fetched text = {.kind = REPLY_END, .line = {"END", 3}};
    static const struct fetched meta = {.kind = REPLY_EN, .line = {"EN", 2}};
    moving_tell_read(m, m->form & FORM_META ? &meta : &text);
}

void
moving_tell_failure(struct moving *m, enum failure failure)
{
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (!whole) {
        answer_part_failure(p, failure);
        end_part(m, p);
    } else if (p->fan != NULL) {
        fanout_owner_failed(p, failure);
    } else {
        pending_fail(p, failure);
    }
}

void
moving_tell_reply(struct moving *m)
{
    struct span reply = buf_span(&m->reply);
    worker_count(m->worker, METRIC_ID_GET_HITS, m->reply_kind == REPLY_VALUE);
    bool whole = m->part == MOVING_WHOLE;
    struct pending *p = release(m);
    if (!whole) {
        if (reply.len > 0 && p->client != NULL) {
            answer_part_raw(p, m->part, m->key_bytes, reply);
        }
        end_part(m, p);
        return;
    }
    if (answer_is_hidden(p, m->reply_kind)) {
        reply.len = 0;
    }
    if (p->fan != NULL) {
        p->worst = m->reply;
        m->reply = BUF_EMPTY;
        buf_consume(&p->worst, buf_len(&p->worst) - reply.len);
        fanout_owner_answered(p);
        return;
    }
    pending_emit(p, reply);
    pending_done(p);
}

/* --- what the nodes have answered ------------------------------------------------------------ */

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
