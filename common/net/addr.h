/* addr.h - where to listen or connect, resolved. What people write is parsed in
 * common/core/addrname.h. Pure, but for addr_lookup(). */
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
 * thread. Writes up to `max` addresses in the order in which they should be
 * tried; returns how many, 0 with *error, a static text, on failure. */
unsigned addr_lookup(const struct addr_name *name, bool to_listen, struct addr *out, unsigned max,
                     const char **error);

/* The first of them, for who listens. */
static inline bool
addr_resolve(const struct addr_name *name, bool to_listen, struct addr *out, const char **error)
{
    return addr_lookup(name, to_listen, out, 1, error) == 1;
}

/* Does the name stand for itself, so that no lookup is needed: an IP, or a unix
 * socket? Then *out is its address. */
bool addr_literal(const struct addr_name *name, struct addr *out);

/* "host:port" of a resolved address, into `out` (ADDR_TEXT_MAX bytes). */
const char *addr_format(const struct addr *addr, char *out);

/* The address that others shall use for what is bound to `bound`: `told` if it
 * is not NULL, else the bound one, else, if every address is bound, the host's
 * name with that port. Into `out` (ADDR_TEXT_MAX bytes). */
const char *addr_advertise(const struct addr *bound, const char *told, char *out);
