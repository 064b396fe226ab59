#include "proxy/watcher.h"
#include "common/core/mem.h"
#include "common/proto/watch_stream.h"
#include "proxy/client.h"
#include "proxy/proxy_worker.h"

#include <stdlib.h>

#define WORDS_MAX 12 /* more than there are streams */

/* --- the command ----------------------------------------------------------------- */

static bool
enlist(struct watch_hub *hub)
{
    unsigned before = atomic_fetch_add(&hub->watchers, 1);
    if (before >= WATCHERS_MAX) {
        atomic_fetch_sub(&hub->watchers, 1);
    }
    return before < WATCHERS_MAX;
}

static void
begin(struct client *c)
{
    struct worker *w = c->worker;
    struct watcher *watcher = mem_zalloc(sizeof(*watcher));
    watcher->client = c;
    list_push_back(&w->watchers, &watcher->link);
    c->watcher = watcher;
    c->swallow = UINT64_MAX;
    c->swallow_error = PROTO_OK;
    metric_add(w->metrics, METRIC_ID_WATCHERS, 1);
    client_answer(c, SPAN_LIT("OK\r\n"));
}

void
watcher_command(struct client *c, const struct request *r)
{
    struct span words[WORDS_MAX];
    uint32_t streams;
    unsigned count = request_admin_words(r, words, WORDS_MAX);
    count -= r->noreply && count > 0;
    if (!client_is_told_all(c)) {
        client_answer_error(c, PROTO_ERR_PIPELINED_WATCH);
    } else if (count > WORDS_MAX || !watch_streams_parse(words, count, &streams)) {
        client_answer_error(c, PROTO_ERR_UNKNOWN_COMMAND);
    } else if (streams != 1u << WATCH_HOTKEYS) {
        client_answer_error(c, PROTO_ERR_WATCH_HOTKEYS_ONLY);
    } else if (c->worker->draining) {
        client_answer_error(c, PROTO_ERR_SHUTTING_DOWN);
    } else if (!enlist(c->worker->host->watches)) {
        client_answer_error(c, PROTO_ERR_WATCHER_TOO_MANY);
    } else {
        begin(c);
    }
}

void
watcher_end(struct client *c)
{
    if (c->watcher == NULL) {
        return;
    }
    atomic_fetch_sub(&c->worker->host->watches->watchers, 1);
    metric_sub(c->worker->metrics, METRIC_ID_WATCHERS, 1);
    list_remove(&c->watcher->link);
    free(c->watcher);
    c->watcher = NULL;
}

/* Who has not read what he was sent so far will not now. */
void
watcher_end_all(struct worker *w)
{
    LIST_EACH (it, &w->watchers) {
        struct client *c = LIST_ENTRY(it, struct watcher, link)->client;
        c->doomed |= c->held > 0;
        client_finish(c);
    }
}

/* --- what they are told ------------------------------------------------------------ */

struct news {
    struct worker *worker;
    unsigned lines;
    size_t bytes;
    char text[];
};

static void
tell(struct watcher *watcher, const struct news *news)
{
    struct client *c = watcher->client;
    char skipped[64];
    if (c->held + news->bytes > WATCHER_HELD_MAX) {
        watcher->missed += news->lines;
        worker_count(c->worker, METRIC_ID_WATCH_SKIPPED, news->lines);
        return;
    }
    if (watcher->missed > 0) {
        size_t n = watch_skipped(watcher->missed, skipped, sizeof(skipped));
        skipped[n++] = '\n';
        client_answer(c, span_make(skipped, n));
        watcher->missed = 0;
    }
    client_answer(c, span_make(news->text, news->bytes));
    worker_count(c->worker, METRIC_ID_WATCH_LINES, news->lines);
}

static void
take_news(void *arg)
{
    struct news *news = arg;
    LIST_EACH (it, &news->worker->watchers) {
        tell(LIST_ENTRY(it, struct watcher, link), news);
    }
    free(news);
}

void
watcher_tell(struct worker *w, struct span text, unsigned lines)
{
    struct news *news = mem_alloc(sizeof(*news) + text.len);
    news->worker = w;
    news->lines = lines;
    news->bytes = text.len;
    memcpy(news->text, text.ptr, text.len);
    loop_post(w->loop, take_news, news);
}
