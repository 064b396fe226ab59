#include "common/push/follow_push.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/version.h"
#include "common/net/stream.h"
#include "common/push/follow_link.h"
#include "common/push/follow_metric.h"
#include "common/push/frame.h"

#include <inttypes.h>
#include <stdlib.h>

#define OUTPUT_MAX     (256u << 10)
#define REPORT_MAX     (128u << 10) /* leaves room for what must get through: ACK, NACK, BYE */
#define STALL_MS       30000
#define LEASE_ID_MAX   64
#define RELAYS_MAX     16 /* mfcontrols learned from beats, beside the configured ones */
#define PEER_ADDRS_MAX 8

struct follow_push {
    struct loop *loop;
    const struct option_strings *control;
    const struct follow_push_owner *owner;
    struct follow_link link;
    struct loop_timer timer;  /* the link's next step */
    struct loop_timer report; /* also bounds the goodbye */
    struct stream *stream;    /* NULL while waiting */
    struct addr_name target;  /* the peer's name */
    unsigned attempts;        /* of its addresses another is tried each time */
    struct addr_name relays[RELAYS_MAX];
    unsigned relay_count;
    char lease[LEASE_ID_MAX]; /* "" before the first */
    bool up;                  /* HELLO was sent */
    bool leaving;             /* BYE was sent; mfcontrol closes when it has read that */
};

static void step(void *arg);
static void on_connected(void *arg);
static void on_readable(void *arg);
static void on_closed(void *arg, const char *reason);
static void on_report(void *arg);

static const struct stream_events stream_events = {
    .connected = on_connected,
    .readable = on_readable,
    .closed = on_closed,
};

bool
follow_push_check(const struct option_strings *control, char **error)
{
    struct addr_name name;
    for (size_t i = 0; i < control->count; i++) {
        if (!addr_parse(span_cstr(control->items[i]), 0, &name) || name.host[0] == '\0' ||
            (!name.is_unix && name.port == 0)) {
            *error = mem_printf("control \"%s\": expected HOST:PORT", control->items[i]);
            return false;
        }
    }
    if (control->count == 0) {
        *error = mem_strdup("control: expected at least one HOST:PORT");
    }
    return control->count > 0;
}

struct follow_push *
follow_push_create(struct loop *loop, const struct option_strings *control,
                   const struct follow_push_owner *owner)
{
    struct follow_push *p = mem_zalloc(sizeof(*p));
    p->loop = loop;
    p->control = control;
    p->owner = owner;
    follow_link_init(&p->link, (unsigned)control->count, random_seed(), clock_mono_ms());
    loop_timer_init(&p->timer, loop, step, p);
    loop_timer_init(&p->report, loop, on_report, p);
    loop_timer_start(&p->timer, 0);
    return p;
}

void
follow_push_destroy(struct follow_push **p)
{
    if (*p == NULL) {
        return;
    }
    loop_timer_deinit(&(*p)->timer);
    loop_timer_deinit(&(*p)->report);
    stream_destroy(&(*p)->stream);
    free(*p);
    *p = NULL;
}

/* --- connecting ------------------------------------------------------------- */

static void
schedule(struct follow_push *p)
{
    loop_timer_start(&p->timer, follow_link_wait_ms(&p->link, clock_mono_ms()));
}

static void
lose(struct follow_push *p, const char *reason)
{
    const char *peer = p->stream != NULL ? stream_peer(p->stream) : p->target.host;
    if (p->up && !p->leaving) {
        log_warn("control_lost", "peer=%s reason=%s", peer, LOG_STR(reason));
    } else if (!p->leaving) {
        LOG_LIMITED(1, LOG_WARN, "control_unreachable", "peer=%s reason=%s", peer, LOG_STR(reason));
    }
    p->up = false;
    metric_set_value(p->owner->metrics, METRIC_ID_CONNECTED, 0);
    loop_timer_stop(&p->report);
    stream_destroy(&p->stream);
    follow_link_lost(&p->link, clock_mono_ms());
    if (p->leaving) {
        p->owner->goodbye_done(p->owner->arg);
    } else {
        schedule(p);
    }
}

/* The configured mfcontrols first, then those that beats told of. */
static void
choose_peer(struct follow_push *p)
{
    if (p->link.peer < p->control->count) {
        addr_parse(span_cstr(p->control->items[p->link.peer]), 0, &p->target);
    } else {
        p->target = p->relays[p->link.peer - p->control->count];
    }
}

