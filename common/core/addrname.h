/* addrname.h - an address as people write it: HOST:PORT, [IPV6]:PORT, or
 * unix:/path (also just /path). Parsed here and resolved in common/net/addr.h,
 * because rings hash the name that was configured and never an answer of DNS.
 * Pure. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

struct addr_name {
    char host[256]; /* host name, IP, or the path of a unix socket */
    uint16_t port;  /* 0 for a unix socket */
    bool is_unix;
};

/* Splits `text`. A missing port is `default_port` (0: a port is required). Host
 * may be empty or "*" for listening on every address. False if malformed. */
bool addr_parse(struct span text, uint16_t default_port, struct addr_name *out);
