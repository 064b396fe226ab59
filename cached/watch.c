#include "cached/watch.h"
#include "cached/exec.h"
#include "cached/watch_line.h"
#include "common/core/clock.h"
#include "common/core/mem.h"
#include "common/net/sock.h"
#include "common/proto/exptime.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#define STEP_LINES 1024 /* a step of a watcher takes at most about a millisecond */

struct watch {
    struct list link; /* worker's watchers */
    struct conn *conn;
    uint32_t streams;
    uint64_t missed; /* lines that it was not told of yet */
    unsigned next;   /* the ring to begin with, for fairness */
    unsigned ring_count;
    struct event_cursor cursors[];
};

/* --- writing events ----------------------------------------------------------- */

static void
put(struct worker *w, struct event *event, struct span key)
{
    event->gid = atomic_fetch_add_explicit(&w->node->watch.gid, 1, memory_order_relaxed) + 1;
    event->wall_ms = clock_wall_ms();
    event->key_bytes = (uint8_t)(key.len < STORE_KEY_MAX ? key.len : STORE_KEY_MAX);
    memcpy(event->key, key.ptr, event->key_bytes);
    event_ring_put(w->events, event);
    worker_count(w, METRIC_ID_NODE_WATCH_EVENTS);
}

static const char *
absence_name(enum store_absence absence)
{
    switch (absence) {
    case STORE_ABSENT: break;
    case STORE_EXPIRED: return "expired";
    case STORE_FLUSHED: return "flushed";
    }
    return "not_found";
}

void
watch_put_fetch(struct conn *c, struct span key, const struct store_view *view, bool found)
{
    struct event event = {.kind = EVENT_FETCH, .stream = WATCH_FETCHERS, .fd = c->io.fd};
    event.status = found ? "found" : absence_name(view->absence);
    if (found) {
        event.class = (uint8_t)store_band_of(key.len, view->value.len);
        event.value_bytes = view->value.len;
    }
    put(c->worker, &event, key);
}

void
watch_put_lookup(struct conn *c, struct span key)
{
    struct worker *w = c->worker;
    struct store_key k = store_key(key);
    struct store_lookup how = {.peek = true, .blind = true};
    struct store_view view;
    bool found = store_get(w->store, &k, &how, w->now_ms, &view) == STORE_OK;
    watch_put_fetch(c, key, &view, found);
    if (found) {
        store_release(w->store, &view.item);
    }
}

static const char *
command_of(const struct store_write *write)
{
    switch (write->mode) {
    case STORE_SET: return write->compare ? "cas" : "set";
    case STORE_ADD: return "add";
    case STORE_REPLACE: return "replace";
    case STORE_APPEND: return "append";
    case STORE_PREPEND: return "prepend";
    }
    return "na";
}

static const char *
status_of(enum store_outcome outcome)
{
    switch (outcome) {
    case STORE_OK: return "stored";
    case STORE_EXISTS: return "exists";
    case STORE_NOT_FOUND: return "not_found";
    case STORE_TOO_LARGE: return "too_large";
    case STORE_NO_MEMORY: return "no_memory";
    case STORE_NOT_STORED:
    case STORE_NON_NUMERIC: break;
    }
    return "not_stored";
}

static int64_t
seconds_left(uint64_t expiry_ms, uint64_t now_ms)
{
    return expiry_ms > now_ms ? (int64_t)((expiry_ms - now_ms + 999) / 1000) : 0;
}

void
watch_put_store(struct conn *c, struct span key, const struct store_write *write,
                enum store_outcome outcome, uint64_t value_bytes, uint64_t now_ms)
{
    struct event event = {
        .kind = EVENT_STORE,
        .stream = WATCH_MUTATIONS,
        .fd = c->io.fd,
        .status = status_of(outcome),
        .command = command_of(write),
        .class = (uint8_t)store_band_of(key.len, value_bytes),
        .value_bytes = value_bytes,
    };
    if (write->expiry_ms != EXPIRES_NEVER) {
        event.ttl_s = seconds_left(write->expiry_ms, now_ms);
    }
    put(c->worker, &event, key);
}

