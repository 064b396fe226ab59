#include "proxy/moving_request.h"
#include "proxy/backend.h"
#include "proxy/fanout.h"
#include "proxy/leg_queue.h"
#include "proxy/moving.h"
#include "proxy/pending.h"

#include <inttypes.h>
#include <stdio.h>

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
