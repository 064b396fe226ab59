#include "common/net/http.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX   4096
#define HEADER_MAX 8192
#define TIMEOUT_S  10

struct route {
    struct route *next;
    http_handler *fn;
    void *arg;
};

struct http_server {
    struct evhttp *http;
    struct route *routes;
    struct addr addr;
};

struct http_server *
http_server_create(struct loop *loop, const struct addr *addr, char **error)
{
    int fd = sock_listen(addr, 64, false, 0700);
    if (fd < 0) {
        char text[ADDR_TEXT_MAX];
        *error =
            mem_printf("cannot listen for HTTP on %s: %s", addr_format(addr, text), strerror(errno));
        return NULL;
    }
    struct http_server *s = mem_zalloc(sizeof(*s));
    s->http = evhttp_new(loop_base(loop));
    if (s->http == NULL || evhttp_accept_socket(s->http, fd) != 0) {
        *error = mem_strdup("cannot start the HTTP server: out of memory");
        close(fd);
        http_server_destroy(&s);
        return NULL;
    }
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_body_size(s->http, BODY_MAX);
    evhttp_set_max_headers_size(s->http, HEADER_MAX);
    evhttp_set_timeout(s->http, TIMEOUT_S);
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