void
watch_put_delete(struct conn *c, struct span key, const char *command)
{
    struct event event = {
        .kind = EVENT_DELETE,
        .stream = WATCH_DELETIONS,
        .fd = c->io.fd,
        .command = command, /* how large the item was is not known, so its class is 0 */
    };
    put(c->worker, &event, key);
}

static void
on_eviction(void *arg, const struct store_view *view)
{
    struct worker *w = arg;
    uint32_t streams = atomic_load_explicit(&w->node->watch.streams, memory_order_relaxed);
    if (!(streams & 1u << WATCH_EVICTIONS)) {
        return;
    }
    uint64_t idle_ms = w->now_ms > view->accessed_ms ? w->now_ms - view->accessed_ms : 0;
    struct event event = {
        .kind = EVENT_EVICTION,
        .stream = WATCH_EVICTIONS,
        .status = view->fetched ? "yes" : "no",
        .class = (uint8_t)store_band_of(view->key.len, view->value.len),
        .value_bytes = view->value.len,
        .idle_s = idle_ms / 1000,
        .ttl_s = view->expiry_ms == EXPIRES_NEVER ? -1 : seconds_left(view->expiry_ms, w->now_ms),
    };
    put(w, &event, view->key);
}

/* --- hot keys ------------------------------------------------------------------ */

static void
put_hotkey(void *arg, enum hotkeys_order order, unsigned rank, const struct hotkey *key)
{
    struct event event = {
        .kind = EVENT_HOTKEY,
        .stream = WATCH_HOTKEYS,
        .status = hotkeys_order_name(order),
        .class = (uint8_t)rank,
        .value_bytes = key->count,
        .ttl_s = (int64_t)key->error,
    };
    put(arg, &event, key->key);
}

void
watch_hotkeys(struct worker *w)
{
    struct watch_hub *hub = &w->node->watch;
    uint32_t streams = atomic_load_explicit(&hub->streams, memory_order_relaxed);
    bool wanted = streams & 1u << WATCH_HOTKEYS;
    if (hotkeys_watch_is_due(&hub->interval, wanted, w->now_ms)) {
        struct hotkeys **sketches = node_sketches(w->node);
        hotkeys_watch_next(&hub->interval, sketches, w->node->worker_count, HOTKEYS_ORDERS, wanted,
                           w->now_ms, put_hotkey, w);
        free(sketches);
    }
}

/* --- connections --------------------------------------------------------------- */

/* The peer goes where other events have their key. */
static void
put_connection(struct conn *c, struct event *event)
{
    struct addr addr;
    char text[INET6_ADDRSTRLEN] = "unknown";
    event->stream = WATCH_CONNEVENTS;
    event->fd = c->io.fd;
    event->command = "tcp";
    if (!sock_peer(c->io.fd, &addr)) {
        addr.sa.ss_family = AF_UNSPEC; /* reset by the peer: nobody knows any more */
    }
    if (addr.sa.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr.sa;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        event->port = ntohs(in->sin_port);
    } else if (addr.sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&addr.sa;
        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
        event->port = ntohs(in->sin6_port);
    } else if (addr.sa.ss_family == AF_UNIX) {
        strcpy(text, "unix");
        event->command = "local";
    }
    put(c->worker, event, span_cstr(text));
}

void
watch_put_opened(struct conn *c)
{
    struct event event = {.kind = EVENT_OPENED};
    put_connection(c, &event);
}

void
watch_put_closed(struct conn *c, enum conn_end why)
{
    static const char *const reasons[] = {
#define X(id, name) name,
        CONN_ENDS(X)
#undef X
    };
    struct event event = {.kind = EVENT_CLOSED, .status = reasons[why]};
    put_connection(c, &event);
}

/* --- watchers ------------------------------------------------------------------ */

/* Under the hub's lock. */
static void
count_streams(struct watch_hub *hub, uint32_t streams, int change)
{
    uint32_t wanted = 0;
    hub->watchers += (unsigned)change;
    for (unsigned i = 0; i < WATCH_STREAM_COUNT; i++) {
        hub->wanted[i] += streams & 1u << i ? (unsigned)change : 0;
        wanted |= hub->wanted[i] > 0 ? 1u << i : 0;
    }
    atomic_store_explicit(&hub->streams, wanted, memory_order_relaxed);
}

