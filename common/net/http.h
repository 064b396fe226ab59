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
/* The same with a socket that listens already. It is taken over, also on failure.
 * A unix socket's file stays in the end; see http_server_own_file(). */
struct http_server *http_server_adopt(struct loop *loop, int fd, char **error);

/* As listener_own_file(). */
void http_server_own_file(struct http_server *s, bool own);

/* Accepts no more; what is connected is answered once more and closed. */
void http_server_retire(struct http_server *s);

/* The socket, or -1 when retired. It stays the server's. */
int http_server_fd(const struct http_server *s);

void http_server_destroy(struct http_server **s);

/* GET (and HEAD) of exactly `path`. Other paths are answered 404, other methods
 * 405 or 501. */
void http_server_route(struct http_server *s, const char *path, http_handler *fn, void *arg);

/* The bound address, with the port that the kernel chose. */
const struct addr *http_server_addr(const struct http_server *s);
