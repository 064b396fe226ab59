#include "proxy/journal_heir.h"
#include "common/core/assert.h"
#include "common/core/list.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct journal_stream {
    struct journal_heir *heir;
    struct list link;       /* heir->streams */
    struct list owing_link; /* heir->owing, if something is unsent */
    char *owner;
    struct buf unsent; /* records */
    bool lost;         /* something could not be noted: a flush takes its place */
};

struct journal_heir {
    journal_heir_send_fn *send;
    void *arg;
    pthread_mutex_t lock; /* covers the rest, and the streams */
    struct list streams;
    struct list owing;
    bool gone;
};

struct journal_heir *
journal_heir_create(journal_heir_send_fn *send, void *arg)
{
    struct journal_heir *h = mem_zalloc(sizeof(*h));
    h->send = send;
    h->arg = arg;
    pthread_mutex_init(&h->lock, NULL);
    list_init(&h->streams);
    list_init(&h->owing);
    return h;
}

void
journal_heir_destroy(struct journal_heir **heir)
{
    struct journal_heir *h = *heir;
    struct list *link;
    *heir = NULL;
    if (h == NULL) {
        return;
    }
    while ((link = list_pop_front(&h->streams)) != NULL) {
        struct journal_stream *s = LIST_ENTRY(link, struct journal_stream, link);
        buf_deinit(&s->unsent);
        free(s->owner);
        free(s);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct journal_stream *
journal_heir_open(struct journal_heir *h, struct span owner)
{
    struct journal_stream *s = mem_zalloc(sizeof(*s));
    s->heir = h;
    list_init(&s->owing_link);
    s->owner = mem_printf("%.*s", SPAN_FMT(owner));
    pthread_mutex_lock(&h->lock);
    list_push_back(&h->streams, &s->link);
    pthread_mutex_unlock(&h->lock);
    return s;
}

static bool
owes(const struct journal_stream *s)
{
    return s->lost || buf_len(&s->unsent) > 0;
}

void
journal_stream_note(struct journal_stream *s, enum journal_record_type type, struct span key)
{
    pthread_mutex_lock(&s->heir->lock);
    if (!s->heir->gone) {
        if (!owes(s)) {
            list_push_back(&s->heir->owing, &s->owing_link);
        }
        s->lost = s->lost || !journal_record_put(&s->unsent, type, key);
    }
    pthread_mutex_unlock(&s->heir->lock);
}

/* --- sending -------------------------------------------------------------------------- */

/* The length of the records that one message has room for. */
static size_t
whole_records(struct span records, size_t room)
{
    struct journal_record record;
    size_t bytes = 0;
    while (journal_record_parse(span_skip(records, bytes), &record) == JOURNAL_PARSED &&
           bytes + record.bytes <= room) {
        bytes += record.bytes;
    }
    return bytes;
}

/* A flush says all that the lost records could have said. */
static bool
make_up_for_lost(struct journal_stream *s)
{
    buf_clear(&s->unsent);
    s->lost = !journal_record_put(&s->unsent, RECORD_FLUSH_SOME, (struct span){0});
    return !s->lost;
}

/* A header, and as many records as there is room for; `bytes` is their length. */
static bool
compose(const struct journal_stream *s, struct buf *message, size_t *bytes)
{
    if (!journal_header_put(message, span_cstr(s->owner))) {
        return false;
    }
    struct span records = buf_span(&s->unsent);
    *bytes = whole_records(records, JOURNAL_HEIR_MESSAGE - buf_len(message));
    ASSERT(*bytes > 0);
    return buf_append(message, records.ptr, *bytes);
}

static enum handover_send
send_one(struct journal_stream *s)
{
    struct buf message = BUF_EMPTY;
    size_t bytes;
    enum handover_send sent = HANDOVER_LATER; /* while there is no memory */
    if ((!s->lost || make_up_for_lost(s)) && compose(s, &message, &bytes)) {
        sent = s->heir->send(s->heir->arg, buf_span(&message));
    }
    if (sent == HANDOVER_SENT) {
        buf_consume(&s->unsent, bytes);
    }
    buf_deinit(&message);
    return sent;
}

static void
give_up(struct journal_heir *h)
{
    struct list *link;
    h->gone = true;
    while ((link = list_pop_front(&h->owing)) != NULL) {
        struct journal_stream *s = LIST_ENTRY(link, struct journal_stream, owing_link);
        buf_deinit(&s->unsent);
        s->unsent = BUF_EMPTY;
        s->lost = false;
    }
}

bool
journal_heir_send(struct journal_heir *h)
{
    pthread_mutex_lock(&h->lock);
    enum handover_send sent = HANDOVER_SENT;
    while (sent == HANDOVER_SENT && !list_empty(&h->owing)) {
        struct journal_stream *s =
            LIST_ENTRY(list_first(&h->owing), struct journal_stream, owing_link);
        sent = send_one(s);
        if (!owes(s)) {
            list_remove(&s->owing_link);
        }
    }
    if (sent == HANDOVER_LOST) {
        give_up(h);
    }
    bool all = list_empty(&h->owing);
    pthread_mutex_unlock(&h->lock);
    return all;
}

bool
journal_stream_send(struct journal_stream *s)
{
    return journal_heir_send(s->heir);
}

bool
journal_heir_has_all(struct journal_heir *h)
{
    pthread_mutex_lock(&h->lock);
    bool all = !h->gone && list_empty(&h->owing);
    pthread_mutex_unlock(&h->lock);
    return all;
}
