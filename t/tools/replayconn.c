#include "t/tools/replayconn.h"
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/stream.h"
#include "t/tools/selfvalue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX   1024u
#define LINE_MAX      2048u
#define BUFFERED_MAX  (256u << 20)
#define ERRORS_LOGGED 5u /* a second */

enum kind { KIND_GET, KIND_SET };

struct request {
    uint32_t id;
    enum kind kind;
};

/* A ring of `room` entries, `count` of them used from `first` on. */
struct queue {
    struct request *items;
    unsigned room, first, count;
};

struct replayconn {
    struct stream *stream;
    const struct replay_plan *plan;
    const struct replay_events *events;
    struct replay_totals *totals;
    struct queue waiting;
    struct queue pending; /* sent, unanswered; a miss adds its set: 2 * depth */
    uint64_t started;
    char *value; /* scratch */
};

static void
queue_init(struct queue *q, unsigned room)
{
    *q = (struct queue){.items = mem_alloc(room * sizeof(*q->items)), .room = room};
}

static void
queue_push(struct queue *q, struct request r)
{
    ASSERT(q->count < q->room);
    q->items[(q->first + q->count++) % q->room] = r;
}

static struct request
queue_pop(struct queue *q)
{
    ASSERT(q->count > 0);
    struct request r = q->items[q->first];
    q->first = (q->first + 1) % q->room;
    q->count--;
    return r;
}

static bool
queue_has(const struct queue *q, uint32_t id)
{
    for (unsigned i = 0; i < q->count; i++) {
        if (q->items[(q->first + i) % q->room].id == id) {
            return true;
        }
    }
    return false;
}

/* --- sending ------------------------------------------------------------ */

static void
send_bytes(struct replayconn *c, struct span bytes)
{
    bool queued = stream_write(c->stream, bytes);
    ASSERT(queued); /* `depth` values are far below BUFFERED_MAX */
}

static void
send_get(struct replayconn *c, uint32_t id)
{
    char line[4 + SELFVALUE_KEY_CHARS + 2];
    memcpy(line, "get ", 4);
    selfvalue_key(id, line + 4);
    memcpy(line + 4 + SELFVALUE_KEY_CHARS, "\r\n", 2);
    queue_push(&c->pending, (struct request){id, KIND_GET});
    send_bytes(c, span_make(line, sizeof(line)));
}

static void
send_set(struct replayconn *c, uint32_t id)
{
    char key[SELFVALUE_KEY_CHARS], line[64];
    size_t bytes = selfvalue_bytes(id, c->plan->value_min, c->plan->value_max);
    selfvalue_key(id, key);
    int n = snprintf(line, sizeof(line), "set %.*s %u 0 %zu\r\n", SELFVALUE_KEY_CHARS, key,
                     selfvalue_flags(id), bytes);
    selfvalue_fill(id, c->value, bytes);
    memcpy(c->value + bytes, "\r\n", 2);
    queue_push(&c->pending, (struct request){id, KIND_SET});
    send_bytes(c, span_make(line, (size_t)n));
    send_bytes(c, span_make(c->value, bytes + 2));
}

static void
send_waiting(struct replayconn *c)
{
    while (c->waiting.count > 0 && c->pending.count < c->plan->depth &&
           !queue_has(&c->pending, c->waiting.items[c->waiting.first].id)) {
        uint32_t id = queue_pop(&c->waiting).id;
        c->started++;
        if (c->plan->set_every > 0 && c->started % c->plan->set_every == 0) {
            send_set(c, id);
        } else {
            send_get(c, id);
        }
    }
}

bool
replayconn_offer(struct replayconn *c, uint32_t id)
{
    if (c->waiting.count == c->waiting.room) {
        return false;
    }
    queue_push(&c->waiting, (struct request){id, KIND_GET});
    send_waiting(c);
    return true;
}

bool
replayconn_idle(const struct replayconn *c)
{
    return c->waiting.count == 0 && c->pending.count == 0;
}

/* --- replies ------------------------------------------------------------- */

enum answer {
    ANSWER_MORE,
    ANSWER_HIT,
    ANSWER_MISS,
    ANSWER_STORED,
    ANSWER_ERROR,
    ANSWER_WRONG,
    ANSWER_BROKEN
};

/* The first line of `in` with its end; empty if it is not whole yet. */
static struct span
first_line(struct span in)
{
    const char *nl = memchr(in.ptr, '\n', in.len < LINE_MAX ? in.len : LINE_MAX);
    return nl != NULL ? span_make(in.ptr, (size_t)(nl - in.ptr) + 1) : SPAN_LIT("");
}

static bool
starts_with(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.len >= n && memcmp(s.ptr, text, n) == 0;
}

static bool
is_error_line(struct span line)
{
    return starts_with(line, "SERVER_ERROR ") || starts_with(line, "CLIENT_ERROR ") ||
           starts_with(line, "ERROR");
}

