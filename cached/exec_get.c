/* get, gets, gat, gats. Those that change nothing are served in groups: all keys
 * of a group are looked up together, and short values copied out within the same
 * epoch, so that nothing is held. */
#include "cached/exec.h"
#include "cached/group.h"
#include "common/proto/request_plain.h"

/* "VALUE <key> <flags> <bytes> <cas>\r\n" */
#define VALUE_LINE_BYTES (6 + KEY_MAX_BYTES + 3 * (1 + NUM_MAX_DIGITS) + 2)

/* Of a long line; then its connection asks whether the turn is long. */
#define KEYS_AT_ONCE (16 * STORE_SIGHTS)

static inline __attribute__((always_inline)) char *
put_value_line(char *p, struct span key, uint64_t flags, size_t bytes, const uint64_t *cas)
{
    memcpy(p, "VALUE ", 6);
    p = copy_key(p + 6, key.ptr, key.len);
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
    /* A text client does not learn that it shall refill an item. */
    struct store_lookup how = {
        .blind = true,
        .touch = touch,
        .touch_expiry_ms = c->get.expiry_ms,
    };
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

static inline __attribute__((always_inline)) void
put_sight(struct conn *c, struct pen *pen, struct span key, const struct store_sight *sight,
          bool with_cas)
{
    struct span value = sight->value;
    if (pen_room(c, pen, VALUE_LINE_BYTES + group_copied(value.len))) {
        pen->at =
            put_value_line(pen->at, key, sight->flags, value.len, with_cas ? &sight->cas : NULL);
        group_put_value(c, pen, sight);
    }
}

static inline __attribute__((always_inline)) void
put_end(struct conn *c, struct pen *pen)
{
    if (pen_room(c, pen, 5)) {
        memcpy(pen->at, "END\r\n", 5);
        pen->at += 5;
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
    struct pen pen = pen_take(c);
    unsigned i = 0, hits = 0;
    store_enter(w->store);
    if (with_cas) {
        store_see_cas(w->store, keys, count, w->now_ms, sights);
    } else {
        store_see(w->store, keys, count, w->now_ms, sights);
    }
    do {
        if (sights[i].item != NULL) {
            put_sight(c, &pen, keys[i].key, &sights[i], with_cas);
            hits++;
        }
        if (lone) {
            put_end(c, &pen);
        }
        i++;
    } while (i < count && !(lone && pen_must_pause(&pen)));
    pen_give_back(c, &pen);
    store_leave(w->store);
    group_note(w, keys, sights, i, hits);
    return i;
}

static void
serve_plain_keys(struct conn *c, const struct store_key *keys, unsigned count)
{
    serve_group(c, keys, count, false, false);
}

static void
serve_keys_with_cas(struct conn *c, const struct store_key *keys, unsigned count)
{
    serve_group(c, keys, count, false, true);
}

static void
serve_keys(struct conn *c, const struct store_key *keys, unsigned count)
{
    if (!is_touch(c->get.cmd) && !group_is_observed(c)) {
        if (tells_cas(c->get.cmd)) {
            serve_keys_with_cas(c, keys, count);
        } else {
            serve_plain_keys(c, keys, count);
        }
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
    unsigned left = KEYS_AT_ONCE;
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
        left -= n;
    } while (left > 0 && !conn_blocked(c));
    c->get.keys_bytes = keys.len;
    if (keys.len == 0) {
        outbox_put_span(&c->out, SPAN_LIT("END\r\n"));
    }
}

/* --- without the general parser ------------------------------------------------- */

/* As exec_get() does it, with keys that are known. What is left once the outbox is
 * full is exec_get()'s. */
static size_t
serve_multiget(struct conn *c, struct span input, const struct store_key *keys, unsigned count)
{
    unsigned done = 0;
    do {
        unsigned n = count - done < STORE_SIGHTS ? count - done : STORE_SIGHTS;
        serve_plain_keys(c, &keys[done], n);
        done += n;
    } while (done < count && !conn_blocked(c));
    const char *end = keys[count - 1].key.ptr + keys[count - 1].key.len;
    if (done < count) {
        const char *next = keys[done].key.ptr;
        size_t rest = (size_t)(end - next);
        c->get = (struct get_rest){.cmd = CMD_GET, .keys_bytes = rest, .line_bytes = rest + 2};
        return (size_t)(next - input.ptr);
    }
    outbox_put(&c->out, "END\r\n", 5);
    return (size_t)(end + 2 - input.ptr);
}

static inline __attribute__((always_inline)) void
list_key(void *arg, unsigned i, struct span key)
{
    struct store_key *keys = arg;
    keys[i] = store_key(key);
}

/* A line that came in pieces was looked at when its first one did, and then it was
 * not whole: who sends it byte by byte shall not have it looked at for each. */
static __attribute__((noinline)) size_t
plain_multiget(struct conn *c, struct span input, uint64_t *requests)
{
    struct store_key keys[PLAIN_KEYS_MAX];
    unsigned n = c->parser.scanned == 0 ? request_plain_multiget(input, list_key, keys) : 0;
    if (n == 0) {
        return 0;
    }
    (*requests)--;
    return serve_multiget(c, input, keys, n);
}

static __attribute__((noinline)) unsigned
serve_lone_gets(struct conn *c, const struct store_key *keys, unsigned count)
{
    return serve_group(c, keys, count, true, false);
}

size_t
exec_plain_gets(struct conn *c, struct span input, uint64_t *requests)
{
    struct store_key keys[STORE_SIGHTS];
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS, n = 0;
    if (group_is_observed(c)) {
        return 0;
    }
    const char *p = input.ptr, *end = p + input.len;
    struct span key;
    while (n < max && (p = request_plain_get(p, end, &key)) != NULL) {
        keys[n++] = store_key(key);
    }
    if (n == 0) {
        return plain_multiget(c, input, requests);
    }
    /* Most come alone: then no loop is left of serve_group(). */
    unsigned served = n == 1 ? serve_group(c, keys, 1, true, false) : serve_lone_gets(c, keys, n);
    *requests -= served;
    const struct span *last = &keys[served - 1].key;
    return (size_t)(last->ptr + last->len + 2 - input.ptr);
}
