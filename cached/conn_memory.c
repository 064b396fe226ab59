#include "cached/conn_memory.h"
#include "cached/conn.h"
#include "cached/ingest.h"

/* Shares of the limit, in 256ths. */
#define SHARE_CROWDED 128
#define SHARE_FULL    192

/* While it is crowded. */
#define CROWDED_OUTPUT_MAX 4096
#define CROWDED_READ_MAX   2048

/* Charged at a time: the counter in the store is every worker's. */
#define STEP_BYTES 65536
#define EASE_MS    100

void
conn_memory_init(struct conn_memory *m)
{
    *m = (struct conn_memory){.output_max = CONN_OUTPUT_MAX, .read_max = WORKER_SCRATCH_BYTES};
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

bool
conn_memory_settle(struct conn *c)
{
    uint64_t before = c->memory_bytes, now = bytes_of(c);
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

/* Half of what is no longer held at a time: about as slowly as the allocator
 * gives it back to the system (malloc_conf in main.c). */
void
conn_memory_tick(struct worker *w)
{
    struct conn_memory *m = &w->memory;
    uint64_t steps = (m->charged - m->held) / STEP_BYTES;
    uint64_t less = (steps + 1) / 2 * STEP_BYTES;
    if (less > 0 && w->now_ms - m->eased_ms >= EASE_MS) {
        m->eased_ms = w->now_ms;
        store_uncharge_others(w->store, less);
        m->charged -= less;
    }
    heed(w);
}
