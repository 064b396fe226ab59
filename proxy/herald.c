#include "proxy/herald.h"
#include "common/core/log.h"
#include "common/core/num.h"
#include "common/net/calls.h"
#include "proxy/backend.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"

#include <inttypes.h>

static void tell_some(void *arg);

void
herald_init(struct herald *h, struct worker *w)
{
    h->worker = w;
    list_init(&h->due);
    loop_timer_init(&h->timer, w->loop, tell_some, h);
}

void
herald_deinit(struct herald *h)
{
    loop_timer_deinit(&h->timer);
}

/* --- telling ------------------------------------------------------------------------ */

static void
tell(struct herald *h, struct backend *b)
{
    size_t mark = backend_mark(b);
    if (!buf_append(&b->out, h->line, h->line_bytes)) {
        backend_undo(b, mark);
        return; /* it counts as behind until the next connection or table */
    }
    struct leg *leg = leg_create(b->worker, NULL, LEG_HERALD, CMD_EPOCH, b->worker->roster);
    leg_queue_append(b, leg, mark, b->request_timeout_us);
    worker_count(b->worker, METRIC_ID_HERALDS, 1);
}

static void
tell_some(void *arg)
{
    struct herald *h = arg;
    struct list *link;
    for (unsigned n = HERALD_BURST; n > 0 && (link = list_pop_front(&h->due)) != NULL; n--) {
        struct backend *b = LIST_ENTRY(link, struct backend, herald_link);
        if (b->state == BACKEND_CONNECTED && b->heralds && !b->retired) {
            tell(h, b);
        }
    }
    if (!list_empty(&h->due)) {
        loop_timer_start(&h->timer, 1);
    }
}

/* From within whatever has ended the roster before, so no queue is touched here. */
void
herald_clear(struct worker *w)
{
    struct herald *h = &w->herald;
    struct fence_token token = fence_token_of(w->roster->placement->table);
    h->line_bytes = fence_token_put(&token, h->line);
    LIST_EACH (it, &w->backends) {
        struct backend *b = LIST_ENTRY(it, struct backend, link);
        if (b->state == BACKEND_CONNECTED && b->heralds && !list_linked(&b->herald_link)) {
            list_push_back(&h->due, &b->herald_link);
        }
    }
    if (!list_empty(&h->due)) {
        loop_timer_start(&h->timer, 0);
    }
}

/* Past the queue, whose requests are there already and must come behind it. There is
 * always room for it in a new connection's socket. */
bool
herald_greet(struct backend *b)
{
    const struct herald *h = &b->worker->herald;
    b->greeting_owed = false;
    list_remove(&b->herald_link);
    if (!b->heralds || h->line_bytes == 0) {
        return true;
    }
    if (call_send(b->fd, h->line, h->line_bytes) != (ssize_t)h->line_bytes) {
        return false;
    }
    b->greeting_owed = true;
    worker_count(b->worker, METRIC_ID_HERALDS, 1);
    return true;
}

/* --- the answer ------------------------------------------------------------------------ */

bool
herald_take_greeting(struct backend *b)
{
    struct span in = buf_span(&b->in);
    const char *end = memchr(in.ptr, '\n', in.len);
    if (end == NULL) {
        return in.len < HERALD_LINE_MAX;
    }
    herald_answered(b, span_make(in.ptr, (size_t)(end - in.ptr)));
    buf_consume(&b->in, (size_t)(end + 1 - in.ptr));
    b->greeting_owed = false;
    return true;
}

void
herald_answered(struct backend *b, struct span line)
{
    (void)herald_is_refusal(b, line);
}

/* The one that is refused may be one that we have left behind. */
static bool
is_of_table_in_use(const struct worker *w, struct span digits)
{
    uint64_t epoch;
    while (digits.len > 0 && digits.ptr[digits.len - 1] <= ' ') {
        digits.len--;
    }
    return num_parse_u64(digits, &epoch) && epoch >= w->roster->placement->table->epoch;
}

bool
herald_is_refusal(struct backend *b, struct span line)
{
    static const struct span words = {"SERVER_ERROR stale epoch ", 25};
    struct worker *w = b->worker;
    if (!span_starts_with(line, words)) {
        return false;
    }
    if (is_of_table_in_use(w, span_skip(line, words.len))) {
        LOG_LIMITED(2, LOG_WARN, "table_stale", "node=%s epoch=%" PRIu64, LOG_STR(b->name),
                    w->roster->placement->table->epoch);
        w->host->table_is_stale(w->host->arg);
    }
    return true;
}
