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
    struct http_server *server;
    struct route *next;
    http_handler *fn;
    void *arg;
};

struct http_server {
    struct list link; /* of `servers` */
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* owned by http; NULL when retired */
    struct evconnlistener *listener;   /* the same */
    struct loop_timer resume_timer;
    struct route *routes;
    struct addr addr;
    struct sock_file file; /* to remove in the end */
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
    if (s->listener != NULL) {
        evconnlistener_enable(s->listener);
    }
}

static bool
start(struct http_server *s, struct loop *loop, int fd)
{
    s->http = evhttp_new(loop_base(loop));
    if (s->http != NULL) {
        s->bound = evhttp_accept_socket_with_handle(s->http, fd);
    }
    if (s->bound == NULL) {
        return false;
    }
    s->listener = evhttp_bound_socket_get_listener(s->bound);
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | OTHER_METHODS);
    evhttp_set_max_body_size(s->http, BODY_MAX);
    evhttp_set_max_headers_size(s->http, HEADER_MAX);
    evhttp_set_timeout(s->http, TIMEOUT_S);
    return true;
}

struct http_server *
http_server_adopt(struct loop *loop, int fd, char **error)
{
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
    sock_local(fd, &s->addr);
    return s;
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
    struct http_server *s = http_server_adopt(loop, fd, error);
    if (s != NULL) {
        http_server_own_file(s, true);
    }
    return s;
}

void
http_server_own_file(struct http_server *s, bool own)
{
    s->file = own ? sock_file_of(&s->addr) : (struct sock_file){0};
}

void
http_server_retire(struct http_server *s)
{
    if (s->bound != NULL) {
        sock_file_remove(&s->file, &s->addr);
        evhttp_del_accept_socket(s->http, s->bound);
    }
    s->file = (struct sock_file){0};
    s->bound = NULL;
    s->listener = NULL;
}

int
http_server_fd(const struct http_server *s)
{
    return s->bound != NULL ? evhttp_bound_socket_get_fd(s->bound) : -1;
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
    sock_file_remove(&it->file, &it->addr);
    if (it->http != NULL) {
        evhttp_free(it->http);
    }
    while (it->routes != NULL) {
        struct route *next = it->routes->next;
        free(it->routes);
        it->routes = next;
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
    if (route->server->bound == NULL) { /* the next request shall go to our successor */
        evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    }
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
    *route = (struct route){s, s->routes, fn, arg};
    s->routes = route;
    evhttp_set_cb(s->http, path, on_request, route);
}

const struct addr *
http_server_addr(const struct http_server *s)
{
    return &s->addr;
}
