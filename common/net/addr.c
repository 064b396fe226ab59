#include "common/net/addr.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static void
fill_unix(const struct addr_name *name, struct addr *out)
{
    struct sockaddr_un *sun = (struct sockaddr_un *)&out->sa;
    memset(out, 0, sizeof(*out));
    sun->sun_family = AF_UNIX;
    size_t n = strlen(name->host);
    memcpy(sun->sun_path, name->host, n + 1);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

static unsigned
ask(const struct addr_name *name, int flags, struct addr *out, unsigned max, const char **error)
{
    bool any = name->host[0] == '\0' || strcmp(name->host, "*") == 0;
    char port[8];
    snprintf(port, sizeof(port), "%u", name->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(any ? NULL : name->host, port, &hints, &found);
    if (rc != 0) {
        *error = gai_strerror(rc);
        return 0;
    }
    unsigned n = 0;
    for (const struct addrinfo *it = found; it != NULL && n < max; it = it->ai_next) {
        memset(&out[n], 0, sizeof(out[n]));
        memcpy(&out[n].sa, it->ai_addr, it->ai_addrlen);
        out[n++].len = it->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

unsigned
addr_lookup(const struct addr_name *name, bool to_listen, struct addr *out, unsigned max,
            const char **error)
{
    if (name->is_unix) {
        fill_unix(name, out);
        return 1;
    }
    bool any = name->host[0] == '\0' || strcmp(name->host, "*") == 0;
    if (any && !to_listen) {
        *error = "no host given";
        return 0;
    }
    return ask(name, to_listen ? AI_PASSIVE : 0, out, max, error);
}

bool
addr_literal(const struct addr_name *name, struct addr *out)
{
    if (name->is_unix) {
        fill_unix(name, out);
        return true;
    }
    const char *ignored;
    return ask(name, AI_NUMERICHOST, out, 1, &ignored) == 1;
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

static bool
is_every_address(const struct addr *addr)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;
    return (addr->sa.ss_family == AF_INET && in4->sin_addr.s_addr == htonl(INADDR_ANY)) ||
           (addr->sa.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr));
}

const char *
addr_advertise(const struct addr *bound, const char *told, char *out)
{
    if (told != NULL) {
        snprintf(out, ADDR_TEXT_MAX, "%s", told);
        return out;
    }
    addr_format(bound, out);
    if (is_every_address(bound)) {
        char host[HOST_NAME_MAX + 1] = "localhost", port[8];
        snprintf(port, sizeof(port), "%s", strrchr(out, ':') + 1);
        gethostname(host, sizeof(host) - 1);
        snprintf(out, ADDR_TEXT_MAX, "%s:%s", host, port);
    }
    return out;
}
