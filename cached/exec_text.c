#include "cached/exec.h"
#include "cached/watch.h"
#include "common/core/num.h"

/* Keys of one get that are hashed and prefetched before the first is looked up. */
#define GET_BATCH 16

/* "VALUE <key> <flags> <bytes> <cas>\r\n" */
#define VALUE_LINE_BYTES (6 + KEY_MAX_BYTES + 3 * (1 + NUM_MAX_DIGITS) + 2)

static char *
put_number(char *p, uint64_t n)
{
    *p++ = ' ';
    return p + num_format_u64(n, p);
}

static void
put_value(struct conn *c, struct store_view *view, bool with_cas)
{
    char *line = outbox_room(&c->out, VALUE_LINE_BYTES), *p = line;
    if (line == NULL) {
        store_release(c->worker->store, &view->item);
        return;
    }
    memcpy(p, "VALUE ", 6);
    p += 6;
    memcpy(p, view->key.ptr, view->key.len);
    p += view->key.len;
    p = put_number(p, view->flags);
    p = put_number(p, view->value.len);
    if (with_cas) {
        p = put_number(p, view->cas);
    }
    *p++ = '\r';
    *p++ = '\n';
    outbox_wrote(&c->out, (size_t)(p - line));
    outbox_put_value(&c->out, c->worker->store, view);
}

static void
count_get(struct worker *w, bool touch, bool hit)
{
    worker_count(w, touch ? METRIC_ID_NODE_TOUCHES : METRIC_ID_NODE_GETS);
    if (touch) {
        worker_count(w, hit ? METRIC_ID_NODE_TOUCH_HITS : METRIC_ID_NODE_TOUCH_MISSES);
    } else {
        worker_count(w, hit ? METRIC_ID_NODE_GET_HITS : METRIC_ID_NODE_GET_MISSES);
    }
}

static void
get_one(struct conn *c, const struct store_key *key)
{
    struct worker *w = c->worker;
    bool touch = c->get.cmd == CMD_GAT || c->get.cmd == CMD_GATS;
    struct store_lookup how = {.touch = touch, .touch_expiry_ms = c->get.expiry_ms};
    struct store_view view;
    bool hit = store_get(w->store, key, touch ? &how : NULL, w->now_ms, &view) == STORE_OK;
    count_get(w, touch, hit);
    worker_note_key(w, key, hit ? view.value.len : 0);
    worker_count_get_prefix(w, key->key, hit);
    watch_fetched(c, key->key, hit ? &view : NULL);
    if (hit) {
        put_value(c, &view, c->get.cmd == CMD_GETS || c->get.cmd == CMD_GATS);
    }
}

void
exec_get(struct conn *c, struct span keys)
{
    struct store_key batch[GET_BATCH];
    struct span key;
    do {
        unsigned n = 0;
        while (n < GET_BATCH && request_next_key(&keys, &key)) {
            batch[n++] = store_key(key);
        }
        if (n == 0) {
            keys.len = 0;
            break;
        }
        if (n > 1) {
            store_prefetch(c->worker->store, batch, n);
        }
        for (unsigned i = 0; i < n; i++) {
            get_one(c, &batch[i]);
        }
    } while (!conn_blocked(c));
    c->get.keys_bytes = keys.len;
    if (keys.len == 0) {
        outbox_put_span(&c->out, SPAN_LIT("END\r\n"));
    }
}

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
    count_get(w, true, hit);
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
