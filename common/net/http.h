/* http.h - the small HTTP server behind /metrics, /healthz, /readyz and status
 * pages. Runs on one loop (the main thread), on libevent's evhttp. Never on a
 * worker thread: rendering may take its time. */
#pragma once
#include "common/core/buf.h"
#include "common/net/addr.h"
#include "common/net/loop.h"

struct http_server;

struct http_reply {
    int status;               /* preset to 200 */
    const char *content_type; /* preset to text/plain; static text */
    struct buf body;          /* sent and freed by the server */
};

typedef void http_handler(void *arg, struct http_reply *reply);

/* NULL and *error (the caller's to free) if the address cannot be bound. */
struct http_server *http_server_create(struct loop *loop, const struct addr *addr, char **error);
void http_server_destroy(struct http_server **s);

/* GET (and HEAD) of exactly `path`. Other paths are answered 404, other methods
 * 405 or 501. */
void http_server_route(struct http_server *s, const char *path, http_handler *fn, void *arg);

/* The bound address, with the port that the kernel chose. */
const struct addr *http_server_addr(const struct http_server *s);