/* "VALUE key flags bytes", the bytes and "END"; *used is the reply's length. */
static enum answer
judge_value(uint32_t id, struct span in, struct span line, size_t *used)
{
    char text[LINE_MAX + 1], key[LINE_MAX + 1];
    unsigned flags;
    size_t bytes;
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    if (sscanf(text, "VALUE %s %u %zu\r\n", key, &flags, &bytes) != 3) {
        return ANSWER_BROKEN;
    }
    static const char end[] = "\r\nEND\r\n";
    size_t whole = line.len + bytes + sizeof(end) - 1;
    if (in.len < whole) {
        return ANSWER_MORE;
    }
    *used = whole;
    if (memcmp(in.ptr + line.len + bytes, end, sizeof(end) - 1) != 0) {
        return ANSWER_BROKEN;
    }
    char wanted[SELFVALUE_KEY_CHARS + 1] = "";
    selfvalue_key(id, wanted);
    bool right = strcmp(key, wanted) == 0 && flags == selfvalue_flags(id) &&
                 selfvalue_equals(id, span_make(in.ptr + line.len, bytes));
    return right ? ANSWER_HIT : ANSWER_WRONG;
}

static enum answer
judge(struct request r, struct span in, size_t *used)
{
    struct span line = first_line(in);
    if (line.len == 0) {
        return in.len < LINE_MAX ? ANSWER_MORE : ANSWER_BROKEN;
    }
    *used = line.len;
    if (is_error_line(line)) {
        return ANSWER_ERROR;
    }
    if (r.kind == KIND_SET) {
        return span_eq_cstr(line, "STORED\r\n") ? ANSWER_STORED : ANSWER_BROKEN;
    }
    return span_eq_cstr(line, "END\r\n") ? ANSWER_MISS : judge_value(r.id, in, line, used);
}

static void
count(struct replayconn *c, struct request r, enum answer answer, struct span reply)
{
    c->totals->requests += r.kind == KIND_GET;
    switch (answer) {
    case ANSWER_HIT: c->totals->hits++; break;
    case ANSWER_MISS: send_set(c, r.id); break;
    case ANSWER_STORED: c->totals->sets++; break;
    case ANSWER_ERROR:
        c->totals->errors++;
        LOG_LIMITED(ERRORS_LOGGED, LOG_WARN, "error_reply", "key=t:%08x command=%s reply=%s", r.id,
                    r.kind == KIND_GET ? "get" : "set", LOG_SPAN(reply));
        break;
    case ANSWER_WRONG:
        c->totals->wrong++;
        LOG_LIMITED(ERRORS_LOGGED, LOG_ERROR, "wrong_value", "key=t:%08x reply=%s", r.id,
                    LOG_SPAN(reply));
        break;
    case ANSWER_MORE:
    case ANSWER_BROKEN: break;
    }
}

static void
on_readable(void *arg)
{
    struct replayconn *c = arg;
    struct buf *in = stream_input(c->stream);
    while (buf_len(in) > 0) {
        if (c->pending.count == 0) {
            c->events->broken(c->events->arg, "bytes came that nobody asked for");
            return;
        }
        size_t used = 0;
        struct request r = c->pending.items[c->pending.first];
        enum answer answer = judge(r, buf_span(in), &used);
        if (answer == ANSWER_MORE) {
            break;
        }
        if (answer == ANSWER_BROKEN) {
            log_error("broken_reply", "key=t:%08x reply=%s", r.id, LOG_SPAN(buf_span(in)));
            c->events->broken(c->events->arg, "the reply is not one to the request");
            return;
        }
        queue_pop(&c->pending);
        count(c, r, answer, span_make(buf_span(in).ptr, used));
        buf_consume(in, used);
    }
    send_waiting(c);
    c->events->progress(c->events->arg);
}

static void
on_closed(void *arg, const char *reason)
{
    struct replayconn *c = arg;
    c->events->broken(c->events->arg, reason);
}

struct replayconn *
replayconn_create(struct loop *loop, const struct addr *addr, const struct replay_plan *plan,
                  const struct replay_events *events, struct replay_totals *totals)
{
    static const struct stream_limits limits = {.input_max = BUFFERED_MAX,
                                                .output_max = BUFFERED_MAX};
    static const struct stream_events stream_events = {.readable = on_readable,
                                                       .closed = on_closed};
    ASSERT(plan->value_max <= SELFVALUE_BYTES_MAX && plan->value_min >= SELFVALUE_BYTES_MIN);

    struct replayconn *c = mem_zalloc(sizeof(*c));
    c->plan = plan;
    c->events = events;
    c->totals = totals;
    c->value = mem_alloc(plan->value_max + 2);
    queue_init(&c->waiting, WAITING_MAX);
    queue_init(&c->pending, 2 * plan->depth);
    c->stream = stream_connect(loop, addr, &limits, &stream_events, c);
    return c;
}

void
replayconn_destroy(struct replayconn **c)
{
    if (*c == NULL) {
        return;
    }
    stream_destroy(&(*c)->stream);
    free((*c)->waiting.items);
    free((*c)->pending.items);
    free((*c)->value);
    free(*c);
    *c = NULL;
}
