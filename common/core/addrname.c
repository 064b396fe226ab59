#include "common/core/addrname.h"
#include "common/core/num.h"

#include <sys/un.h>

static bool
take_host(struct span host, struct addr_name *out)
{
    if (host.len >= sizeof(out->host) || memchr(host.ptr, '\0', host.len) != NULL) {
        return false;
    }
    if (host.len > 0) {
        memcpy(out->host, host.ptr, host.len);
    }
    out->host[host.len] = '\0';
    return true;
}

static bool
take_port(struct span digits, struct addr_name *out)
{
    uint64_t port;
    if (!num_parse_u64(digits, &port) || port > 65535) {
        return false;
    }
    out->port = (uint16_t)port;
    return true;
}

static bool
parse_unix(struct span path, struct addr_name *out)
{
    out->is_unix = true;
    return path.len > 0 && path.len < sizeof(((struct sockaddr_un *)0)->sun_path) &&
           take_host(path, out);
}

bool
addr_parse(struct span text, uint16_t default_port, struct addr_name *out)
{
    memset(out, 0, sizeof(*out));
    if (span_starts_with(text, SPAN_LIT("unix:"))) {
        return parse_unix(span_skip(text, 5), out);
    }
    if (text.len > 0 && text.ptr[0] == '/') {
        return parse_unix(text, out);
    }
    struct span host = text, port = {0};
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *close = memchr(text.ptr, ']', text.len);
        if (close == NULL) {
            return false;
        }
        host = span_make(text.ptr + 1, (size_t)(close - text.ptr) - 1);
        struct span tail = span_skip(text, host.len + 2);
        if (tail.len > 0 && tail.ptr[0] != ':') {
            return false;
        }
        port = tail.len > 0 ? span_skip(tail, 1) : port;
    } else {
        const char *colon = memchr(text.ptr, ':', text.len);
        if (colon != NULL) {
            host = span_make(text.ptr, (size_t)(colon - text.ptr));
            port = span_skip(text, host.len + 1);
        }
    }
    if (port.ptr == NULL) {
        out->port = default_port;
        return default_port != 0 && take_host(host, out);
    }
    return take_port(port, out) && take_host(host, out);
}
