#include "control/etcd/etcd_watch.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"
#include "control/etcd/encode.h"
#include "control/etcd/json_split.h"
#include "control/etcd/watch_state.h"

#include <inttypes.h>
#include <stdlib.h>

#define FOREIGN_TEXT_SHOWN 80

struct watch {
    struct etcd *client;
    struct buf prefix;
    const struct watch_events *events;
    void *arg;
    struct watch_state state;
    struct guard guard;
    struct loop_timer timer;

    struct etcd_call *call;    /* the list, while listing */
    struct transfer *transfer; /* the stream, from opening on */
    struct auth_waiter waiter; /* for the stream's token */
    uint64_t token_number;     /* that the stream was opened with */
    uint64_t refused_number;   /* not good enough for a watch; 0: none */
    uint64_t asked_us;
    struct json_split split;
    struct answer *held; /* fragments of an answer that is not whole yet */
    size_t held_count;
    size_t held_bytes;

    bool told_live; /* what the owner and the gauges know */
    bool told_regressed;
    unsigned inside; /* our callbacks on the stack; freed when 0 */
    bool destroyed;
};

/* --- life ------------------------------------------------------------------------ */
static void
drop_held(struct watch *w)
{
    for (size_t i = 0; i < w->held_count; i++) {
        answer_deinit(&w->held[i]);
    }
    free(w->held);
    w->held = NULL;
    w->held_count = w->held_bytes = 0;
}

static void
drop_io(struct watch *w)
{
    etcd_cancel(&w->call);
    transfer_cancel(&w->transfer);
    auth_forget(&w->waiter);
    drop_held(w);
    w->split = (struct json_split){0};
}

static void
count_gauge(struct watch *w, unsigned id, bool *told, bool now)
{
    if (*told == now) {
        return;
    }
    *told = now;
    if (now) {
        metric_add(w->client->counts, id, 1);
    } else {
        metric_sub(w->client->counts, id, 1);
    }
}

static void
free_watch(struct watch *w)
{
    loop_timer_deinit(&w->timer);
    buf_deinit(&w->prefix);
    free(w);
}

void
watch_destroy(struct watch **watch)
{
    struct watch *w = *watch;
    if (w == NULL) {
        return;
    }
    drop_io(w);
    loop_timer_stop(&w->timer);
    count_gauge(w, METRIC_ID_ETCD_LIVE, &w->told_live, false);
    count_gauge(w, METRIC_ID_ETCD_REGRESSED, &w->told_regressed, false);
    w->destroyed = true;
    if (w->inside == 0) {
        free_watch(w);
    }
    *watch = NULL;
}

static void
enter(struct watch *w)
{
    w->inside++;
}

static void
leave(struct watch *w)
{
    if (--w->inside == 0 && w->destroyed) {
        free_watch(w);
    }
}

/* Tells the owner and the gauges when live or regressed has changed. */
static void
tell_condition(struct watch *w)
{
    count_gauge(w, METRIC_ID_ETCD_REGRESSED, &w->told_regressed, w->state.regressed);
    if (w->told_live == w->state.live) {
        return;
    }
    count_gauge(w, METRIC_ID_ETCD_LIVE, &w->told_live, w->state.live);
    if (w->events->live != NULL) {
        w->events->live(w->arg, w->told_live);
    }
}

/* --- carrying out what the state decided -------------------------------------------- */
static void on_list(void *arg, const struct etcd_reply *reply);
static void on_received(void *arg, struct buf *input);
static void on_stream_done(void *arg, enum transfer_end end, int status, struct buf *input,
                           const char *error);

static void
open_stream(struct watch *w)
{
    static const struct transfer_events events = {on_received, on_stream_done};
    struct etcd *client = w->client;
    struct buf body = BUF_EMPTY;
    encode_watch(&body, span_cstr(client->prefix), buf_span(&w->prefix), w->state.applied + 1);
    char *url = mem_printf("%s/v3/watch", client->endpoints.urls[w->state.endpoint]);
    struct transfer_request request = {
        .url = url,
        .body = buf_span(&body),
        .token = auth_token(client->auth),
        .response_max = MESSAGE_BYTES_MAX,
        .own_connection = true,
        .needs_leader = true,
    };
    metric_add(client->counts, METRIC_ID_ETCD_REQUESTS, 1);
    w->token_number = auth_number(client->auth);
    w->asked_us = clock_mono_us();
    w->transfer = transport_begin(client->transport, &request, &events, w);
    free(url);
    buf_deinit(&body);
}

