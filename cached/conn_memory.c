#include "cached/conn_memory.h"
#include "cached/conn.h"
#include "cached/ingest.h"

/* Shares of the limit, in 256ths. */
#define SHARE_CROWDED 128
#define SHARE_FULL    192

/* While it is crowded. */
#define CROWDED_OUTPUT_MAX 4096
#define CROWDED_READ_MAX   LOOP_AHEAD_MAX

/* Charged at a time: the counter in the store is every worker's. */
#define STEP_BYTES 65536
#define EASE_MS    100

/* Who has unsent output is looked at so often, */
#define LOOK_MS 100
/* as far as so many bytes to copy or connections in a tick; */
#define LOOK_BYTES (256u << 10)
#define LOOKS_MAX  256
/* and who took nothing for so long is stuck. */
#define STUCK_MS 1000

void
conn_memory_init(struct conn_memory *m)
{
    *m = (struct conn_memory){.output_max = CONN_OUTPUT_MAX, .read_max = WORKER_SCRATCH_BYTES};
    list_init(&m->unsent);
}

bool
conn_memory_crowded(const struct node *node)
{
    return store_others_share(node->store) >= SHARE_CROWDED;
}

static void
heed(struct worker *w)
{
    bool crowded = conn_memory_crowded(w->node);
    w->memory.output_max = crowded ? CROWDED_OUTPUT_MAX : CONN_OUTPUT_MAX;
    w->memory.read_max = crowded ? CROWDED_READ_MAX : WORKER_SCRATCH_BYTES;
}

size_t
conn_memory_each(void)
{
    return sizeof(struct conn);
}

static uint64_t
bytes_of(const struct conn *c)
{
    return conn_memory_each() + c->in.cap + c->out.bytes.cap +
           c->out.cap * sizeof(c->out.pieces[0]) + (c->ingest != NULL ? sizeof(*c->ingest) : 0);
}

static void
hold(struct worker *w, uint64_t before, uint64_t now)
{
    struct conn_memory *m = &w->memory;
    m->held += now - before;
    if (m->held > m->charged) {
        uint64_t more = (m->held - m->charged + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
        store_charge_others(w->store, more, w->now_ms);
        m->charged += more;
        heed(w);
    }
}

static void
look_later(struct conn *c)
{
    c->look_ms = c->worker->now_ms + LOOK_MS;
    list_remove(&c->unsent);
    list_push_back(&c->worker->memory.unsent, &c->unsent);
}

bool
conn_memory_settle(struct conn *c)
{
    uint64_t before = c->memory_bytes, now = bytes_of(c);
    bool unsent = outbox_unsent(&c->out) > 0;
    if (__builtin_expect(unsent != list_linked(&c->unsent), 0)) {
        if (unsent) {
            look_later(c);
        } else {
            list_remove(&c->unsent);
        }
    }
    if (__builtin_expect(now == before, 1)) {
        return true;
    }
    c->memory_bytes = (uint32_t)now;
    hold(c->worker, before, now);
    return now < before || before == 0 || store_others_share(c->worker->node->store) < SHARE_FULL;
}

void
conn_memory_leave(struct conn *c)
{
    hold(c->worker, c->memory_bytes, 0);
    c->memory_bytes = 0;
}

/* --- who does not read -------------------------------------------------------- */

static bool
is_stuck(const struct conn *c)
{
    return atomic_load_explicit(&c->active_ms, memory_order_relaxed) + STUCK_MS <=
           c->worker->now_ms;
}

/* Bytes looked through; at least one. */
static size_t
look_at(struct conn *c)
{
    size_t bytes = outbox_unsent(&c->out) + 1;
    if ((conn_memory_crowded(c->worker->node) && is_stuck(c)) ||
        !outbox_let_go(&c->out, c->worker->store) || !conn_memory_settle(c)) {
        worker_count(c->worker, METRIC_ID_NODE_MEMORY_KICKS);
        conn_close(c, END_ERROR);
    } else {
        look_later(c);
    }
    return bytes;
}

static bool
look_at_unsent(struct worker *w)
{
    size_t bytes = 0;
    struct list *link;
    while ((link = list_first(&w->memory.unsent)) != NULL) {
        struct conn *c = LIST_ENTRY(link, struct conn, unsent);
        if (c->look_ms > w->now_ms) {
            return false;
        }
        if (bytes >= LOOK_BYTES) {
            return true;
        }
        bytes += look_at(c) + LOOK_BYTES / LOOKS_MAX;
    }
    return false;
}

/* --- now and then ------------------------------------------------------------- */

/* Half of what is no longer held at a time: about as slowly as the allocator
 * gives it back to the system (malloc_conf in main.c). */
static void
ease(struct worker *w)
{
    struct conn_memory *m = &w->memory;
    uint64_t steps = (m->charged - m->held) / STEP_BYTES;
    uint64_t less = (steps + 1) / 2 * STEP_BYTES;
    if (less > 0 && w->now_ms - m->eased_ms >= EASE_MS) {
        m->eased_ms = w->now_ms;
        store_uncharge_others(w->store, less);
        m->charged -= less;
    }
}

bool
conn_memory_tick(struct worker *w)
{
    bool again = look_at_unsent(w);
    ease(w);
    heed(w);
    return again;
}
