/* sock.h - non-blocking sockets, set up the way every room here wants them. */
#pragma once
#include "common/net/addr.h"

#include <sys/types.h>

/* A listening socket (close-on-exec, non-blocking, SO_REUSEADDR; an old unix
 * socket file is removed, the new one gets `unix_mode`). -1 and errno on
 * failure. `reuse_port` sets SO_REUSEPORT. */
int sock_listen(const struct addr *addr, int backlog, bool reuse_port, unsigned unix_mode);

/* A unix socket's file, by its inode: a successor may have bound the path anew
 * while we were still serving our last clients, and then the file is its own. */
struct sock_file {
    dev_t dev;
    ino_t ino; /* 0: none, or another's to remove */
};

/* The file that the address has now; none if it is no unix socket's. */
struct sock_file sock_file_of(const struct addr *addr);
/* Removes it if it is still that one. Before the socket is closed, since then the
 * inode can be another's. */
void sock_file_remove(const struct sock_file *file, const struct addr *addr);

/* Begins to connect; TCP_NODELAY is on. Returns the fd (usually with the
 * connection in progress: it turns writable when decided), or -1 and errno. */
int sock_connect(const struct addr *addr);

/* 0 once a begun connect has succeeded, else its errno. */
int sock_connect_error(int fd);

/* Accepts one connection, non-blocking, close-on-exec, TCP_NODELAY. -1 and errno. */
int sock_accept(int listen_fd, struct addr *peer);

/* Whom the socket is bound to or connected to; false if the system won't say. */
bool sock_local(int fd, struct addr *out);
bool sock_peer(int fd, struct addr *out);

/* Fixes how much the kernel holds of what the peer has not taken; it doubles the
 * number for its own needs. Without, it may be megabytes for each peer. */
void sock_send_buffer(int fd, int bytes);

/* What was sent and has not arrived is given up when the socket is closed, and the
 * peer sees a reset. Otherwise the system goes on sending it for minutes. */
void sock_give_up_on_close(int fd);

/* TCP keepalive: first probe after idle_s to twice that, then every interval_s to one and
 * a half of it, dead after `probes` unanswered. Each socket has times of its own: thousands
 * that were opened together would be probed together, and again and again, and what
 * overflows a queue on the way is dropped. No effect on unix sockets. */
void sock_keepalive(int fd, int idle_s, int interval_s, int probes);