static void
carry_out(struct watch *w, enum watch_do what)
{
    switch (what) {
    case WATCH_DO_NOTHING: break;
    case WATCH_DO_REST: drop_io(w); break;
    case WATCH_DO_LIST:
        drop_io(w);
        w->asked_us = clock_mono_us();
        w->call = call_list_at(w->client, w->state.endpoint, buf_span(&w->prefix), on_list, w);
        break;
    case WATCH_DO_OPEN:
        drop_io(w);
        if (auth_is_used(w->client->auth)) {
            auth_wait(w->client->auth, w->refused_number, &w->waiter);
        } else {
            open_stream(w);
        }
        break;
    }
    uint64_t now = clock_mono_ms();
    if (w->state.timer_at_ms == 0) {
        loop_timer_stop(&w->timer);
    } else {
        loop_timer_start(&w->timer, w->state.timer_at_ms > now ? w->state.timer_at_ms - now : 0);
    }
}

static void
note_break(struct watch *w, enum watch_cause cause, size_t endpoint, const char *detail)
{
    const char *url = w->client->endpoints.urls[endpoint];
    struct metric_block *counts = w->client->counts;
    switch (cause) {
    case WATCH_CAUSE_RESYNC: metric_add(counts, METRIC_ID_ETCD_RESYNCS, 1); break;
    case WATCH_CAUSE_COMPACTED: metric_add(counts, METRIC_ID_ETCD_COMPACTIONS, 1); break;
    case WATCH_CAUSE_UNAUTHORIZED: w->refused_number = w->token_number; break;
    case WATCH_CAUSE_BEHIND:
    case WATCH_CAUSE_OTHER_CLUSTER: metric_add(counts, METRIC_ID_ETCD_DISBELIEVED, 1); break;
    case WATCH_CAUSE_LIST_FAILED:
    case WATCH_CAUSE_NOT_CREATED:
    case WATCH_CAUSE_STREAM_ENDED:
    case WATCH_CAUSE_SERVER_ERROR:
    case WATCH_CAUSE_CANCELED:
    case WATCH_CAUSE_MALFORMED:
    case WATCH_CAUSE_SILENT: break;
    }
    if (cause == WATCH_CAUSE_RESYNC || cause == WATCH_CAUSE_SILENT) {
        log_debug("etcd_watch_relist", "prefix=%s endpoint=%s cause=%s",
                  LOG_SPAN(buf_span(&w->prefix)), LOG_STR(url), LOG_STR(watch_cause_text(cause)));
        return;
    }
    metric_add(counts, METRIC_ID_ETCD_RECONNECTS, 1);
    LOG_LIMITED(2, LOG_WARN, "etcd_watch_broken", "prefix=%s endpoint=%s cause=%s detail=%s",
                LOG_SPAN(buf_span(&w->prefix)), LOG_STR(url), LOG_STR(watch_cause_text(cause)),
                LOG_STR(detail));
}

static void
break_off(struct watch *w, enum watch_cause cause, const char *detail)
{
    note_break(w, cause, w->state.endpoint, detail);
    carry_out(w, watch_state_break(&w->state, clock_mono_ms(), cause));
    tell_condition(w);
}

static void
on_timer(void *arg)
{
    struct watch *w = arg;
    enter(w);
    enum watch_cause cause = WATCH_CAUSE_RESYNC;
    bool resting = w->state.phase == WATCH_RESTING;
    size_t endpoint = w->state.endpoint;
    enum watch_do what = watch_state_timer(&w->state, clock_mono_ms(), &cause);
    if (!resting && what != WATCH_DO_NOTHING) {
        note_break(w, cause, endpoint, "");
    }
    carry_out(w, what);
    tell_condition(w);
    leave(w);
}

static void
on_token(void *arg, enum etcd_outcome outcome, const char *error)
{
    struct watch *w = arg;
    enter(w);
    if (outcome == ETCD_OK) {
        open_stream(w);
    } else {
        break_off(w, WATCH_CAUSE_UNAUTHORIZED, error);
    }
    leave(w);
}

