/* get, gets, gat, gats. Those that change nothing are served in groups: all keys
 * of a group are looked up together, and short values copied out within the same
 * epoch, so that nothing is held. */
#include "cached/exec.h"
#include "cached/watch.h"
#include "common/core/num.h"
#include "common/proto/request_plain.h"

/* "VALUE <key> <flags> <bytes> <cas>\r\n" */
#define VALUE_LINE_BYTES (6 + KEY_MAX_BYTES + 3 * (1 + NUM_MAX_DIGITS) + 2)

/* memcpy() for keys: most have 16 bytes and more, and need no call. */
static inline char *
put_key(char *p, struct span key)
{
    if (key.len < 16) {
        memcpy(p, key.ptr, key.len);
        return p + key.len;
    }
    for (size_t i = 0; i + 16 < key.len; i += 16) {
        memcpy(p + i, key.ptr + i, 16);
    }
    memcpy(p + key.len - 16, key.ptr + key.len - 16, 16);
    return p + key.len;
}

static inline char *
put_number(char *p, uint64_t n)
{
    *p++ = ' ';
    return p + num_format_u64(n, p);
}

static inline char *
put_value_line(char *p, struct span key, uint64_t flags, size_t bytes, const uint64_t *cas)
{
    memcpy(p, "VALUE ", 6);
    p = put_key(p + 6, key);
    p = put_number(p, flags);
    p = put_number(p, bytes);
    if (cas != NULL) {
        p = put_number(p, *cas);
    }
    memcpy(p, "\r\n", 2);
    return p + 2;
}

/* --- one at a time ------------------------------------------------------------ */

static bool
is_touch(enum proto_command cmd)
{
    return cmd == CMD_GAT || cmd == CMD_GATS;
}

static bool
tells_cas(enum proto_command cmd)
{
    return cmd == CMD_GETS || cmd == CMD_GATS;
}

static void
count_gets(struct worker *w, unsigned keys, unsigned hits)
{
    metric_add(w->metrics, METRIC_ID_NODE_GETS, keys);
    metric_add(w->metrics, METRIC_ID_NODE_GET_HITS, hits);
    metric_add(w->metrics, METRIC_ID_NODE_GET_MISSES, keys - hits);
}

static void
put_view(struct conn *c, struct store_view *view, bool with_cas)
{
    char *line = outbox_room(&c->out, VALUE_LINE_BYTES);
    if (line == NULL) {
        store_release(c->worker->store, &view->item);
        return;
    }
    char *end =
        put_value_line(line, view->key, view->flags, view->value.len, with_cas ? &view->cas : NULL);
    outbox_wrote(&c->out, (size_t)(end - line));
    outbox_put_value(&c->out, c->worker->store, view);
}

static void
get_one(struct conn *c, const struct store_key *key)
{
    struct worker *w = c->worker;
    bool touch = is_touch(c->get.cmd);
    struct store_lookup how = {.touch = touch, .touch_expiry_ms = c->get.expiry_ms};
    struct store_view view;
    bool hit = store_get(w->store, key, touch ? &how : NULL, w->now_ms, &view) == STORE_OK;
    if (touch) {
        worker_count_touch(w, hit);
    } else {
        count_gets(w, 1, hit);
    }
    worker_note_key(w, key, hit ? view.value.len : 0);
    worker_count_get_prefix(w, key->key, hit);
    watch_fetched(c, key->key, &view, hit);
    if (hit) {
        put_view(c, &view, tells_cas(c->get.cmd));
    }
}

/* --- in groups ---------------------------------------------------------------- */

/* Gets that somebody wants to hear of take the way of single ones. */
static bool
is_observed(const struct conn *c)
{
    return watch_wanted(c, WATCH_FETCHERS) ||
           atomic_load_explicit(&c->worker->node->detail.enabled, memory_order_relaxed);
}

