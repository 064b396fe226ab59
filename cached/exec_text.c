#include "cached/exec.h"
#include "cached/watch.h"
#include "common/core/num.h"

static void
reply(struct conn *c, const struct request *r, struct span line)
{
    if (!r->noreply) {
        outbox_put_span(&c->out, line);
    }
}

void
exec_delete(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    worker_note_key(w, &key, 0);
    worker_count_prefix(w, key.key, PREFIX_DELETES);
    if (store_delete(w->store, &key, NULL, w->now_ms) == STORE_OK) {
        worker_count(w, METRIC_ID_NODE_DELETE_HITS);
        watch_deleted(c, key.key, "delete");
        reply(c, r, SPAN_LIT("DELETED\r\n"));
    } else {
        worker_count(w, METRIC_ID_NODE_DELETE_MISSES);
        reply(c, r, SPAN_LIT("NOT_FOUND\r\n"));
    }
}

void
exec_touch(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    uint64_t expiry_ms = node_expiry_ms(w->node, r->exptime, w->now_ms);
    worker_note_key(w, &key, 0);
    bool hit = store_touch(w->store, &key, expiry_ms, w->now_ms) == STORE_OK;
    worker_count_touch(w, hit);
    reply(c, r, hit ? SPAN_LIT("TOUCHED\r\n") : SPAN_LIT("NOT_FOUND\r\n"));
}

static void
reply_number(struct conn *c, const struct request *r, uint64_t value)
{
    char line[NUM_MAX_DIGITS + 2];
    size_t n = num_format_u64(value, line);
    memcpy(line + n, "\r\n", 2);
    reply(c, r, span_make(line, n + 2));
}

void
exec_arith(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    struct store_arith how = {.decrement = r->cmd == CMD_DECR, .delta = r->delta};
    struct store_number number;
    worker_note_key(w, &key, 0);
    switch (store_arith(w->store, &key, &how, w->now_ms, &number)) {
    case STORE_OK:
        worker_count(w, how.decrement ? METRIC_ID_NODE_DECR_HITS : METRIC_ID_NODE_INCR_HITS);
        reply_number(c, r, number.value);
        break;
    case STORE_NON_NUMERIC: reply(c, r, error_line(PROTO_ERR_NON_NUMERIC)); break;
    case STORE_NO_MEMORY: reply(c, r, error_line(PROTO_ERR_OUT_OF_MEMORY)); break;
    case STORE_NOT_FOUND:
    case STORE_EXISTS:
    case STORE_NOT_STORED:
    case STORE_TOO_LARGE:
        worker_count(w, how.decrement ? METRIC_ID_NODE_DECR_MISSES : METRIC_ID_NODE_INCR_MISSES);
        reply(c, r, SPAN_LIT("NOT_FOUND\r\n"));
        break;
    }
}