/* --- lists ----------------------------------------------------------------------------- */
/* The state has decided for it; the owner gets it, and the stream follows. */
static void
deliver_list(struct watch *w, const struct etcd_reply *reply)
{
    enum watch_do next = watch_state_adopt(&w->state, clock_mono_ms(), reply->revision);
    w->events->snapshot(w->arg, reply->kvs, reply->kv_count, reply->revision);
    if (!w->destroyed) {
        w->events->synced(w->arg, reply->revision);
    }
    if (!w->destroyed) {
        tell_condition(w);
    }
    if (!w->destroyed) {
        carry_out(w, next);
    }
}

static void
offer_regressed(struct watch *w, const struct etcd_reply *reply)
{
    LOG_LIMITED(1, LOG_ERROR, "etcd_store_regressed",
                "prefix=%s endpoint=%s revision=%" PRId64 " applied=%" PRId64,
                LOG_SPAN(buf_span(&w->prefix)), LOG_STR(reply->endpoint), reply->revision,
                w->state.applied);
    tell_condition(w);
    bool adopted = !w->destroyed && w->events->regressed != NULL &&
                   w->events->regressed(w->arg, reply->kvs, reply->kv_count, reply->revision);
    if (w->destroyed) {
        return;
    }
    if (!adopted) {
        break_off(w, WATCH_CAUSE_BEHIND, "");
        return;
    }
    guard_forget_terms(&w->guard);
    guard_forget_terms(&w->client->guard);
    deliver_list(w, reply);
}

static void
on_list(void *arg, const struct etcd_reply *reply)
{
    struct watch *w = arg;
    w->call = NULL;
    enter(w);
    if (reply->outcome != ETCD_OK) {
        break_off(w, WATCH_CAUSE_LIST_FAILED, reply->error);
        leave(w);
        return;
    }
    enum guard_result guard =
        guard_check(&w->guard, reply_header(reply), w->asked_us, clock_mono_us());
    switch (watch_state_judge_list(&w->state, reply->revision, guard)) {
    case WATCH_LIST_GOOD: deliver_list(w, reply); break;
    case WATCH_LIST_BEHIND: break_off(w, WATCH_CAUSE_BEHIND, guard_text(guard)); break;
    case WATCH_LIST_FOREIGN: break_off(w, WATCH_CAUSE_OTHER_CLUSTER, ""); break;
    case WATCH_LIST_REGRESSED: offer_regressed(w, reply); break;
    }
    leave(w);
}

/* --- the stream -------------------------------------------------------------------------- */
static void
deliver_changes(struct watch *w, const struct answer *a)
{
    for (size_t i = 0; i < a->change_count && !w->destroyed; i++) {
        const struct watch_change *c = &a->changes[i];
        if (!watch_state_is_news(&w->state, c->kv.mod_revision)) {
            metric_add(w->client->counts, METRIC_ID_ETCD_WATCH_DROPPED, 1);
            continue;
        }
        struct watch_event event = {
            .type = c->is_delete ? WATCH_DELETE : WATCH_PUT,
            .kv = c->kv,
            .prev = c->has_prev ? &c->prev : NULL,
        };
        metric_add(w->client->counts, METRIC_ID_ETCD_WATCH_EVENTS, 1);
        w->events->event(w->arg, &event);
    }
}

/* The answer is whole: what was held, then its last part. */
static void
deliver_answer(struct watch *w, const struct answer *last)
{
    int64_t before = w->state.applied;
    struct answer *held = w->held;
    size_t count = w->held_count;
    w->held = NULL;
    w->held_count = w->held_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        deliver_changes(w, &held[i]);
        answer_deinit(&held[i]);
    }
    free(held);
    deliver_changes(w, last);
    watch_state_commit(&w->state);
    if (!w->destroyed && w->state.applied != before) {
        w->events->synced(w->arg, w->state.applied);
    }
}

/* Takes the answer over if it returns true. */
static bool
hold(struct watch *w, const struct answer *a)
{
    if (a->bytes_cap > MESSAGE_BYTES_MAX - w->held_bytes) {
        return false;
    }
    w->held_bytes += a->bytes_cap;
    w->held = mem_realloc(w->held, (w->held_count + 1) * sizeof(w->held[0]));
    w->held[w->held_count++] = *a;
    return true;
}