static bool
enlist(struct watch_hub *hub, uint32_t streams)
{
    pthread_mutex_lock(&hub->lock);
    bool room = hub->watchers < WATCHERS_LIMIT;
    if (room) {
        count_streams(hub, streams, 1);
    }
    pthread_mutex_unlock(&hub->lock);
    return room;
}

bool
watch_begin(struct conn *c, uint32_t streams)
{
    struct worker *w = c->worker;
    unsigned rings = w->node->worker_count;
    if (!enlist(&w->node->watch, streams)) {
        return false;
    }
    struct watch *watch = mem_zalloc(sizeof(*watch) + rings * sizeof(watch->cursors[0]));
    watch->conn = c;
    watch->streams = streams;
    watch->ring_count = rings;
    for (unsigned i = 0; i < rings; i++) {
        event_cursor_init(&watch->cursors[i], w->node->workers[i]->events);
    }
    c->watch = watch;
    if (list_empty(&w->watchers)) {
        loop_timer_start(&w->watch_timer, WATCH_TICK_MS);
    }
    list_push_back(&w->watchers, &watch->link);
    metric_add(w->metrics, METRIC_ID_NODE_WATCHERS, 1);
    outbox_put_span(&c->out, SPAN_LIT("OK\r\n"));
    return true;
}

void
watch_end(struct conn *c)
{
    struct worker *w = c->worker;
    struct watch_hub *hub = &w->node->watch;
    if (c->watch == NULL) {
        return;
    }
    pthread_mutex_lock(&hub->lock);
    count_streams(hub, c->watch->streams, -1);
    pthread_mutex_unlock(&hub->lock);
    list_remove(&c->watch->link);
    metric_sub(w->metrics, METRIC_ID_NODE_WATCHERS, 1);
    free(c->watch);
    c->watch = NULL;
}

static void
put_line(struct conn *c, const struct event *event)
{
    char line[WATCH_LINE_MAX];
    struct watch *watch = c->watch;
    if (watch->missed > 0) {
        size_t n = watch_skipped(watch->missed, line, sizeof(line));
        line[n++] = '\n';
        outbox_put(&c->out, line, n);
        metric_add(c->worker->metrics, METRIC_ID_NODE_WATCH_SKIPPED, watch->missed);
        watch->missed = 0;
    }
    outbox_put(&c->out, line, watch_line(event, line));
    worker_count(c->worker, METRIC_ID_NODE_WATCH_LINES);
}

void
watch_step(struct conn *c)
{
    struct watch *watch = c->watch;
    struct event event;
    unsigned lines = 0;
    for (unsigned i = 0; i < watch->ring_count; i++) {
        unsigned n = (watch->next + i) % watch->ring_count;
        const struct event_ring *ring = c->worker->node->workers[n]->events;
        while (lines < STEP_LINES && !conn_blocked(c) &&
               event_ring_next(ring, &watch->cursors[n], watch->streams, &event, &watch->missed)) {
            put_line(c, &event);
            lines++;
        }
    }
    watch->next++;
}

/* Each has its turn once; a turn may close the connection. */
static void
on_watch_timer(void *arg)
{
    struct worker *w = arg;
    struct list due, *link;
    list_init(&due);
    while ((link = list_pop_front(&w->watchers)) != NULL) {
        list_push_back(&due, link);
    }
    while ((link = list_pop_front(&due)) != NULL) {
        list_push_back(&w->watchers, link);
        conn_continue(LIST_ENTRY(link, struct watch, link)->conn);
    }
    if (!list_empty(&w->watchers)) {
        loop_timer_start(&w->watch_timer, WATCH_TICK_MS);
    }
}

void
watch_init_worker(struct worker *w)
{
    w->events = event_ring_create();
    list_init(&w->watchers);
    loop_timer_init(&w->watch_timer, w->loop, on_watch_timer, w);
    store_tell_evictions(w->store, on_eviction, w);
}

void
watch_deinit_worker(struct worker *w)
{
    loop_timer_deinit(&w->watch_timer);
    event_ring_destroy(&w->events);
}
