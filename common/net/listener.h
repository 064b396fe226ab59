/* listener.h - accepts connections and hands each on.
 *
 * Lives on one loop (a program's main thread); the callback passes the fd to a
 * worker with loop_post(). When the process or system runs out of descriptors
 * it pauses for 100 ms instead of spinning, counts that, and says so once a
 * second. */
#pragma once
#include "common/net/addr.h"
#include "common/net/loop.h"

struct listener;

/* The callback owns `fd`. */
typedef void listener_fn(void *arg, int fd, const struct addr *peer);

struct listener_options {
    int backlog;        /* 0: 1024 */
    bool reuse_port;    /* a second process may listen beside us */
    unsigned unix_mode; /* of a unix socket's file; 0: 0700 */
};

/* Binds and listens. On failure NULL and *error, which is the caller's to
 * free: one line with the address and the reason. */
struct listener *listener_create(struct loop *loop, const struct addr *addr,
                                 const struct listener_options *options, listener_fn *fn, void *arg,
                                 char **error);
/* Takes over a socket that listens already, another process's perhaps. A unix
 * socket's file stays in the end; see listener_own_file(). */
struct listener *listener_adopt(struct loop *loop, int fd, listener_fn *fn, void *arg);

/* Whether listener_destroy() removes a unix socket's file: not while another
 * process listens by the same socket. */
void listener_own_file(struct listener *l, bool own);

/* Closes the socket and removes a unix socket's file, unless it is another's or
 * another has bound the path since. */
void listener_destroy(struct listener **l);

/* Stops and resumes accepting without closing; the kernel's queue holds new
 * connections meanwhile. */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

/* The bound address: with port 0 the port that the kernel chose. */
const struct addr *listener_addr(const struct listener *l);

/* How often it has paused for lack of descriptors. Any thread. */
uint64_t listener_shortages(const struct listener *l);

/* The socket, to name it in statistics; it stays the listener's. */
int listener_fd(const struct listener *l);
