#include "cached/exec.h"
#include "cached/metaline.h"
#include "cached/watch.h"
#include "common/core/num.h"

static void
put_status(struct conn *c, const struct request *r, const char *status)
{
    struct metaline line;
    metaline_begin(&line, status);
    metaline_echo(&line, r);
    metaline_put(&line, &c->out);
}

/* T and N act in the order of the flags, as in memcached: the later one decides
 * the expiry of an item that N makes. */
static uint64_t
vivify_expiry_ms(const struct worker *w, const struct meta_args *m)
{
    int64_t ttl = 0;
    for (unsigned i = 0; i < m->count; i++) {
        switch (m->flags[i].letter) {
        case 'T': ttl = m->ttl; break;
        case 'N': ttl = m->vivify_ttl; break;
        }
    }
    return node_expiry_ms(w->node, ttl, w->now_ms);
}

/* --- mg ---------------------------------------------------------------------- */

/* R compares what T has set if T stands before it. */
static struct store_lookup
lookup_of(const struct worker *w, const struct request *r)
{
    const struct meta_args *m = &r->meta;
    struct store_lookup how = {
        .peek = meta_has(m, 'u'),
        .touch = meta_has(m, 'T'),
        .recache = meta_has(m, 'R'),
        .vivify = meta_has(m, 'N'),
        .vivify_binary_key = r->binary_key,
        .has_new_cas = meta_has(m, 'E'),
        .new_cas = m->new_cas,
    };
    bool touch_seen = false;
    how.touch_expiry_ms = node_expiry_ms(w->node, m->ttl, w->now_ms);
    how.vivify_expiry_ms = vivify_expiry_ms(w, m);
    how.recache_before_ms = node_expiry_ms(w->node, m->recache_ttl, w->now_ms);
    for (unsigned i = 0; i < m->count; i++) {
        switch (m->flags[i].letter) {
        case 'T': touch_seen = true; break;
        case 'R': how.recache_after_touch = touch_seen; break;
        }
    }
    return how;
}

static void
put_hit_flags(struct metaline *line, const struct worker *w, const struct request *r,
              const struct store_view *view)
{
    bool touched = false;
    for (unsigned i = 0; i < r->meta.count; i++) {
        const struct meta_flag *f = &r->meta.flags[i];
        switch (f->letter) {
        case 'T': touched = true; break;
        case 's': metaline_number(line, 's', view->value.len); break;
        case 't':
            metaline_ttl(line, touched || view->made ? view->expiry_ms : view->expiry_before_ms,
                         w->now_ms);
            break;
        case 'c': metaline_number(line, 'c', view->cas); break;
        case 'f': metaline_number(line, 'f', view->flags); break;
        case 'l': metaline_number(line, 'l', (w->now_ms - view->accessed_ms) / 1000); break;
        case 'h': metaline_number(line, 'h', view->fetched); break;
        case 'O': metaline_opaque(line, f->arg); break;
        case 'k': metaline_key(line, view->key, view->binary_key); break;
        }
    }
    /* In memcached's order. */
    if (view->taken) {
        metaline_mark(line, 'Z');
    }
    if (view->stale) {
        metaline_mark(line, 'X');
    }
    if (view->won) {
        metaline_mark(line, 'W');
    }
}

static void
count_meta_get(struct worker *w, bool touch, bool hit)
{
    worker_count(w, METRIC_ID_NODE_META);
    worker_count(w, touch ? METRIC_ID_NODE_TOUCHES : METRIC_ID_NODE_GETS);
    if (touch) {
        worker_count(w, hit ? METRIC_ID_NODE_TOUCH_HITS : METRIC_ID_NODE_TOUCH_MISSES);
    } else {
        worker_count(w, hit ? METRIC_ID_NODE_GET_HITS : METRIC_ID_NODE_GET_MISSES);
    }
}

static void
put_meta_hit(struct conn *c, const struct request *r, struct store_view *view)
{
    struct metaline line;
    bool with_value = meta_has(&r->meta, 'v');
    metaline_begin(&line, with_value ? "VA" : "HD");
    if (with_value) {
        metaline_size(&line, view->value.len);
    }
    put_hit_flags(&line, c->worker, r, view);
    metaline_put(&line, &c->out);
    if (with_value) {
        outbox_put_value(&c->out, c->worker->store, view);
    } else {
        store_release(c->worker->store, &view->item);
    }
}

void
exec_meta_get(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    struct store_lookup how = lookup_of(w, r);
    struct store_view view;
    bool hit = store_get(w->store, &key, &how, w->now_ms, &view) == STORE_OK;
    count_meta_get(w, how.touch && hit, hit && !view.made); /* as memcached: no touch, a miss */
    worker_note_key(w, &key, hit ? view.value.len : 0);
    worker_count_get_prefix(w, key.key, hit && !view.made);
    watch_fetched(c, key.key, &view, hit && !view.made);
    if (hit) {
        put_meta_hit(c, r, &view);
    } else if (!r->quiet) {
        put_status(c, r, "EN");
    }
}

/* --- md ---------------------------------------------------------------------- */

