#include "cached/ingest.h"
#include "cached/metaline.h"
#include "cached/watch.h"
#include "common/core/assert.h"

static void
fill_text(const struct worker *w, const struct request *r, struct ingest *in)
{
    static const enum store_mode modes[] = {
        [CMD_SET - CMD_SET] = STORE_SET,         [CMD_ADD - CMD_SET] = STORE_ADD,
        [CMD_REPLACE - CMD_SET] = STORE_REPLACE, [CMD_APPEND - CMD_SET] = STORE_APPEND,
        [CMD_PREPEND - CMD_SET] = STORE_PREPEND, [CMD_CAS - CMD_SET] = STORE_SET,
    };
    in->noreply = r->noreply;
    in->write = (struct store_write){
        .mode = modes[r->cmd - CMD_SET],
        .flags = r->flags,
        .expiry_ms = node_expiry_ms(w->node, r->exptime, w->now_ms),
        .compare = r->cmd == CMD_CAS,
        .compare_cas = r->cas,
    };
}

static enum store_mode
mode_of(enum meta_mode mode)
{
    switch (mode) {
    case MODE_DEFAULT:
    case MODE_SET: return STORE_SET;
    case MODE_ADD: return STORE_ADD;
    case MODE_REPLACE: return STORE_REPLACE;
    case MODE_APPEND: return STORE_APPEND;
    case MODE_PREPEND: return STORE_PREPEND;
    case MODE_INCR:
    case MODE_DECR: break;
    }
    UNREACHABLE(); /* modes of ma */
}

/* As in memcached C0 matches nothing in a set, and is no comparison where something is
 * joined. */
static bool
compares(const struct meta_args *m)
{
    bool joins = m->mode == MODE_APPEND || m->mode == MODE_PREPEND;
    return joins ? m->cas != 0 : meta_has(m, 'C');
}

static void
fill_meta(const struct worker *w, const struct request *r, struct ingest *in)
{
    const struct meta_args *m = &r->meta;
    in->meta = true;
    in->quiet = r->quiet;
    in->write = (struct store_write){
        .mode = mode_of(m->mode),
        .flags = m->client_flags,
        .expiry_ms = node_expiry_ms(w->node, m->ttl, w->now_ms),
        .compare = compares(m),
        .compare_cas = m->cas,
        .stale_if_older = meta_has(m, 'I') && m->cas != 0, /* 0 is older than nothing */
        .vivify = meta_has(m, 'N'),
        .vivify_expiry_ms = node_expiry_ms(w->node, m->vivify_ttl, w->now_ms),
        .has_new_cas = meta_has(m, 'E'),
        .new_cas = m->new_cas,
        .binary_key = r->binary_key,
    };
    for (unsigned i = 0; i < m->count; i++) {
        in->flags[in->flag_count++] = m->flags[i].letter;
    }
    in->opaque_bytes = (uint8_t)m->opaque.len;
    if (m->opaque.len > 0) {
        memcpy(in->opaque, m->opaque.ptr, m->opaque.len);
    }
}

/* A set that cannot be had must not leave the old value to be read. */
static void
refuse(struct conn *c, const struct store_key *key, const struct ingest *in,
       enum store_outcome outcome)
{
    if (in->write.mode == STORE_SET && !in->write.compare) {
        store_delete(c->worker->store, key, NULL, c->worker->now_ms);
    }
    watch_stored(c, key->key, &in->write, outcome, in->total - STORE_TRAILER_BYTES);
    conn_swallow(c, in->total, in->noreply ? PROTO_OK : ingest_refusal(outcome));
}

static bool
is_joining(const struct request *r)
{
    switch (r->cmd) {
    case CMD_APPEND:
    case CMD_PREPEND: return true;
    case CMD_MS: return r->meta.mode == MODE_APPEND || r->meta.mode == MODE_PREPEND;
    default: return false;
    }
}

/* What is there already, which joining makes a copy of. */
static uint64_t
bytes_to_join(struct worker *w, const struct request *r)
{
    static const struct store_lookup peek = {.peek = true, .blind = true};
    struct store_key key = store_key(r->key);
    struct store_view view;
    if (store_get(w->store, &key, &peek, w->now_ms, &view) != STORE_OK) {
        return 0;
    }
    uint64_t bytes = view.value.len;
    store_release(w->store, &view.item);
    return bytes;
}

bool
ingest_has_room(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    uint64_t bytes = r->value_bytes + (is_joining(r) ? bytes_to_join(w, r) : 0);
    return store_make_way(w->store, r->key.len, bytes, &c->room_effort, w->now_ms);
}

void
ingest_grows(struct conn *c, const struct ingest *in, const struct iovec *iov, size_t bytes)
{
    bool value = in->got + STORE_TRAILER_BYTES < in->total; /* and not its CRLF */
    if (in->total >= STORE_PAGES_FROM && value && bytes > 0) {
        store_value_grows(c->worker->store, iov->iov_base,
                          bytes < iov->iov_len ? bytes : iov->iov_len);
    }
}

