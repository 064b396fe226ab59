#include "control/top_poll.h"
#include "common/core/mem.h"
#include "common/net/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLIES_MAX  (1u << 20)
#define PORT_DEFAULT 11211

struct top_poll {
    struct loop *loop;
    void (*done)(void *arg);
    void *arg;
    struct top_fleet fleet;
    struct loop_timer patience, next;
    uint64_t interval_ms;
    uint64_t began_us; /* this round */
    unsigned asked;    /* servers that have not answered yet */
    bool goes_on;      /* a round */
};

static void begin_round(void *arg);

/* --- the end of a round --------------------------------------------------------------- */

static void
await_next(struct top_poll *p)
{
    uint64_t spent_ms = (loop_now_us(p->loop) - p->began_us) / 1000;
    loop_timer_start(&p->next, p->interval_ms > spent_ms ? p->interval_ms - spent_ms : 0);
}

static void
end_round(struct top_poll *p)
{
    p->goes_on = false;
    loop_timer_stop(&p->patience);
    await_next(p);
    p->done(p->arg);
}

/* The server has answered or will not. */
static void
settle(struct top_server *s)
{
    struct top_poll *p = s->poll;
    if (!s->asked) {
        return;
    }
    s->asked = false;
    p->asked--;
    if (p->asked == 0 && p->goes_on) {
        end_round(p);
    }
}

static void
lose(struct top_server *s, const char *reason)
{
    stream_destroy(&s->stream);
    s->state = TOP_GONE;
    snprintf(s->reason, sizeof(s->reason), "%s", reason);
    settle(s);
}

/* --- answers ---------------------------------------------------------------------------- */

static void
take_sample(struct top_server *s, struct top_sample sample)
{
    top_sample_deinit(&s->before);
    s->before = s->now;
    s->now = sample;
    if (s->before.at_us != 0) {
        top_rates_between(&s->before, &s->now, &s->rates);
    }
    s->state = TOP_UP;
}

static void
on_readable(void *arg)
{
    struct top_server *s = arg;
    struct buf *in = stream_input(s->stream);
    struct top_sample sample;
    size_t used = 0;
    switch (top_sample_read(buf_span(in), loop_now_us(s->poll->loop), &sample, &used)) {
    case TOP_READING_MORE: break;
    case TOP_READING_BAD: lose(s, "what it answers is no statistics"); break;
    case TOP_READING_WHOLE:
        buf_consume(in, used);
        take_sample(s, sample);
        settle(s);
        break;
    }
}

static void
on_closed(void *arg, const char *reason)
{
    lose(arg, strcmp(reason, "closed") == 0 ? "it closed the connection" : reason);
}

static const struct stream_events events = {.readable = on_readable, .closed = on_closed};

/* --- a round ------------------------------------------------------------------------------ */

static bool
find(struct top_server *s, struct addr *out, const char **error)
{
    struct addr_name name;
    if (!addr_parse(span_cstr(s->addr), PORT_DEFAULT, &name)) {
        *error = "its address is malformed";
        return false;
    }
    return addr_resolve(&name, false, out, error);
}

static void
ask(struct top_server *s)
{
    static const struct stream_limits limits = {
        .input_max = REPLIES_MAX, .output_max = 4096, .connect_ms = TOP_PATIENCE_MS};
    struct addr addr;
    const char *error;
    if (s->stream == NULL) {
        if (!find(s, &addr, &error)) {
            lose(s, error);
            return;
        }
        s->stream = stream_connect(s->poll->loop, &addr, &limits, &events, s);
    }
    stream_write(s->stream, SPAN_LIT(TOP_REQUEST));
}

static void
begin_round(void *arg)
{
    struct top_poll *p = arg;
    p->began_us = loop_now_us(p->loop);
    p->goes_on = false; /* until all have been asked: one may be lost at once */
    loop_timer_start(&p->patience, TOP_PATIENCE_MS);
    for (unsigned i = 0; i < p->fleet.count; i++) {
        p->fleet.servers[i]->asked = true;
        p->asked++;
    }
    for (unsigned i = 0; i < p->fleet.count; i++) {
        ask(p->fleet.servers[i]);
    }
    p->goes_on = true;
    if (p->asked == 0) {
        end_round(p);
    }
}

static void
on_patience(void *arg)
{
    struct top_poll *p = arg;
    for (unsigned i = 0; i < p->fleet.count; i++) {
        if (p->fleet.servers[i]->asked) {
            lose(p->fleet.servers[i], "no answer within 2 seconds");
        }
    }
}

/* --- from outside --------------------------------------------------------------------------- */

struct top_poll *
top_poll_create(struct loop *loop, void (*done)(void *arg), void *arg)
{
    struct top_poll *p = mem_zalloc(sizeof(*p));
    p->loop = loop;
    p->done = done;
    p->arg = arg;
    p->interval_ms = 1000;
    loop_timer_init(&p->patience, loop, on_patience, p);
    loop_timer_init(&p->next, loop, begin_round, p);
    return p;
}

static void
free_server(struct top_server *s)
{
    stream_destroy(&s->stream);
    top_sample_deinit(&s->before);
    top_sample_deinit(&s->now);
    free(s->name);
    free(s->pool);
    free(s->addr);
    free(s);
}

void
top_poll_destroy(struct top_poll **poll)
{
    struct top_poll *p = *poll;
    *poll = NULL;
    loop_timer_deinit(&p->patience);
    loop_timer_deinit(&p->next);
    for (unsigned i = 0; i < p->fleet.count; i++) {
        free_server(p->fleet.servers[i]);
    }
    free(p->fleet.servers);
    free(p);
}

bool
top_poll_add(struct top_poll *p, const char *name, const char *pool, const char *addr)
{
    struct top_fleet *f = &p->fleet;
    if (f->count == TOP_SERVERS_MAX) {
        return false;
    }
    struct top_server *s = mem_zalloc(sizeof(*s));
    s->name = mem_strdup(name);
    s->pool = mem_strdup(pool);
    s->addr = mem_strdup(addr);
    s->poll = p;
    f->servers = mem_realloc(f->servers, (f->count + 1) * sizeof(*f->servers));
    f->servers[f->count++] = s;
    return true;
}

void
top_poll_start(struct top_poll *p)
{
    loop_timer_start(&p->next, 0);
}

void
top_poll_interval(struct top_poll *p, uint64_t ms)
{
    p->interval_ms = ms;
    if (!p->goes_on && loop_timer_running(&p->next)) {
        await_next(p);
    }
}

const struct top_fleet *
top_poll_fleet(const struct top_poll *p)
{
    return &p->fleet;
}
