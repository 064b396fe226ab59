#include "control/push_server.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/push/frame.h"

#include <inttypes.h>
#include <stdlib.h>

struct push_server {
    struct loop *loop;
    struct listener *listener;
    struct loop_timer beat;
    struct list sessions;
    uint64_t patience_ms;
    const struct push_server_events *events;
    void *arg;
    struct metric_block *metrics;
    struct table_identity head; /* epoch 0: nothing to serve yet */
    struct shared_bytes *frame; /* of the head */
};

static void
greet(void *arg, struct session *s)
{
    struct push_server *server = arg;
    metric_add(server->metrics, METRIC_ID_FOLLOWERS, 1);
    log_info("follower_greeted", "role=%s id=%s peer=%s epoch=%" PRIu64, session_role_name(s->role),
             LOG_STR(s->id), stream_peer(s->stream), s->held.epoch);
    server->events->greeted(server->arg, s);
    if (server->frame != NULL) {
        metric_add(server->metrics, METRIC_ID_TABLES_SENT, 1);
        session_offer(s, &server->head, server->frame, clock_mono_ms());
    }
    if (s->role == SESSION_NODE) {
        server->events->node_greeted(server->arg, s);
    }
}

static void
count_ack(void *arg, struct session *s)
{
    struct push_server *server = arg;
    metric_add(server->metrics, METRIC_ID_ACKS, 1);
    log_debug("table_acked", "role=%s id=%s epoch=%" PRIu64, session_role_name(s->role),
              LOG_STR(s->id), s->held.epoch);
}

static void
count_nack(void *arg, struct session *s)
{
    struct push_server *server = arg;
    metric_add(server->metrics, METRIC_ID_NACKS, 1);
    LOG_LIMITED(10, LOG_WARN, "table_nacked", "role=%s id=%s epoch=%" PRIu64 " code=%s reason=%s",
                session_role_name(s->role), LOG_STR(s->id), s->nacked_epoch, LOG_STR(s->nack_code),
                LOG_STR(s->nack_reason));
}

static void
pass_bye(void *arg, struct session *s, bool for_good)
{
    struct push_server *server = arg;
    if (s->role == SESSION_NODE) {
        server->events->node_bye(server->arg, s, for_good);
    }
}

static void
on_session_closed(void *arg, struct session *s, const char *reason)
{
    struct push_server *server = arg;
    log_info("follower_gone", "id=%s peer=%s reason=%s", LOG_STR(s->greeted ? s->id : "?"),
             stream_peer(s->stream), LOG_STR(reason));
    if (s->greeted) {
        metric_sub(server->metrics, METRIC_ID_FOLLOWERS, 1);
        if (s->role == SESSION_NODE) {
            server->events->node_gone(server->arg, s);
        }
    }
    session_destroy(&s);
}

static const struct session_events session_events = {
    .hello = greet,
    .acked = count_ack,
    .nacked = count_nack,
    .bye = pass_bye,
    .closed = on_session_closed,
};

void
push_server_drop(struct push_server *server, struct session *s, const char *reason)
{
    metric_add(server->metrics, METRIC_ID_DROPPED, 1);
    s->doomed = reason;
    on_session_closed(server, s, reason);
}

static void
on_accept(void *arg, int fd, const struct addr *peer)
{
    struct push_server *server = arg;
    metric_add(server->metrics, METRIC_ID_ACCEPTED, 1);
    struct session *s = session_create(server->loop, fd, server->patience_ms, &session_events,
                                       server, clock_mono_ms());
    list_push_back(&server->sessions, &s->link);
}

/* The beat's frame; the same for every follower. */
static void
compose_beat(struct push_server *server, struct buf *out)
{
    struct push_view view = {0};
    server->events->view(server->arg, &view);
    json_t *body = json_pack("{s:s s:I}", "state", view.live ? "live" : "stale", "lag_ms",
                             (json_int_t)view.lag_ms);
    if (server->head.epoch > 0) {
        json_object_set_new(body, "incarnation", json_string(server->head.incarnation));
        json_object_set_new(body, "epoch", json_integer((json_int_t)server->head.epoch));
        json_object_set_new(body, "sha", json_string(server->head.sha));
    }
    if (view.relays != NULL) {
        json_object_set_new(body, "relays", json_loads(view.relays, 0, NULL));
    }
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    frame_put(out, FRAME_BEAT, span_cstr(text));
    free(text);
}

