/* stats_conns.c - `stats conns`: listeners and connections. */
#include "cached/stats.h"
#include "common/net/sock.h"

#include <inttypes.h>

/* As memcached writes addresses: "tcp:127.0.0.1:11211", "unix:/path". */
static void
put_addr(struct buf *out, int fd, const char *name, bool known, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX] = "?";
    if (known) {
        addr_format(addr, text);
    }
    const char *kind = addr->sa.ss_family == AF_INET    ? "tcp:"
                       : addr->sa.ss_family == AF_INET6 ? "tcp6:"
                                                        : "";
    buf_printf(out, "STAT %d:%s %s%s\r\n", fd, name, kind, text);
}

static void
put_listener(struct node *node, unsigned i, struct buf *out)
{
    int fd = listener_fd(node->listeners[i]);
    put_addr(out, fd, "addr", true, listener_addr(node->listeners[i]));
    buf_printf(out, "STAT %d:state conn_listening\r\nSTAT %d:secs_since_last_cmd %" PRIu64 "\r\n",
               fd, fd, (node_wall_ms(node) - node->started_wall_ms) / 1000);
}

/* In ticks of a second, as memcached counts: two moments a second apart are never
 * told as 0. */
static uint64_t
seconds_between(uint64_t earlier_ms, uint64_t later_ms)
{
    return later_ms > earlier_ms ? later_ms / 1000 - earlier_ms / 1000 : 0;
}

static void
put_conn(struct node *node, const struct conn *c, struct buf *out)
{
    int fd = c->io.fd;
    struct addr addr;
    bool known = sock_peer(fd, &addr);
    put_addr(out, fd, "addr", known, &addr);
    known = sock_local(fd, &addr);
    put_addr(out, fd, "listen_addr", known, &addr);
    uint64_t active_ms = atomic_load_explicit(&c->active_ms, memory_order_relaxed);
    uint64_t now_ms = node_now_ms(node);
    buf_printf(
        out, "STAT %d:state %s\r\nSTAT %d:secs_since_last_cmd %" PRIu64 "\r\n", fd,
        conn_state_name((enum conn_state)atomic_load_explicit(&c->state, memory_order_relaxed)), fd,
        seconds_between(active_ms, now_ms));
}

void
stats_put_conns(struct node *node, struct buf *out)
{
    for (unsigned i = 0; i < node->listener_count; i++) {
        put_listener(node, i, out);
    }
    pthread_mutex_lock(&node->registry_lock);
    LIST_EACH (it, &node->registry) {
        put_conn(node, LIST_ENTRY(it, struct conn, entry), out);
    }
    pthread_mutex_unlock(&node->registry_lock);
}