static void
on_message(struct watch *w, struct answer *a)
{
    uint64_t now = clock_mono_ms();
    enum guard_result guard = guard_check(&w->guard, &a->header, w->asked_us, clock_mono_us());
    enum watch_cause cause;
    switch (watch_state_judge_message(&w->state, now, a, guard, &cause)) {
    case WATCH_MESSAGE_QUIET: break;
    case WATCH_MESSAGE_APPLY: deliver_answer(w, a); break;
    case WATCH_MESSAGE_HOLD:
        if (hold(w, a)) {
            return;
        }
        break_off(w, WATCH_CAUSE_MALFORMED, "an answer in fragments is too large");
        break;
    case WATCH_MESSAGE_BREAK: {
        char *detail = mem_strdup(a->message[0] != '\0' ? a->message : a->cancel_reason);
        break_off(w, cause, detail);
        free(detail);
        break;
    }
    }
    answer_deinit(a);
}

/* What answers here is no gateway; its first words say what it is. */
static void
break_off_foreign(struct watch *w, struct span text)
{
    size_t shown = text.len < FOREIGN_TEXT_SHOWN ? text.len : FOREIGN_TEXT_SHOWN;
    char *detail = mem_printf("not a JSON object: %.*s", (int)shown, text.ptr);
    break_off(w, WATCH_CAUSE_MALFORMED, detail);
    free(detail);
}

/* One message off the input. False when there is no more to do: none is whole,
 * or the stream was given up (`input` is gone then). */
static bool
take_message(struct watch *w, struct buf *input)
{
    struct span message;
    size_t consumed;
    struct answer answer;
    const char *bad;
    switch (json_split_next(&w->split, buf_span(input), MESSAGE_BYTES_MAX, &message, &consumed)) {
    case SPLIT_MORE: buf_consume(input, consumed); return false;
    case SPLIT_BAD: break_off_foreign(w, span_skip(buf_span(input), consumed)); return false;
    case SPLIT_TOO_LARGE: break_off(w, WATCH_CAUSE_MALFORMED, "too large"); return false;
    case SPLIT_MESSAGE: break;
    }
    if (!answer_decode(message, span_cstr(w->client->prefix), &answer, &bad)) {
        break_off(w, WATCH_CAUSE_MALFORMED, bad);
        return false;
    }
    buf_consume(input, consumed);
    const struct transfer *stream = w->transfer;
    on_message(w, &answer);
    return !w->destroyed && w->transfer == stream && stream != NULL;
}

static void
on_received(void *arg, struct buf *input)
{
    struct watch *w = arg;
    enter(w);
    while (take_message(w, input)) {
    }
    if (!w->destroyed && w->transfer != NULL) {
        carry_out(w, WATCH_DO_NOTHING);
        if (buf_len(input) == 0) {
            buf_shrink(input, 0); /* between messages a stream holds no memory */
        }
    }
    leave(w);
}

static void
on_stream_done(void *arg, enum transfer_end end, int status, struct buf *input, const char *error)
{
    struct watch *w = arg;
    w->transfer = NULL;
    enter(w);
    break_off(w, WATCH_CAUSE_STREAM_ENDED, error);
    leave(w);
}

/* --- the outside --------------------------------------------------------------------------- */
struct watch *
watch_create(struct etcd *client, const struct watch_options *options,
             const struct watch_events *events, void *arg)
{
    struct watch *w = mem_zalloc(sizeof(*w));
    w->client = client;
    w->events = events;
    w->arg = arg;
    ASSERT(buf_append_span(&w->prefix, options->prefix));
    auth_init_waiter(&w->waiter, on_token, w);
    loop_timer_init(&w->timer, client->loop, on_timer, w);
    watch_state_init(&w->state, client->endpoints.count,
                     options->idle_ms ? options->idle_ms : WATCH_IDLE_MS,
                     options->resync_ms ? options->resync_ms : WATCH_RESYNC_MS, random_seed());
    carry_out(w, watch_state_start(&w->state, clock_mono_ms()));
    return w;
}

bool
watch_is_live(const struct watch *w)
{
    return w->state.live;
}

bool
watch_is_regressed(const struct watch *w)
{
    return w->state.regressed;
}

int64_t
watch_revision(const struct watch *w)
{
    return w->state.applied;
}

uint64_t
watch_quiet_ms(const struct watch *w)
{
    return clock_mono_ms() - w->state.heard_ms;
}

void
watch_resync(struct watch *w)
{
    watch_state_ask_resync(&w->state, clock_mono_ms());
    carry_out(w, WATCH_DO_NOTHING);
}