/* Names are looked up at every attempt: an mfcontrol may have moved. */
static void
connect_peer(struct follow_push *p)
{
    static const struct stream_limits limits = {
        .input_max = FRAME_BYTES_MAX,
        .output_max = OUTPUT_MAX,
        .stall_ms = STALL_MS,
        .connect_ms = LINK_CONNECT_MS,
    };
    struct addr addrs[PEER_ADDRS_MAX];
    const char *why = NULL;
    choose_peer(p);
    if (!p->owner->lookup_begins(p->owner->arg)) {
        return;
    }
    unsigned found = addr_lookup(&p->target, false, addrs, PEER_ADDRS_MAX, &why);
    if (!p->owner->lookup_ended(p->owner->arg)) {
        return;
    }
    metric_add(p->owner->metrics, METRIC_ID_RECONNECTS, 1);
    if (found == 0) {
        lose(p, why);
        return;
    }
    p->stream = stream_connect(p->loop, &addrs[p->attempts++ % found], &limits, &stream_events, p);
    schedule(p);
}

static void
step(void *arg)
{
    struct follow_push *p = arg;
    switch (follow_link_step(&p->link, clock_mono_ms())) {
    case LINK_NOTHING: schedule(p); break;
    case LINK_CONNECT: connect_peer(p); break;
    case LINK_DROP: lose(p, "silent"); break;
    }
}

static void
on_closed(void *arg, const char *reason)
{
    lose(arg, reason);
}

/* --- up ---------------------------------------------------------------------- */

/* Takes over `body`. False if it is over `max_bytes`, together with what still
 * waits to be sent. */
static bool
send_limited(struct follow_push *p, enum frame_type type, json_t *body, size_t max_bytes)
{
    struct buf frame = BUF_EMPTY;
    char *text = json_dumps(body, JSON_COMPACT);
    bool ok = text != NULL && p->up && frame_put(&frame, type, span_cstr(text)) &&
              stream_unsent(p->stream) + buf_len(&frame) <= max_bytes &&
              stream_write(p->stream, buf_span(&frame));
    buf_deinit(&frame);
    free(text);
    json_decref(body);
    return ok;
}

static bool
send_frame(struct follow_push *p, enum frame_type type, json_t *body)
{
    return send_limited(p, type, body, OUTPUT_MAX);
}

/* Members that are not valid UTF-8 or not given are left out. */
static void
put_string(json_t *object, const char *member, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        json_object_set_new(object, member, json_string(value));
    }
}

static void
put_number(json_t *object, const char *member, uint64_t value)
{
    json_object_set_new(object, member, json_integer((json_int_t)value));
}

static void
put_identity(json_t *object, const struct table *table)
{
    put_number(object, "epoch", table->epoch);
    put_string(object, "incarnation", table->incarnation);
    put_string(object, "sha", table->sha);
}

static void
put_node(json_t *hello, const struct follower_identity *who, const char *lease)
{
    put_string(hello, "pool", who->pool);
    put_string(hello, "addr", who->advertise);
    put_string(hello, "ring_name", who->ring_name);
    put_string(hello, "boot_id", who->boot_id);
    put_number(hello, "weight", who->weight);
    put_number(hello, "memory_bytes", who->memory_bytes);
    put_number(hello, "generation", who->generation);
    put_string(hello, "lease", lease);
}

static void
send_hello(struct follow_push *p)
{
    const struct follower_identity *who = p->owner->identity;
    const struct table *held = p->owner->held(p->owner->arg);
    json_t *hello = json_object();
    put_string(hello, "role", who->role == FOLLOWER_NODE ? "node" : "proxy");
    put_string(hello, "id", who->id);
    put_string(hello, "zone", who->zone);
    put_string(hello, "build", MEMFLEET_VERSION);
    if (held != NULL) {
        put_identity(hello, held);
    }
    if (who->role == FOLLOWER_NODE) {
        put_node(hello, who, p->lease);
    }
    send_frame(p, FRAME_HELLO, hello);
}

static void
on_connected(void *arg)
{
    struct follow_push *p = arg;
    follow_link_connected(&p->link, clock_mono_ms());
    p->up = true;
    metric_set_value(p->owner->metrics, METRIC_ID_CONNECTED, 1);
    log_info("control_connected", "peer=%s", stream_peer(p->stream));
    send_hello(p);
    loop_timer_start(&p->report, PUSH_REPORT_MS);
    schedule(p);
}

static json_t *
bare_report(struct follow_push *p)
{
    const struct table *held = p->owner->held(p->owner->arg);
    json_t *report = json_object();
    put_number(report, "epoch", held != NULL ? held->epoch : 0);
    if (p->owner->identity->role == FOLLOWER_NODE) {
        bool healthy = p->owner->healthy == NULL || p->owner->healthy(p->owner->arg);
        json_object_set_new(report, "healthy", json_boolean(healthy));
    }
    return report;
}

/* Statistics that do not fit are left out rather than the report: mfcontrol
 * takes a silent follower for a dead one. */
static void
send_report(struct follow_push *p)
{
    json_t *report = bare_report(p);
    if (p->owner->report != NULL) {
        p->owner->report(p->owner->arg, report);
    }
    if (!send_limited(p, FRAME_REPORT, report, REPORT_MAX)) {
        LOG_LIMITED(1, LOG_DEBUG, "report_cut", "peer=%s", stream_peer(p->stream));
        send_limited(p, FRAME_REPORT, bare_report(p), REPORT_MAX);
    }
}

