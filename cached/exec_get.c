/* get, gets, gat, gats. Those that change nothing are served in groups: all keys
 * of a group are looked up together, and short values copied out within the same
 * epoch, so that nothing is held. */
#include "cached/exec.h"
#include "cached/group.h"
#include "common/proto/request_plain.h"

/* "VALUE <key> <flags> <bytes> <cas>\r\n" */
#define VALUE_LINE_BYTES (6 + KEY_MAX_BYTES + 3 * (1 + NUM_MAX_DIGITS) + 2)

static inline char *
put_value_line(char *p, struct span key, uint64_t flags, size_t bytes, const uint64_t *cas)
{
    memcpy(p, "VALUE ", 6);
    p = group_put_key(p + 6, key);
    p = group_put_number(p, flags);
    p = group_put_number(p, bytes);
    if (cas != NULL) {
        p = group_put_number(p, *cas);
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
        group_count_gets(w, 1, hit);
    }
    worker_note_key(w, key, hit ? view.value.len : 0);
    worker_count_get_prefix(w, key->key, hit);
    watch_fetched(c, key->key, &view, hit);
    if (hit) {
        put_view(c, &view, tells_cas(c->get.cmd));
    }
}

/* --- in groups ---------------------------------------------------------------- */

static inline void
put_sight(struct conn *c, struct span key, const struct store_sight *sight, bool with_cas)
{
    char *line = group_room(c, VALUE_LINE_BYTES, sight);
    if (line != NULL) {
        char *p = put_value_line(line, key, sight->flags, sight->value.len,
                                 with_cas ? &sight->cas : NULL);
        group_put_value(c, line, p, sight);
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
    unsigned i = 0, hits = 0;
    store_enter(w->store);
    store_see(w->store, keys, count, w->now_ms, sights);
    do {
        if (sights[i].item != NULL) {
            put_sight(c, keys[i].key, &sights[i], with_cas);
            hits++;
        }
        if (lone) {
            outbox_put(&c->out, "END\r\n", 5);
        }
        i++;
    } while (i < count && !(lone && group_must_pause(c)));
    store_leave(w->store);
    group_note(w, keys, sights, i, hits);
    return i;
}

static void
serve_plain_keys(struct conn *c, const struct store_key *keys, unsigned count, bool with_cas)
{
    serve_group(c, keys, count, false, with_cas);
}

static void
serve_keys(struct conn *c, const struct store_key *keys, unsigned count)
{
    if (!is_touch(c->get.cmd) && !group_is_observed(c)) {
        serve_plain_keys(c, keys, count, tells_cas(c->get.cmd));
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

/* --- without the general parser ------------------------------------------------- */

/* As exec_get() does it, with keys that are known. What is left once the outbox is
 * full is exec_get()'s. */
static size_t
serve_multiget(struct conn *c, struct span input, const struct span *keys, unsigned count)
{
    struct store_key group[STORE_SIGHTS];
    unsigned done = 0;
    do {
        unsigned n = 0;
        while (n < STORE_SIGHTS && done < count) {
            group[n++] = store_key(keys[done++]);
        }
        serve_plain_keys(c, group, n, false);
    } while (done < count && !conn_blocked(c));
    const char *end = keys[count - 1].ptr + keys[count - 1].len;
    if (done < count) {
        size_t rest = (size_t)(end - keys[done].ptr);
        c->get = (struct get_rest){.cmd = CMD_GET, .keys_bytes = rest, .line_bytes = rest + 2};
        return (size_t)(keys[done].ptr - input.ptr);
    }
    outbox_put(&c->out, "END\r\n", 5);
    return (size_t)(end + 2 - input.ptr);
}

/* A line that came in pieces was looked at when its first one did, and then it was
 * not whole: who sends it byte by byte shall not have it looked at for each. */
static __attribute__((noinline)) size_t
plain_multiget(struct conn *c, struct span input, uint64_t *requests)
{
    struct span keys[PLAIN_KEYS_MAX];
    unsigned n = c->parser.scanned == 0 ? request_plain_multiget(input, keys) : 0;
    if (n == 0) {
        return 0;
    }
    (*requests)--;
    return serve_multiget(c, input, keys, n);
}

size_t
exec_plain_gets(struct conn *c, struct span input, uint64_t *requests)
{
    struct span keys[STORE_SIGHTS];
    struct store_key group[STORE_SIGHTS];
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS;
    if (group_is_observed(c)) {
        return 0;
    }
    unsigned n = request_plain_gets(input, keys, max);
    if (n == 0) {
        return plain_multiget(c, input, requests);
    }
    for (unsigned i = 0; i < n; i++) {
        group[i] = store_key(keys[i]);
    }
    unsigned served = serve_group(c, group, n, true, false);
    *requests -= served;
    const char *end = keys[served - 1].ptr + keys[served - 1].len + 2;
    return (size_t)(end - input.ptr);
}
