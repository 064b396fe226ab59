#include "proxy/tell.h"
#include "proxy/answer.h"
#include "proxy/multiget.h"
#include "proxy/proxy_worker.h"

static struct span
with_crlf(struct span value)
{
    return span_make(value.ptr, value.len + 2);
}

static bool
wants_cas(const struct pending *p)
{
    return p->request.cmd == CMD_GETS || p->request.cmd == CMD_GATS;
}

void
tell_text(struct pending *p, struct span key, const struct fetched *f)
{
    if (f->kind == REPLY_VALUE) {
        char head[FORM_HEAD_MAX];
        key = p->rename != NULL ? rename_client_key(p->rename) : key;
        size_t len = form_text_head(f, key, wants_cas(p), head);
        pending_emit(p, span_make(head, len));
        pending_emit(p, with_crlf(f->value));
        pending_emit(p, SPAN_LIT("END\r\n"));
        worker_count(p->worker, METRIC_ID_GET_HITS, 1);
    } else {
        pending_emit(p, f->line);
        pending_emit(p, SPAN_LIT("\r\n"));
    }
}

/* "k<key>" as the client knows it, into `word`. */
static struct span
key_word(const struct rename *n, struct span theirs, char *word)
{
    char room[RENAME_WORD_MAX];
    struct span ours = rename_word(n, span_skip(theirs, 1), room);
    word[0] = 'k';
    memcpy(word + 1, ours.ptr, ours.len);
    return span_make(word, 1 + ours.len);
}

void
tell_meta(struct pending *p, struct span ask, const struct fetched *f, bool may_win)
{
    if (!fetched_is_hit(f) && f->kind != REPLY_EN) {
        pending_emit(p, f->line);
        pending_emit(p, SPAN_LIT("\r\n"));
        return;
    }
    char head[FORM_HEAD_MAX], word[1 + RENAME_WORD_MAX];
    struct fetched renamed;
    if (p->rename != NULL && f->words[FORM_WORD_KEY].len > 0) {
        renamed = *f;
        renamed.words[FORM_WORD_KEY] = key_word(p->rename, f->words[FORM_WORD_KEY], word);
        f = &renamed;
    }
    size_t len = form_meta_head(f, ask, may_win, head);
    pending_emit(p, span_make(head, len));
    if (len > 0 && head[0] == 'V') {
        pending_emit(p, with_crlf(f->value));
    }
}

void
tell_part(struct pending *p, uint32_t part, const struct fetched *f)
{
    if (f->kind != REPLY_VALUE || p->client == NULL) {
        return;
    }
    char head[FORM_HEAD_MAX];
    size_t len = form_text_head(f, multiget_client_key(p->many, part), wants_cas(p), head);
    answer_part_value(p, part, span_make(head, len), with_crlf(f->value));
}