static void
on_beat(void *arg)
{
    struct push_server *server = arg;
    struct buf beat = BUF_EMPTY;
    compose_beat(server, &beat);
    uint64_t now_ms = clock_mono_ms();
    LIST_EACH_SAFE (it, &server->sessions) {
        struct session *s = LIST_ENTRY(it, struct session, link);
        const char *overdue = session_overdue(s, now_ms);
        if (overdue != NULL) {
            push_server_drop(server, s, overdue);
        } else if (s->greeted && stream_unsent(s->stream) == 0) {
            /* Who has not read the last bytes yet gains nothing by more. */
            session_send(s, buf_span(&beat));
            metric_add(server->metrics, METRIC_ID_BEATS, 1);
        }
    }
    buf_deinit(&beat);
    metric_set_value(server->metrics, METRIC_ID_FOLLOWERS_BEHIND, push_server_behind(server));
    loop_timer_start(&server->beat, PUSH_BEAT_MS);
}

struct push_server *
push_server_create(struct loop *loop, const struct addr *addr, uint64_t patience_ms,
                   const struct push_server_events *events, void *arg, struct metric_block *metrics,
                   char **error)
{
    struct push_server *server = mem_zalloc(sizeof(*server));
    server->loop = loop;
    server->patience_ms = patience_ms;
    server->events = events;
    server->arg = arg;
    server->metrics = metrics;
    list_init(&server->sessions);
    loop_timer_init(&server->beat, loop, on_beat, server);
    static const struct listener_options options = {.backlog = 4096};
    server->listener = listener_create(loop, addr, &options, on_accept, server, error);
    if (server->listener == NULL) {
        push_server_destroy(&server);
        return NULL;
    }
    loop_timer_start(&server->beat, PUSH_BEAT_MS);
    return server;
}

void
push_server_destroy(struct push_server **server)
{
    struct push_server *it = *server;
    if (it == NULL) {
        return;
    }
    LIST_EACH_SAFE (link, &it->sessions) {
        on_session_closed(it, LIST_ENTRY(link, struct session, link), "shutting down");
    }
    listener_destroy(&it->listener);
    loop_timer_deinit(&it->beat);
    shared_bytes_unref(&it->frame);
    free(it);
    *server = NULL;
}

const struct addr *
push_server_addr(const struct push_server *server)
{
    return listener_addr(server->listener);
}

void
push_server_publish(struct push_server *server, const struct table *table)
{
    struct buf bytes = BUF_EMPTY;
    if (!frame_put(&bytes, FRAME_TABLE, buf_span(&table->document))) {
        /* A document that table_parse() took fits a frame, so memory is out:
         * followers keep what they have. */
        log_error("table_frame_failed", "epoch=%" PRIu64, table->epoch);
        return;
    }
    shared_bytes_unref(&server->frame);
    server->frame = shared_bytes_create(&bytes);
    snprintf(server->head.incarnation, sizeof(server->head.incarnation), "%s", table->incarnation);
    snprintf(server->head.sha, sizeof(server->head.sha), "%s", table->sha);
    server->head.epoch = table->epoch;
    uint64_t now_ms = clock_mono_ms();
    LIST_EACH (it, &server->sessions) {
        struct session *s = LIST_ENTRY(it, struct session, link);
        if (s->greeted) {
            metric_add(server->metrics, METRIC_ID_TABLES_SENT, 1);
            session_offer(s, &server->head, server->frame, now_ms);
        }
    }
}

void
push_server_each(const struct push_server *server, void (*fn)(void *arg, const struct session *s),
                 void *arg)
{
    LIST_EACH (it, &server->sessions) {
        const struct session *s = LIST_ENTRY(it, struct session, link);
        if (s->greeted) {
            fn(arg, s);
        }
    }
}

unsigned
push_server_behind(const struct push_server *server)
{
    unsigned behind = 0;
    LIST_EACH (it, &server->sessions) {
        const struct session *s = LIST_ENTRY(it, struct session, link);
        behind += s->greeted && s->held.epoch < server->head.epoch;
    }
    return behind;
}
