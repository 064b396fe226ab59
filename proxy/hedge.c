#include "proxy/hedge.h"
#include "common/core/assert.h"
#include "proxy/backend.h"
#include "proxy/coalesce.h"
#include "proxy/flight.h"
#include "proxy/own_stall.h"
#include "proxy/proxy_worker.h"
#include "proxy/tail_estimate.h"


static void on_timer(void *arg);

void
hedge_init(struct hedge *h, struct worker *w)
{
    h->worker = w;
    list_init(&h->due);
    loop_timer_init(&h->timer, w->loop, on_timer, h);
}

void
hedge_deinit(struct hedge *h)
{
    ASSERT(list_empty(&h->due));
    loop_timer_deinit(&h->timer);
}

static struct flight *
first_due(const struct hedge *h)
{
    return LIST_ENTRY(list_first(&h->due), struct flight, hedge_due);
}

static void
wake_at(struct hedge *h, uint64_t due_us)
{
    uint64_t now = worker_now_us(h->worker);
    if (h->timer_due_us != 0 && h->timer_due_us <= due_us) {
        return;
    }
    h->timer_due_us = due_us;
    loop_timer_start(&h->timer, due_us > now ? (due_us - now + 999) / 1000 : 0);
}

static void
run_timer(struct hedge *h)
{
    if (!list_empty(&h->due)) {
        wake_at(h, first_due(h)->hedge_due_us);
    }
}

/* Nodes are mostly alike, so the place is near the end. */
void
hedge_await(struct hedge *h, struct flight *f, const struct backend *b)
{
    f->hedge_due_us = worker_now_us(h->worker) + tail_us(b->tail_us);
    struct list *before = h->due.prev;
    while (before != &h->due &&
           LIST_ENTRY(before, struct flight, hedge_due)->hedge_due_us > f->hedge_due_us) {
        before = before->prev;
    }
    list_push_front(before, &f->hedge_due);
    run_timer(h);
}

void
hedge_answered(struct flight *f, struct backend *b)
{
    if (list_linked(&f->hedge_due)) {
        list_remove(&f->hedge_due);
        b->tail_us = tail_learn(b->tail_us, false);
    }
}

void
hedge_cancel(struct flight *f)
{
    list_remove(&f->hedge_due);
}

static void
on_timer(void *arg)
{
    struct hedge *h = arg;
    uint64_t now = worker_now_us(h->worker);
    bool excused = own_stall_excuses(&h->excused, h->timer_due_us, now);
    h->timer_due_us = 0;
    if (excused) {
        wake_at(h, now + OWN_STALL_GRACE_US);
        return;
    }
    while (!list_empty(&h->due) && first_due(h)->hedge_due_us <= now) {
        struct flight *f = first_due(h);
        list_remove(&f->hedge_due);
        coalesce_hedge(&h->worker->coalesce, f);
    }
    run_timer(h);
}
