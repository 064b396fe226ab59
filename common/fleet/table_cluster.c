#include "common/fleet/table_cluster.h"
#include "common/core/addrname.h"
#include "common/core/buf.h"
#include "common/core/mem.h"

#include <arpa/inet.h>

static bool
is_ip(const char *host)
{
    unsigned char room[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

static bool
put_node(struct buf *out, struct span text)
{
    struct addr_name name;
    if (!addr_parse(text, 0, &name) || name.is_unix || name.port == 0 || name.host[0] == '\0' ||
        strpbrk(name.host, "*| ") != NULL) {
        return false;
    }
    return buf_printf(out, "%s%s|%s|%u", buf_len(out) > 0 ? " " : "", name.host,
                      is_ip(name.host) ? name.host : "", name.port);
}

char *
table_cluster_nodes(const char *list)
{
    struct buf out = BUF_EMPTY;
    bool ok = strlen(list) <= TABLE_CLUSTER_BYTES_MAX;
    unsigned count = 0;
    for (const char *at = list; ok && *list != '\0'; at++) {
        size_t len = strcspn(at, ",");
        ok = ++count <= TABLE_CLUSTER_MAX && put_node(&out, span_make(at, len));
        at += len;
        if (*at == '\0') {
            break;
        }
    }
    char *nodes =
        ok ? mem_strndup(buf_span(&out).ptr != NULL ? buf_span(&out).ptr : "", buf_len(&out))
           : NULL;
    buf_deinit(&out);
    return nodes;
}
