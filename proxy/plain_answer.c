#include "proxy/plain_answer.h"
#include "common/proto/reply_plain.h"
#include "proxy/queues.h"

/* The end of "VALUE ...END\r\n" of this key, or of "END\r\n"; NULL if it is something
 * else. */
static inline const char *
end_of_value(const char *p, const char *end, struct span key, bool *hit)
{
    const char *after = reply_plain_value(p, end, key);
    *hit = after != NULL;
    p = *hit ? after : p;
    return end - p >= 5 && memcmp(p, "END\r\n", 5) == 0 ? p + 5 : NULL;
}

/* Others who have joined are told by coalesce.c; and each reply may tell that its key's
 * value is not large any more. */
static inline const char *
end_read(struct coalesce *co, struct leg *leg, const char *p, const char *end, unsigned *hits)
{
    struct lead *lead = &leg->lead;
    bool hit;
    if (!lead->listed || co->large_count > 0) {
        return NULL;
    }
    p = end_of_value(p, end, (struct span){lead->key, lead->key_bytes}, &hit);
    if (p != NULL) {
        flight_unlist_lead(&co->flights, lead);
        *hits += hit;
    }
    return p;
}

/* What an mg is told has no key that could be another's. */
static inline const char *
end_mg(struct coalesce *co, struct leg *leg, const char *p, const char *end, bool *hidden)
{
    struct lead *lead = &leg->lead;
    bool miss;
    if (coalesce_is_led(lead) && (lead->flight != NULL || co->large_count > 0)) {
        return NULL;
    }
    p = reply_plain_mg(p, end, &miss);
    if (p != NULL) {
        flight_unlist_lead(&co->flights, lead);
        *hidden = miss && leg->pending->request.quiet;
    }
    return p;
}

/* The end of the reply at `p`, if it is whole and as expected; then the leg has no lead
 * any more. */
static inline const char *
end_of_reply(struct worker *w, struct leg *leg, const char *p, const char *end, unsigned *hits,
             bool *hidden)
{
    *hidden = false;
    switch ((enum leg_plain)leg->plain) {
    case PLAIN_NOT: break;
    case PLAIN_VALUE: return end_read(&w->coalesce, leg, p, end, hits);
    case PLAIN_MG: return end_mg(&w->coalesce, leg, p, end, hidden);
    case PLAIN_STORED: return end - p >= 8 && memcmp(p, "STORED\r\n", 8) == 0 ? p + 8 : NULL;
    }
    return NULL;
}

static inline void
tell(struct pending *p, struct span reply)
{
    p->legs--;
    if (reply.len > 0) {
        queue_emit(p, reply);
    }
    queue_done(p);
}

bool
plain_answers(struct backend *b)
{
    struct worker *w = b->worker;
    struct span in = buf_span(&b->in);
    const char *at = in.ptr, *end = at + in.len;
    unsigned replies = 0, hits = 0;
    for (struct leg *leg; at < end && (leg = b->first) != NULL; replies++) {
        struct pending *p = leg->pending;
        bool waits = leg->plain != PLAIN_NOT && p != NULL && p->client != NULL;
        bool hidden;
        const char *after = waits ? end_of_reply(w, leg, at, end, &hits, &hidden) : NULL;
        if (after == NULL) {
            break;
        }
        size_t bytes = (size_t)(after - at);
        tell(p, (struct span){at, hidden ? 0 : bytes});
        b->reply_bytes += bytes / 8 - b->reply_bytes / 8;
        queue_take_first(b, leg);
        queue_end_leg(w, leg);
        at = after;
    }
    if (replies == 0) {
        return false;
    }
    buf_consume(&b->in, (size_t)(at - in.ptr));
    worker_count(w, METRIC_ID_GET_HITS, hits);
    leg_queue_answered(b, replies);
    return true;
}