static void
on_report(void *arg)
{
    struct follow_push *p = arg;
    if (p->leaving) {
        lose(p, "leaving");
        return;
    }
    send_report(p);
    loop_timer_start(&p->report, PUSH_REPORT_MS);
}

void
follow_push_ack(struct follow_push *p, const struct table *table)
{
    json_t *ack = json_object();
    put_identity(ack, table);
    send_frame(p, FRAME_ACK, ack);
}

void
follow_push_nack(struct follow_push *p, uint64_t epoch, const char *code, const char *reason)
{
    json_t *nack = json_object();
    put_number(nack, "epoch", epoch);
    put_string(nack, "code", code);
    put_string(nack, "reason", reason);
    send_frame(p, FRAME_NACK, nack);
}

void
follow_push_hurry(struct follow_push *p)
{
    if (!p->leaving) {
        follow_link_hurry(&p->link, clock_mono_ms());
        schedule(p);
    }
}

void
follow_push_goodbye(struct follow_push *p, bool for_good)
{
    json_t *bye = json_object();
    json_object_set_new(bye, "for_good", json_boolean(for_good));
    p->leaving = true;
    if (!send_frame(p, FRAME_BYE, bye)) {
        p->owner->goodbye_done(p->owner->arg);
        return;
    }
    loop_timer_start(&p->report, PUSH_GOODBYE_MS);
}

/* --- down --------------------------------------------------------------------- */

static void
take_relays(struct follow_push *p, const json_t *relays)
{
    size_t i;
    json_t *item;
    unsigned n = 0;
    json_array_foreach (relays, i, item) {
        const char *text = json_string_value(item);
        if (n < RELAYS_MAX && text != NULL && addr_parse(span_cstr(text), 0, &p->relays[n]) &&
            !p->relays[n].is_unix && p->relays[n].port != 0 && p->relays[n].host[0] != '\0') {
            n++;
        }
    }
    p->relay_count = n;
    p->link.peer_count = (unsigned)p->control->count + n;
}

static const char *
text_or_empty(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static uint64_t
number_or_zero(const json_t *object, const char *member)
{
    json_int_t number = json_integer_value(json_object_get(object, member));
    return number > 0 ? (uint64_t)number : 0;
}

static void
take_beat(struct follow_push *p, const json_t *body)
{
    struct push_beat beat = {
        .epoch = number_or_zero(body, "epoch"),
        .incarnation = text_or_empty(body, "incarnation"),
        .sha = text_or_empty(body, "sha"),
        .live = strcmp(text_or_empty(body, "state"), "live") == 0,
        .lag_ms = number_or_zero(body, "lag_ms"),
    };
    metric_add(p->owner->metrics, METRIC_ID_BEATS, 1);
    follow_link_heard(&p->link, clock_mono_ms());
    const json_t *relays = json_object_get(body, "relays");
    if (relays != NULL) {
        take_relays(p, relays);
    }
    p->owner->beat(p->owner->arg, &beat);
}

static void
take_lease(struct follow_push *p, const json_t *body)
{
    const char *id = text_or_empty(body, "id");
    if (id[0] == '\0' || strlen(id) >= sizeof(p->lease)) {
        log_warn("control_lease_malformed", "peer=%s", stream_peer(p->stream));
        return;
    }
    strcpy(p->lease, id);
}

/* To take a large table may last longer than beats may stay away, so the count
 * begins anew behind it. */
static void
take_table(struct follow_push *p, struct span document)
{
    p->owner->table(p->owner->arg, document);
    follow_link_heard(&p->link, clock_mono_ms());
}

/* False: this is no mfcontrol that we understand. */
static bool
take_small(struct follow_push *p, const struct frame *frame)
{
    json_t *body = json_loadb(frame->body.ptr, frame->body.len, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(body);
    if (ok && frame->type == FRAME_BEAT) {
        take_beat(p, body);
    } else if (ok) {
        take_lease(p, body);
    }
    json_decref(body);
    return ok;
}

static bool
take_frame(struct follow_push *p, const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_TABLE: take_table(p, frame->body); return true;
    case FRAME_BEAT: return take_small(p, frame);
    case FRAME_LEASE: return take_small(p, frame);
    default: return true; /* of a newer mfcontrol */
    }
}

static void
on_readable(void *arg)
{
    struct follow_push *p = arg;
    struct buf *in = stream_input(p->stream);
    while (!p->leaving) {
        struct frame frame;
        enum frame_status status = frame_parse(buf_span(in), &frame);
        if (status == FRAME_NEED_MORE) {
            break;
        }
        if (status == FRAME_BAD || !take_frame(p, &frame)) {
            lose(p, "does not speak our frames");
            return;
        }
        buf_consume(in, frame.bytes);
    }
    if (buf_len(in) > 0) {
        follow_link_receiving(&p->link, clock_mono_ms());
    }
    schedule(p);
}
