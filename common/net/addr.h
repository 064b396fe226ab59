/* addr.h - where to listen or connect: HOST:PORT, [IPV6]:PORT, or
 * unix:/path (also just /path). Pure, but for addr_resolve(). */
#pragma once
#include "common/core/span.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 280

struct addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct addr_name {
    char host[256]; /* host name, IP, or the path of a unix socket */
    uint16_t port;  /* 0 for a unix socket */
    bool is_unix;
};

/* Splits `text`. A missing port is `default_port` (0: a port is required). Host
 * may be empty or "*" for listening on every address. False if malformed. */
bool addr_parse(struct span text, uint16_t default_port, struct addr_name *out);

/* Looks the name up; blocks on DNS for host names, so never on a worker
 * thread. Takes the first answer. On failure false and *error, a static text. */
bool addr_resolve(const struct addr_name *name, bool to_listen, struct addr *out,
                  const char **error);

/* "host:port" of a resolved address, into `out` (ADDR_TEXT_MAX bytes). */
const char *addr_format(const struct addr *addr, char *out);
