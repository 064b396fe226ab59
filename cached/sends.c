#include "cached/sends.h"
#include "cached/conn.h"

void
sends_init(struct sends *s, struct loop *loop)
{
    s->ring = loop_call_ring(loop);
}

void
sends_deinit(struct sends *s)
{
    loop_hook_remove(&s->turn_end);
    for (unsigned i = 0; i < s->spare_count; i++) {
        buf_deinit(&s->spares[i]);
    }
    s->spare_count = 0;
}

static void
on_turn_end(void *arg)
{
    sends_flush(arg);
}

bool
sends_put(struct worker *w, struct conn *c)
{
    struct sends *s = &w->sends;
    struct span bytes = buf_span(&c->out.bytes);
    bool alone = s->batch.count == 0 && !loop_others_are_ready(w->loop);
    if (alone || c->out.count > 0 || bytes.len == 0 || bytes.len > SENDS_BYTES_MAX ||
        !call_ring_open(s->ring)) {
        return false;
    }
    if (s->batch.count == 0) {
        loop_hook_add(&s->turn_end, w->loop, on_turn_end, w);
    }
    s->conns[s->batch.count] = c;
    call_batch_add(&s->batch, BATCHED_SEND, c->io.fd, bytes.ptr, bytes.len);
    if (s->batch.count == SENDS_MAX) {
        sends_flush(w);
    }
    return true;
}

/* What one is told closes no other. */
void
sends_flush(struct worker *w)
{
    struct sends *s = &w->sends;
    loop_hook_remove(&s->turn_end);
    call_batch_run(&s->batch, s->ring);
    unsigned count = s->batch.count;
    s->batch.count = 0;
    for (unsigned i = 0; i < count; i++) {
        conn_sent(s->conns[i], s->batch.calls[i].result);
    }
}

void
sends_forget(struct worker *w, const struct conn *c)
{
    struct sends *s = &w->sends;
    for (unsigned i = 0; i < s->batch.count; i++) {
        if (s->conns[i] == c) {
            call_send(c->io.fd, s->batch.calls[i].bytes, s->batch.calls[i].len);
            s->batch.count--;
            s->batch.calls[i] = s->batch.calls[s->batch.count];
            s->conns[i] = s->conns[s->batch.count];
        }
    }
}
