/* proxy_listen.c - where the proxy listens: anew, or by the sockets of the process
 * before it. */
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "proxy/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_PORT   11211
#define DEFAULT_LISTEN "127.0.0.1:11211"

void
proxy_accept(struct proxy *proxy, int fd, unsigned frontend)
{
    if (atomic_load(&proxy->connections) >= atomic_load(&proxy->connections_max)) {
        static const char line[] = "ERROR Too many open connections\r\n";
        ssize_t ignored = send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
        close(fd);
        metric_add(proxy->accept_metrics, METRIC_ID_REJECTED, 1);
        return;
    }
    atomic_fetch_add(&proxy->connections, 1);
    worker_give_client(proxy->workers[proxy->next_worker], fd, frontend);
    proxy->next_worker = (proxy->next_worker + 1) % proxy->worker_count;
}

static void
on_accept(void *arg, int fd, const struct addr *peer)
{
    (void)peer;
    struct proxy_listener *l = arg;
    proxy_accept(l->proxy, fd, l->frontend);
}

bool
proxy_resolve(const char *text, struct addr *out)
{
    struct addr_name name;
    const char *why = "malformed address";
    if (addr_parse(span_cstr(text), DEFAULT_PORT, &name) && addr_resolve(&name, true, out, &why)) {
        return true;
    }
    fprintf(stderr, "mfproxy: cannot listen on %s: %s\n", text, why);
    return false;
}

static void
say_where(const struct addr *addr, const char *role, struct span pool, bool inherited)
{
    char bound[ADDR_TEXT_MAX];
    log_info("listening", "addr=%s role=%s%s%.*s%s", addr_format(addr, bound), role,
             pool.len > 0 ? " pool=" : "", SPAN_FMT(pool), inherited ? " inherited=yes" : "");
}

static bool
open_listener(struct proxy_listener *l, bool *inherited)
{
    struct loop *loop = l->proxy->loop;
    int fd = predecessor_take(l->proxy->predecessor, HANDOVER_LISTENER, &l->told);
    *inherited = fd >= 0;
    if (*inherited) {
        l->listener = listener_adopt(loop, fd, on_accept, l);
        return true;
    }
    char *error = NULL;
    struct listener_options options = {0};
    l->listener = listener_create(loop, &l->told, &options, on_accept, l, &error);
    if (l->listener == NULL) {
        fprintf(stderr, "mfproxy: %s\n", error);
        free(error);
    }
    return l->listener != NULL;
}

/* `text` is ADDR or ADDR=POOL. */
static bool
listen_at(struct proxy *proxy, const char *text)
{
    struct span addr, pool;
    bool inherited;
    ASSERT(frontend_split(span_cstr(text), &addr, &pool)); /* proxy_options.c has looked */
    struct proxy_listener *l = &proxy->listeners[proxy->listener_count];
    l->proxy = proxy;
    char *name = mem_strndup(addr.ptr, addr.len);
    bool ok = proxy_resolve(name, &l->told) && open_listener(l, &inherited);
    free(name);
    if (!ok) {
        return false;
    }
    char bound[ADDR_TEXT_MAX];
    l->frontend = frontends_add(&proxy->frontends, addr_format(listener_addr(l->listener), bound),
                                pool, true);
    proxy->listener_count++;
    say_where(listener_addr(l->listener), "clients", pool, inherited);
    return true;
}

static bool
serve_http(struct proxy *proxy)
{
    if (proxy->options->http == NULL) {
        return true;
    }
    if (!proxy_resolve(proxy->options->http, &proxy->http_name)) {
        return false;
    }
    char *error = NULL;
    int fd = predecessor_take(proxy->predecessor, HANDOVER_LISTENER, &proxy->http_name);
    proxy->http = fd >= 0 ? http_server_adopt(proxy->loop, fd, &error)
                          : http_server_create(proxy->loop, &proxy->http_name, &error);
    if (proxy->http == NULL) {
        fprintf(stderr, "mfproxy: %s\n", error);
        free(error);
        return false;
    }
    proxy_http_routes(proxy);
    say_where(http_server_addr(proxy->http), "http", SPAN_LIT(""), fd >= 0);
    return true;
}

bool
proxy_listen(struct proxy *proxy)
{
    const struct option_strings *listen = &proxy->options->listen;
    proxy->listeners = mem_zalloc((listen->count + 1) * sizeof(proxy->listeners[0]));
    bool ok = listen->count > 0 || listen_at(proxy, DEFAULT_LISTEN);
    for (size_t i = 0; ok && i < listen->count; i++) {
        ok = listen_at(proxy, listen->items[i]);
    }
    struct placement *p = proxy_placement(proxy);
    if (ok && p != NULL) {
        proxy_check_frontends(proxy, p->table);
    }
    placement_unref(&p);
    return ok && serve_http(proxy);
}

/* --- handing over ------------------------------------------------------------------ */

void
proxy_offer_listeners(struct proxy *proxy, struct handover_offer *offer)
{
    char text[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < proxy->listener_count; i++) {
        const struct proxy_listener *l = &proxy->listeners[i];
        if (l->listener != NULL) {
            handover_add(offer, HANDOVER_LISTENER, addr_format(&l->told, text),
                         listener_fd(l->listener));
        }
    }
    if (proxy->http != NULL && http_server_fd(proxy->http) >= 0) {
        handover_add(offer, HANDOVER_LISTENER, addr_format(&proxy->http_name, text),
                     http_server_fd(proxy->http));
    }
}

void
proxy_own_files(struct proxy *proxy, bool own)
{
    for (unsigned i = 0; i < proxy->listener_count; i++) {
        if (proxy->listeners[i].listener != NULL) {
            listener_own_file(proxy->listeners[i].listener, own);
        }
    }
    if (proxy->http != NULL) {
        http_server_own_file(proxy->http, own);
    }
}

/* Until the end somebody may ask how the draining goes, if there is no successor
 * to ask. */
void
proxy_stop_listening(struct proxy *proxy)
{
    bool shared =
        proxy->relieved || (proxy->successor != NULL && successor_has_offer(proxy->successor));
    if (shared) {
        proxy_own_files(proxy, false);
    }
    for (unsigned i = 0; i < proxy->listener_count; i++) {
        listener_destroy(&proxy->listeners[i].listener);
    }
    if (proxy->relieved && proxy->http != NULL) {
        http_server_retire(proxy->http);
    }
    if (proxy->successor != NULL) {
        successor_stop_listening(proxy->successor);
    }
}
