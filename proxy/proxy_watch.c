/* proxy_watch.c - what `watch hotkeys` tells: the lines of an interval, of all
 * workers. */
#include "common/core/clock.h"
#include "common/core/uri.h"
#include "proxy/promoter.h"
#include "proxy/proxy.h"

#include <stdlib.h>

#define LINE_MAX_BYTES (URI_ENCODED_BYTES(HOTKEYS_KEY_MAX) + 256)

struct telling {
    struct proxy *proxy;
    struct placement *placement; /* may be NULL */
    uint64_t wall_ms;
    unsigned lines;
    struct buf text;
};

static bool
knows(struct promoter *promoter, struct span key)
{
    struct promoted known = {.version = 0};
    if (promoter == NULL) {
        return false;
    }
    promoter_learn(promoter, &known);
    for (unsigned i = 0; i < known.count; i++) {
        if (span_eq(key, span_make(known.keys[i].text, known.keys[i].bytes))) {
            return true;
        }
    }
    return false;
}

static bool
is_promoted(const struct placement *p, struct span key)
{
    for (unsigned i = 0; p != NULL && i < p->table->pool_count; i++) {
        if (knows(p->pools[i].promoter, key)) {
            return true;
        }
    }
    return false;
}

static void
put_line(void *arg, enum hotkeys_order order, unsigned rank, const struct hotkey *key)
{
    struct telling *t = arg;
    char line[LINE_MAX_BYTES];
    char encoded[URI_ENCODED_BYTES(HOTKEYS_KEY_MAX) + 1];
    encoded[uri_encode(key->key, encoded)] = '\0';
    size_t n = watch_head(t->wall_ms, ++t->proxy->watches.gid, line, sizeof(line));
    n += watch_hotkey(hotkeys_order_name(order), rank, encoded, key->count, key->error, line + n,
                      sizeof(line) - n);
    buf_append(&t->text, line, n);
    buf_printf(&t->text, " promoted=%s\n", is_promoted(t->placement, key->key) ? "yes" : "no");
    t->lines++;
}

/* On the first worker's thread. A proxy does not know the bytes of what it passes
 * on, so it tells by requests only. */
void
proxy_watch_tick(void *arg)
{
    struct proxy *proxy = arg;
    uint64_t now_ms = clock_mono_ms();
    bool wanted = atomic_load_explicit(&proxy->watches.watchers, memory_order_relaxed) > 0;
    if (!hotkeys_watch_is_due(&proxy->watches.interval, wanted, now_ms)) {
        return;
    }
    struct hotkeys **sketches = proxy_sketches(proxy);
    struct telling t = {proxy, proxy_placement(proxy), clock_wall_ms(), 0, BUF_EMPTY};
    hotkeys_watch_next(&proxy->watches.interval, sketches, proxy->worker_count,
                       HOTKEYS_REQUESTS + 1, wanted, now_ms, put_line, &t);
    for (unsigned i = 0; t.lines > 0 && i < proxy->worker_count; i++) {
        watcher_tell(proxy->workers[i], buf_span(&t.text), t.lines);
    }
    buf_deinit(&t.text);
    placement_unref(&t.placement);
    free(sketches);
}