bool
ingest_begin(struct conn *c, const struct request *r, struct ingest *in)
{
    struct worker *w = c->worker;
    struct store_key key = store_key(r->key);
    *in = (struct ingest){.total = r->block_bytes};
    worker_note_store(w, &key, r->value_bytes);
    worker_count_prefix(w, key.key, PREFIX_SETS);
    if (r->cmd == CMD_MS) {
        fill_meta(w, r, in);
        worker_count(w, METRIC_ID_NODE_META);
    } else {
        fill_text(w, r, in);
    }
    enum store_outcome outcome =
        store_reserve(w->store, &key, r->value_bytes, &in->write, w->now_ms, &in->room);
    if (outcome != STORE_OK) {
        refuse(c, &key, in, outcome);
        return false;
    }
    return true;
}

void
ingest_abandon(struct conn *c, struct ingest *in)
{
    store_abandon(c->worker->store, &in->room);
}

static void
count_write(struct worker *w, const struct store_write *write, enum store_outcome outcome)
{
    worker_count(w, METRIC_ID_NODE_SETS);
    if (!write->compare || (write->mode != STORE_SET && write->mode != STORE_REPLACE)) {
        return;
    }
    if (outcome == STORE_OK) {
        worker_count(w, METRIC_ID_NODE_CAS_HITS);
    } else if (outcome == STORE_EXISTS) {
        worker_count(w, METRIC_ID_NODE_CAS_BADVAL);
    } else if (outcome == STORE_NOT_FOUND) {
        worker_count(w, METRIC_ID_NODE_CAS_MISSES);
    }
}

/* memcached answers an append that outgrows the limit, or finds no memory, as
 * one that did not store, so we do. */
static struct span
text_reply(enum store_outcome outcome)
{
    switch (outcome) {
    case STORE_OK: return SPAN_LIT("STORED\r\n");
    case STORE_EXISTS: return SPAN_LIT("EXISTS\r\n");
    case STORE_NOT_FOUND: return SPAN_LIT("NOT_FOUND\r\n");
    case STORE_NOT_STORED:
    case STORE_NON_NUMERIC:
    case STORE_TOO_LARGE:
    case STORE_NO_MEMORY: break;
    }
    return SPAN_LIT("NOT_STORED\r\n");
}

static const char *
meta_status(enum store_outcome outcome)
{
    switch (outcome) {
    case STORE_OK: return "HD";
    case STORE_EXISTS: return "EX";
    case STORE_NOT_FOUND: return "NF";
    case STORE_NOT_STORED:
    case STORE_NON_NUMERIC:
    case STORE_TOO_LARGE:
    case STORE_NO_MEMORY: break;
    }
    return "NS";
}

static void
put_meta_reply(struct conn *c, const struct ingest *in, struct span key, enum store_outcome outcome,
               const struct store_written *written)
{
    struct metaline line;
    metaline_begin(&line, meta_status(outcome));
    for (unsigned i = 0; i < in->flag_count; i++) {
        switch (in->flags[i]) {
        case 'O': metaline_opaque(&line, span_make(in->opaque, in->opaque_bytes)); break;
        case 'k': metaline_key(&line, key, in->write.binary_key); break;
        case 'c': metaline_number(&line, 'c', written->cas); break;
        case 's': metaline_number(&line, 's', written->value_bytes); break;
        }
    }
    metaline_put(&line, &c->out);
}

static void
reply(struct conn *c, const struct ingest *in, struct span key, enum store_outcome outcome,
      const struct store_written *written)
{
    if (in->meta) {
        if (!(in->quiet && outcome == STORE_OK)) {
            put_meta_reply(c, in, key, outcome, written);
        }
    } else if (!in->noreply) {
        outbox_put_span(&c->out, text_reply(outcome));
    }
}

/* The value is there, but no memory for the form that it must have by now: a
 * flush came in between. As if there had been none to begin with; only what is
 * joined is answered otherwise, see above. */
static bool
refused_at_the_end(struct conn *c, const struct ingest *in, struct span key,
                   enum store_outcome outcome)
{
    if (outcome != STORE_NO_MEMORY || in->write.mode == STORE_APPEND ||
        in->write.mode == STORE_PREPEND) {
        return false;
    }
    if (in->write.mode == STORE_SET && !in->write.compare) {
        struct store_key k = store_key(key);
        store_delete(c->worker->store, &k, NULL, c->worker->now_ms);
    }
    if (!in->noreply) {
        conn_put_error(c, ingest_refusal(outcome));
    }
    return true;
}

void
ingest_finish(struct conn *c, struct ingest *in)
{
    struct worker *w = c->worker;
    in->done = true;
    if (!request_block_ends_well(in->end)) {
        store_abandon(w->store, &in->room);
        if (!in->noreply) {
            conn_put_error(c, PROTO_ERR_BAD_CHUNK);
        }
        return;
    }
    if (!store_join_some(w->store, &in->room, &in->write, w->now_ms)) {
        in->done = false;
        return;
    }
    /* The commit uses the reservation up, and its key with it. */
    char key_bytes[STORE_KEY_MAX];
    struct span key = span_make(key_bytes, in->room.key.len);
    memcpy(key_bytes, in->room.key.ptr, key.len);
    struct store_written written = {0};
    watch_storing(c, key);
    uint64_t value_bytes = in->total - STORE_TRAILER_BYTES;
    enum store_outcome outcome = store_commit(w->store, &in->room, &in->write, w->now_ms, &written);
    count_write(w, &in->write, outcome);
    watch_stored(c, key, &in->write, outcome, value_bytes);
    if (!refused_at_the_end(c, in, key, outcome)) {
        reply(c, in, key, outcome, &written);
    }
}
