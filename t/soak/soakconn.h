/* soakconn.h - a connection of the soak: bytes out, bytes in, both at once, so
 * that neither side waits for the other to read. Shares no parser with the
 * programs that it judges. One thread. */
#pragma once
#include "common/core/buf.h"
#include "common/net/addr.h"

struct soak_conn {
    int fd;     /* -1: not connected */
    bool ended; /* the peer will send nothing more */
    struct buf in;
    struct buf out;
};

#define SOAK_CONN_CLOSED ((struct soak_conn){.fd = -1})

/* Waits at most 10 s for the server to accept; false if it does not. */
bool soak_conn_open(struct soak_conn *c, const struct addr *addr);

/* Sends and receives what can be without waiting, or waits up to so long for
 * either. False if the connection broke. */
bool soak_conn_pump(struct soak_conn *c, int timeout_ms);

/* After this nothing more is sent; the peer sees the end behind what was sent.
 * What is not sent yet is forgotten. */
void soak_conn_half_close(struct soak_conn *c);

/* Closes; `reset`: so that the peer's next system call fails. */
void soak_conn_close(struct soak_conn *c, bool reset);

/* The line that begins `at` bytes behind the head of the input, without its
 * line end; false if it has not come whole. `*end` is where the next begins. */
bool soak_conn_line(const struct soak_conn *c, size_t at, struct span *line, size_t *end);
