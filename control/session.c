#include "control/session.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "common/net/sock.h"
#include "common/push/frame.h"
#include "control/keys.h"

#include <inttypes.h>
#include <stdlib.h>

#define WORD_MAX_BYTES 256 /* of what a follower says of itself */

static void on_readable(void *arg);
static void on_closed(void *arg, const char *reason);
static void on_drained(void *arg);

static const struct stream_events stream_events = {
    .readable = on_readable,
    .closed = on_closed,
    .drained = on_drained,
};

struct session *
session_create(struct loop *loop, int fd, uint64_t patience_ms, const struct session_events *events,
               void *arg, uint64_t now_ms)
{
    struct stream_limits limits = {
        .input_max = SESSION_INPUT_MAX,
        .output_max = SESSION_OUTPUT_MAX,
        .stall_ms = patience_ms,
    };
    struct session *s = mem_zalloc(sizeof(*s));
    list_init(&s->link);
    s->events = events;
    s->arg = arg;
    s->patience_ms = patience_ms;
    s->accepted_ms = s->heard_ms = now_ms;
    sock_send_buffer(fd, SESSION_KERNEL_BYTES);
    s->stream = stream_adopt(loop, fd, &limits, &stream_events, s);
    return s;
}

void
session_destroy(struct session **s)
{
    struct session *it = *s;
    if (it == NULL) {
        return;
    }
    stream_destroy(&it->stream);
    shared_bytes_unref(&it->sending);
    shared_bytes_unref(&it->waiting);
    registration_destroy(&it->registration);
    list_remove(&it->link);
    free(it->id);
    free(it->zone);
    free(it->build);
    free(it->nack_code);
    free(it->nack_reason);
    free(it);
    *s = NULL;
}

static void
doom(struct session *s, const char *reason)
{
    if (s->doomed == NULL) {
        s->doomed = reason;
        s->events->closed(s->arg, s, reason);
    }
}

/* --- down ----------------------------------------------------------------- */

static void
begin_table(struct session *s, uint64_t now_ms)
{
    if (s->waiting == NULL || s->sending != NULL || !stream_write_shared(s->stream, s->waiting)) {
        return; /* on_drained() comes back to it */
    }
    s->sending = s->waiting;
    s->waiting = NULL;
    s->sending_since_ms = now_ms;
}

static void
on_drained(void *arg)
{
    struct session *s = arg;
    shared_bytes_unref(&s->sending);
    if (s->doomed == NULL) {
        begin_table(s, clock_mono_ms());
    }
}

void
session_offer(struct session *s, const struct table_identity *table, struct shared_bytes *frame,
              uint64_t now_ms)
{
    if (!s->greeted || s->doomed != NULL || strcmp(s->offered_sha, table->sha) == 0) {
        return;
    }
    strcpy(s->offered_sha, table->sha);
    shared_bytes_unref(&s->waiting);
    s->waiting = shared_bytes_ref(frame);
    begin_table(s, now_ms);
}

bool
session_send(struct session *s, struct span frame)
{
    return s->doomed == NULL && stream_write(s->stream, frame);
}

/* --- up ------------------------------------------------------------------- */

static bool
copy_identity(struct table_identity *to, const char *incarnation, json_int_t epoch, const char *sha)
{
    if (epoch < 0 || strlen(incarnation) >= sizeof(to->incarnation) ||
        strlen(sha) >= sizeof(to->sha)) {
        return false;
    }
    strcpy(to->incarnation, incarnation);
    strcpy(to->sha, sha);
    to->epoch = (uint64_t)epoch;
    return true;
}

static bool
take_role(struct session *s, const char *role)
{
    if (strcmp(role, "node") == 0) {
        s->role = SESSION_NODE;
    } else if (strcmp(role, "proxy") == 0) {
        s->role = SESSION_PROXY;
    } else {
        return false;
    }
    return true;
}

static const char *
take_hello(struct session *s, json_t *body)
{
    const char *role, *id, *zone = "", *build = "", *incarnation = "", *sha = "", *lease = "0";
    json_int_t epoch = 0;
    if (s->greeted) {
        return "a second HELLO";
    }
    if (json_unpack(body, "{s:s s:s s?s s?s s?s s?I s?s s?s}", "role", &role, "id", &id, "zone",
                    &zone, "build", &build, "incarnation", &incarnation, "epoch", &epoch, "sha",
                    &sha, "lease", &lease) != 0 ||
        !take_role(s, role) || !name_ok(span_cstr(id)) || strlen(zone) > WORD_MAX_BYTES ||
        strlen(build) > WORD_MAX_BYTES || !copy_identity(&s->held, incarnation, epoch, sha) ||
        !num_parse_i64(span_cstr(lease), &s->shown_lease)) {
        return "HELLO malformed";
    }
    if (s->role == SESSION_NODE) {
        char error[REGISTRATION_ERROR_MAX];
        s->registration = registration_decode(body, NULL, NULL, error);
        if (s->registration == NULL) {
            log_warn("registration_malformed", "peer=%s id=%s reason=%s", stream_peer(s->stream),
                     LOG_STR(id), LOG_STR(error));
            return "HELLO of a node malformed";
        }
    }
    s->id = mem_strdup(id);
    s->zone = mem_strdup(zone);
    s->build = mem_strdup(build);
    strcpy(s->offered_sha, s->held.sha);
    s->greeted = true;
    s->healthy = true;
    s->events->hello(s->arg, s);
    return NULL;
}