void
exec_meta_delete(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    const struct meta_args *m = &r->meta;
    struct store_key key = store_key(r->key);
    struct store_removal how = {
        .compare = meta_has(m, 'C'),
        .compare_cas = m->cas,
        .mark_stale = meta_has(m, 'I'),
        .drop_value = meta_has(m, 'x'),
        .touch = meta_has(m, 'T'),
        .touch_expiry_ms = node_expiry_ms(w->node, m->ttl, w->now_ms),
        .has_new_cas = meta_has(m, 'E'),
        .new_cas = m->new_cas,
    };
    const char *status = NULL;
    worker_count(w, METRIC_ID_NODE_META);
    worker_note_key(w, &key, 0);
    worker_count_prefix(w, key.key, PREFIX_DELETES);
    switch (store_delete(w->store, &key, &how, w->now_ms)) {
    case STORE_OK:
        if (!how.mark_stale) { /* else nothing is deleted */
            worker_count(w, METRIC_ID_NODE_DELETE_HITS);
        }
        watch_deleted(c, key.key, "md");
        status = r->quiet ? NULL : "HD";
        break;
    case STORE_EXISTS:
        worker_count(w, METRIC_ID_NODE_DELETE_MISSES);
        status = "EX";
        break;
    case STORE_NO_MEMORY: conn_put_error(c, PROTO_ERR_OUT_OF_MEMORY); break;
    case STORE_NOT_FOUND:
    case STORE_NOT_STORED:
    case STORE_NON_NUMERIC:
    case STORE_TOO_LARGE:
        worker_count(w, METRIC_ID_NODE_DELETE_MISSES);
        status = "NF";
        break;
    }
    if (status != NULL) {
        put_status(c, r, status);
    }
}

/* --- ma ---------------------------------------------------------------------- */

static struct store_arith
arith_of(const struct worker *w, const struct request *r)
{
    const struct meta_args *m = &r->meta;
    struct store_arith how = {
        .decrement = m->mode == MODE_DECR,
        .delta = m->delta,
        .compare = m->cas != 0, /* as in memcached C0 is none */
        .compare_cas = m->cas,
        .touch = meta_has(m, 'T'),
        .touch_expiry_ms = node_expiry_ms(w->node, m->ttl, w->now_ms),
        .vivify = meta_has(m, 'N'),
        .initial = m->initial,
        .vivify_expiry_ms = vivify_expiry_ms(w, m),
        .has_new_cas = meta_has(m, 'E'),
        .new_cas = m->new_cas,
        .binary_key = r->binary_key,
    };
    return how;
}

static void
put_number_hit(struct conn *c, const struct request *r, const struct store_number *number)
{
    char digits[NUM_MAX_DIGITS + 2];
    size_t n = num_format_u64(number->value, digits);
    struct metaline line;
    bool with_value = meta_has(&r->meta, 'v');
    metaline_begin(&line, with_value ? "VA" : "HD");
    if (with_value) {
        metaline_size(&line, n);
    }
    bool touched = false;
    for (unsigned i = 0; i < r->meta.count; i++) {
        const struct meta_flag *f = &r->meta.flags[i];
        switch (f->letter) {
        case 'T':
        case 'N': touched = true; break;
        case 'c': metaline_number(&line, 'c', number->cas); break;
        case 't':
            metaline_ttl(&line, touched ? number->expiry_ms : number->expiry_before_ms,
                         c->worker->now_ms);
            break;
        case 'O': metaline_opaque(&line, f->arg); break;
        case 'k': metaline_key(&line, r->key, r->binary_key); break;
        }
    }
    metaline_put(&line, &c->out);
    if (with_value) {
        memcpy(digits + n, "\r\n", 2);
        outbox_put(&c->out, digits, n + 2);
    }
}

void
exec_meta_arith(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    struct store_arith how = arith_of(w, r);
    struct store_number number;
    worker_count(w, METRIC_ID_NODE_META);
    worker_note_key(w, &key, 0);
    switch (store_arith(w->store, &key, &how, w->now_ms, &number)) {
    case STORE_OK:
        if (!number.made) { /* neither hit nor miss, as in memcached */
            worker_count(w, how.decrement ? METRIC_ID_NODE_DECR_HITS : METRIC_ID_NODE_INCR_HITS);
        }
        /* memcached tells a quiet client of a counter that was made. */
        if (!r->quiet || number.made) {
            put_number_hit(c, r, &number);
        }
        break;
    case STORE_NON_NUMERIC: conn_put_error(c, PROTO_ERR_NON_NUMERIC); break;
    case STORE_NO_MEMORY: conn_put_error(c, PROTO_ERR_OUT_OF_MEMORY); break;
    case STORE_EXISTS: put_status(c, r, "EX"); break;
    case STORE_NOT_FOUND:
    case STORE_NOT_STORED:
    case STORE_TOO_LARGE:
        worker_count(w, how.decrement ? METRIC_ID_NODE_DECR_MISSES : METRIC_ID_NODE_INCR_MISSES);
        put_status(c, r, "NF");
        break;
    }
}

/* --- mn, me ------------------------------------------------------------------ */

void
exec_meta_noop(struct conn *c)
{
    worker_count(c->worker, METRIC_ID_NODE_META);
    outbox_put_span(&c->out, SPAN_LIT("MN\r\n"));
}

/* "ME <key> exp=.. la=.. cas=.. fetch=.. cls=.. size=..", a miss "EN". */
void
exec_meta_debug(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    struct store_lookup how = {.peek = true, .blind = true};
    struct store_view view;
    worker_count(w, METRIC_ID_NODE_META);
    if (store_get(w->store, &key, &how, w->now_ms, &view) != STORE_OK) {
        outbox_put_span(&c->out, SPAN_LIT("EN\r\n"));
        return;
    }
    struct metaline line;
    metaline_begin_debug(&line, view.key, view.binary_key);
    metaline_printf(&line, " exp=%lld la=%llu cas=%llu fetch=%s cls=%u size=%llu",
                    metaline_ttl_of(view.expiry_ms, w->now_ms),
                    (unsigned long long)(w->now_ms - view.accessed_ms) / 1000,
                    (unsigned long long)view.cas, view.fetched ? "yes" : "no",
                    store_band_of(view.key.len, view.value.len), (unsigned long long)view.bytes);
    metaline_put(&line, &c->out);
    store_release(w->store, &view.item);
}