static inline void
put_sight(struct conn *c, struct span key, const struct store_sight *sight, bool with_cas)
{
    size_t bytes = sight->value.len;
    bool copied = bytes + STORE_TRAILER_BYTES <= OUTBOX_COPY_MAX;
    size_t room = VALUE_LINE_BYTES + (copied ? bytes + STORE_TRAILER_BYTES : 0);
    char *line = outbox_room(&c->out, room);
    if (line == NULL) {
        return;
    }
    char *p = put_value_line(line, key, sight->flags, bytes, with_cas ? &sight->cas : NULL);
    if (copied) {
        memcpy(p, sight->value.ptr, bytes);
        memcpy(p + bytes, "\r\n", STORE_TRAILER_BYTES);
        p += bytes + STORE_TRAILER_BYTES;
    }
    outbox_wrote(&c->out, (size_t)(p - line));
    if (!copied) {
        struct store_thread *th = c->worker->store;
        outbox_refer(&c->out, th, store_keep(th, sight), sight->value);
    }
}

static void
note_keys(struct worker *w, const struct store_key *keys, const struct store_sight *sights,
          unsigned count)
{
    unsigned hits = 0;
    for (unsigned i = 0; i < count; i++) {
        hits += sights[i].item != NULL;
    }
    count_gets(w, count, hits);
    if (w->hotkeys_distance > count) { /* none of them is looked at */
        w->hotkeys_distance -= count;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        worker_note_key(w, &keys[i], sights[i].item != NULL ? sights[i].value.len : 0);
    }
}

/* Looks the keys up and answers them. `lone` ones are a get each, with its END,
 * and between two of them the connection may be blocked. Returns how many were
 * answered. */
static inline __attribute__((always_inline)) unsigned
serve_group(struct conn *c, const struct store_key *keys, unsigned count, bool lone, bool with_cas)
{
    struct worker *w = c->worker;
    struct store_sight sights[STORE_SIGHTS];
    unsigned i = 0;
    store_enter(w->store);
    store_see(w->store, keys, count, w->now_ms, sights);
    do {
        if (sights[i].item != NULL) {
            put_sight(c, keys[i].key, &sights[i], with_cas);
        }
        if (lone) {
            outbox_put(&c->out, "END\r\n", 5);
        }
        i++;
    } while (i < count && !(lone && (conn_blocked(c) || c->out.out_of_memory)));
    store_leave(w->store);
    note_keys(w, keys, sights, i);
    return i;
}

static void
serve_keys(struct conn *c, const struct store_key *keys, unsigned count)
{
    if (!is_touch(c->get.cmd) && !is_observed(c)) {
        serve_group(c, keys, count, false, tells_cas(c->get.cmd));
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        get_one(c, &keys[i]);
    }
}

void
exec_get(struct conn *c, struct span keys)
{
    struct store_key group[STORE_SIGHTS];
    struct span key;
    do {
        unsigned n = 0;
        while (n < STORE_SIGHTS && request_next_key(&keys, &key)) {
            group[n++] = store_key(key);
        }
        if (n == 0) {
            keys.len = 0;
            break;
        }
        serve_keys(c, group, n);
    } while (!conn_blocked(c));
    c->get.keys_bytes = keys.len;
    if (keys.len == 0) {
        outbox_put_span(&c->out, SPAN_LIT("END\r\n"));
    }
}

size_t
exec_plain_gets(struct conn *c, struct span input, uint64_t *requests)
{
    struct span keys[STORE_SIGHTS];
    struct store_key group[STORE_SIGHTS];
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS;
    unsigned n = is_observed(c) ? 0 : request_plain_gets(input, keys, max);
    if (n == 0) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        group[i] = store_key(keys[i]);
    }
    unsigned served = serve_group(c, group, n, true, false);
    *requests -= served;
    const char *end = keys[served - 1].ptr + keys[served - 1].len + 2;
    return (size_t)(end - input.ptr);
}