static const char *
take_ack(struct session *s, json_t *body)
{
    const char *incarnation = "", *sha = "";
    json_int_t epoch;
    if (json_unpack(body, "{s:I s?s s?s}", "epoch", &epoch, "incarnation", &incarnation, "sha",
                    &sha) != 0 ||
        !copy_identity(&s->held, incarnation, epoch, sha)) {
        return "ACK malformed";
    }
    s->events->acked(s->arg, s);
    return NULL;
}

static const char *
take_nack(struct session *s, json_t *body)
{
    const char *code = "unknown", *reason = "";
    json_int_t epoch = 0;
    if (json_unpack(body, "{s?I s?s s?s}", "epoch", &epoch, "code", &code, "reason", &reason) !=
            0 ||
        epoch < 0) {
        return "NACK malformed";
    }
    s->nacked_epoch = (uint64_t)epoch;
    free(s->nack_code);
    free(s->nack_reason);
    s->nack_code = mem_strndup(code, strnlen(code, NAME_MAX_BYTES));
    s->nack_reason = mem_strndup(reason, strnlen(reason, TABLE_ERROR_MAX));
    s->events->nacked(s->arg, s);
    return NULL;
}

static const char *
take_report(struct session *s, json_t *body)
{
    int healthy = 1;
    json_int_t epoch = (json_int_t)s->held.epoch;
    if (json_unpack(body, "{s?I s?b}", "epoch", &epoch, "healthy", &healthy) != 0 || epoch < 0) {
        return "REPORT malformed";
    }
    s->held.epoch = (uint64_t)epoch;
    s->healthy = healthy;
    return NULL;
}

static const char *
take_bye(struct session *s, json_t *body)
{
    int for_good = 0;
    if (json_unpack(body, "{s?b}", "for_good", &for_good) != 0) {
        return "BYE malformed";
    }
    s->events->bye(s->arg, s, for_good);
    return "said goodbye";
}

/* Returns why the session must end, or NULL. */
static const char *
take_frame(struct session *s, const struct frame *frame)
{
    if (!s->greeted && frame->type != FRAME_HELLO) {
        return "no HELLO first";
    }
    json_t *body = json_loadb(frame->body.ptr, frame->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (body == NULL) {
        return "a frame that is no JSON";
    }
    const char *end = NULL;
    switch (frame->type) {
    case FRAME_HELLO: end = take_hello(s, body); break;
    case FRAME_ACK: end = take_ack(s, body); break;
    case FRAME_NACK: end = take_nack(s, body); break;
    case FRAME_REPORT: end = take_report(s, body); break;
    case FRAME_BYE: end = take_bye(s, body); break;
    default: break; /* of a follower newer than we are */
    }
    json_decref(body);
    return end;
}

static void
on_readable(void *arg)
{
    struct session *s = arg;
    struct buf *in = stream_input(s->stream);
    while (s->doomed == NULL) {
        struct frame frame;
        enum frame_status status = frame_parse(buf_span(in), &frame);
        if (status == FRAME_NEED_MORE) {
            return;
        }
        const char *end = status == FRAME_BAD ? "not our frames" : take_frame(s, &frame);
        s->heard_ms = clock_mono_ms();
        if (end != NULL) {
            doom(s, end);
            return;
        }
        buf_consume(in, frame.bytes);
    }
}

static void
on_closed(void *arg, const char *reason)
{
    doom(arg, reason);
}

const char *
session_overdue(const struct session *s, uint64_t now_ms)
{
    if (!s->greeted && now_ms - s->accepted_ms > SESSION_HELLO_MS) {
        return "no HELLO in time";
    }
    if (s->sending != NULL && now_ms - s->sending_since_ms > 2 * s->patience_ms) {
        return "takes a table too slowly";
    }
    if (now_ms - s->heard_ms > s->patience_ms) {
        return "silent";
    }
    return NULL;
}

const char *
session_role_name(enum session_role role)
{
    switch (role) {
    case SESSION_PROXY: return "proxy";
    case SESSION_NODE: return "node";
    }
    UNREACHABLE();
}
