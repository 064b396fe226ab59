#include "common/net/addr.h"
#include "common/core/num.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
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

static bool
resolve_unix(const struct addr_name *name, struct addr *out)
{
    struct sockaddr_un *sun = (struct sockaddr_un *)&out->sa;
    memset(out, 0, sizeof(*out));
    sun->sun_family = AF_UNIX;
    size_t n = strlen(name->host);
    memcpy(sun->sun_path, name->host, n + 1);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

bool
addr_resolve(const struct addr_name *name, bool to_listen, struct addr *out, const char **error)
{
    if (name->is_unix) {
        return resolve_unix(name, out);
    }
    bool any = name->host[0] == '\0' || strcmp(name->host, "*") == 0;
    if (any && !to_listen) {
        *error = "no host given";
        return false;
    }
    char port[8];
    snprintf(port, sizeof(port), "%u", name->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0)};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(any ? NULL : name->host, port, &hints, &found);
    if (rc != 0) {
        *error = gai_strerror(rc);
        return false;
    }
    memset(out, 0, sizeof(*out));
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

const char *
addr_format(const struct addr *addr, char *out)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (addr->sa.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->sa;
        inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
        snprintf(out, ADDR_TEXT_MAX, "%s:%u", host, ntohs(in4->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(out, ADDR_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
        break;
    }
    case AF_UNIX: {
        const struct sockaddr_un *sun = (const struct sockaddr_un *)&addr->sa;
        bool named = addr->len > offsetof(struct sockaddr_un, sun_path);
        snprintf(out, ADDR_TEXT_MAX, "unix:%s", named ? sun->sun_path : "");
        break;
    }
    default: snprintf(out, ADDR_TEXT_MAX, "?");
    }
    return out;
}
