/* addr.h - where to listen or connect, resolved. What people write is parsed in
 * common/core/addrname.h. Pure, but for addr_resolve(). */
#pragma once
#include "common/core/addrname.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 280

struct addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* Looks the name up; blocks on DNS for host names, so never on a worker
 * thread. Takes the first answer. On failure false and *error, a static text. */
bool addr_resolve(const struct addr_name *name, bool to_listen, struct addr *out,
                  const char **error);

/* "host:port" of a resolved address, into `out` (ADDR_TEXT_MAX bytes). */
const char *addr_format(const struct addr *addr, char *out);

/* The address that others shall use for what is bound to `bound`: `told` if it
 * is not NULL, else the bound one, else, if every address is bound, the host's
 * name with that port. Into `out` (ADDR_TEXT_MAX bytes). */
const char *addr_advertise(const struct addr *bound, const char *told, char *out);
