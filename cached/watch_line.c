#include "cached/watch_line.h"
#include "common/core/hotkeys_watch.h"

#include <inttypes.h>
#include <stdio.h>

static int
put_item(const struct event *e, const char *key, char *out, size_t room)
{
    switch ((enum event_kind)e->kind) {
    case EVENT_FETCH:
        return snprintf(out, room, "item_get key=%s status=%s clsid=%u cfd=%d size=%" PRIu64, key,
                        e->status, e->class, e->fd, e->value_bytes);
    case EVENT_STORE:
        return snprintf(out, room,
                        "item_store key=%s status=%s cmd=%s ttl=%" PRId64
                        " clsid=%u cfd=%d size=%" PRIu64,
                        key, e->status, e->command, e->ttl_s, e->class, e->fd, e->value_bytes);
    case EVENT_DELETE:
        return snprintf(out, room, "deleted key=%s cmd=%s clsid=%u cfd=%d", key, e->command,
                        e->class, e->fd);
    case EVENT_EVICTION:
        return snprintf(out, room,
                        "eviction key=%s fetch=%s ttl=%" PRId64 " la=%" PRIu64
                        " clsid=%u size=%" PRIu64,
                        key, e->status, e->ttl_s, e->idle_s, e->class, e->value_bytes);
    case EVENT_OPENED:
        return snprintf(out, room, "conn_new rip=%.*s rport=%u transport=%s cfd=%d", e->key_bytes,
                        e->key, e->port, e->command, e->fd);
    case EVENT_CLOSED:
        return snprintf(out, room, "conn_close rip=%.*s rport=%u transport=%s reason=%s cfd=%d",
                        e->key_bytes, e->key, e->port, e->command, e->status, e->fd);
    case EVENT_HOTKEY:
        return (int)watch_hotkey(e->status, e->class, key, e->value_bytes, (uint64_t)e->ttl_s, out,
                                 room);
    }
    return 0;
}

size_t
watch_line(const struct event *event, char *out)
{
    char key[URI_ENCODED_BYTES(STORE_KEY_MAX) + 1];
    key[uri_encode(span_make(event->key, event->key_bytes), key)] = '\0';
    size_t n = watch_head(event->wall_ms, event->gid, out, WATCH_LINE_MAX);
    n += (size_t)put_item(event, key, out + n, WATCH_LINE_MAX - n);
    out[n++] = '\n'; /* in the place of the terminator, for which there was room */
    return n;
}
