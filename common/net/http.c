#include "common/net/http.h"
#include "common/core/list.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX   4096
#define HEADER_MAX 8192
#define TIMEOUT_S  10
#define PAUSE_MS   100

/* Methods that a handler never sees but that get a 405 of ours; what is not
 * here gets libevent's 501. */
#define OTHER_METHODS                                                                              \
    (EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH)

struct route {
    struct route *next;
    http_handler *fn;
    void *arg;
};

struct http_server {
    struct list link; /* of `servers` */
    struct evhttp *http;
    struct evconnlistener *listener; /* owned by http */
    struct loop_timer resume_timer;
    struct route *routes;
    struct addr addr;
};

/* libevent tells of a failed accept without an argument of ours, so the server
 * is found by its listener. */
static struct list servers = {&servers, &servers};
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;

static struct http_server *
server_of(struct evconnlistener *listener)
{
    struct http_server *found = NULL;
    pthread_mutex_lock(&servers_lock);
    LIST_EACH (it, &servers) {
        struct http_server *s = LIST_ENTRY(it, struct http_server, link);
        found = s->listener == listener ? s : found;
    }
    pthread_mutex_unlock(&servers_lock);
    return found;
}

/* Out of descriptors: the connection stays in the kernel's queue, so without a
 * pause we would be told of it again at once, and again. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
    int error = errno;
    LOG_LIMITED(1, LOG_WARN, "http_accept_failed", "reason=%s", LOG_STR(strerror(error)));
    evconnlistener_disable(listener);
    loop_timer_start(&server_of(listener)->resume_timer, PAUSE_MS);
}

static void
on_resume(void *arg)
{
    struct http_server *s = arg;
    evconnlistener_enable(s->listener);
}

static bool
start(struct http_server *s, struct loop *loop, int fd)
{
    s->http = evhttp_new(loop_base(loop));
    struct evhttp_bound_socket *bound = NULL;
    if (s->http != NULL) {
        bound = evhttp_accept_socket_with_handle(s->http, fd);
    }
    if (bound == NULL) {
        return false;
    }
    s->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | OTHER_METHODS);
    evhttp_set_max_body_size(s->http, BODY_MAX);
    evhttp_set_max_headers_size(s->http, HEADER_MAX);
    evhttp_set_timeout(s->http, TIMEOUT_S);
    return true;
}

struct http_server *
http_server_create(struct loop *loop, const struct addr *addr, char **error)
{
    int fd = sock_listen(addr, 64, false, 0700);
    if (fd < 0) {
        char text[ADDR_TEXT_MAX];
        *error = mem_printf("cannot listen for HTTP on %s: %s", addr_format(addr, text),
                            strerror(errno));
        return NULL;
    }
    struct http_server *s = mem_zalloc(sizeof(*s));
    loop_timer_init(&s->resume_timer, loop, on_resume, s);
    pthread_mutex_lock(&servers_lock);
    list_push_back(&servers, &s->link);
    pthread_mutex_unlock(&servers_lock);
    if (!start(s, loop, fd)) {
        *error = mem_strdup("cannot start the HTTP server: out of memory");
        close(fd);
        http_server_destroy(&s);
        return NULL;
    }
    s->addr = *addr;
    sock_local(fd, &s->addr);
    return s;
}

void
http_server_destroy(struct http_server **s)
{
    struct http_server *it = *s;
    if (it == NULL) {
        return;
    }
    pthread_mutex_lock(&servers_lock);
    list_remove(&it->link);
    pthread_mutex_unlock(&servers_lock);
    loop_timer_deinit(&it->resume_timer);
    if (it->http != NULL) {
        evhttp_free(it->http);
    }
    while (it->routes != NULL) {
        struct route *next = it->routes->next;
        free(it->routes);
        it->routes = next;
    }
    if (it->addr.sa.ss_family == AF_UNIX) {
        unlink(((struct sockaddr_un *)&it->addr.sa)->sun_path);
    }
    free(it);
    *s = NULL;
}

static void
on_request(struct evhttp_request *request, void *arg)
{
    const struct route *route = arg;
    if (evhttp_request_get_command(request) & OTHER_METHODS) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        evhttp_send_reply(request, HTTP_BADMETHOD, NULL, NULL);
        return;
    }
    struct http_reply reply = {200, "text/plain; charset=utf-8", BUF_EMPTY};
    route->fn(route->arg, &reply);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      reply.content_type);
    struct evbuffer *body = evbuffer_new();
    if (body != NULL && evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
        struct span bytes = buf_span(&reply.body);
        evbuffer_add(body, bytes.ptr, bytes.len);
    }
    evhttp_send_reply(request, reply.status, NULL, body);
    if (body != NULL) {
        evbuffer_free(body);
    }
    buf_deinit(&reply.body);
}

void
http_server_route(struct http_server *s, const char *path, http_handler *fn, void *arg)
{
    struct route *route = mem_zalloc(sizeof(*route));
    *route = (struct route){s->routes, fn, arg};
    s->routes = route;
    evhttp_set_cb(s->http, path, on_request, route);
}

const struct addr *
http_server_addr(const struct http_server *s)
{
    return &s->addr;
}
